"""The code tables of the configuration, as the generator needs them: entries are one-line flow maps, read without a YAML library."""
import os
import re

ENTRY = re.compile(r"^\s*-\s*\{(.*)\}\s*(#.*)?$")
PAIR = re.compile(r'\s*([\w-]+):\s*("(?:[^"\\]|\\.)*"|[^,]*)\s*(?:,|$)')

# The day the districts ended.
REFORM = "2025-07-01"


def root():
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def read(path):
    out = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            m = ENTRY.match(line)
            if m:
                out.append({k: v.strip().strip('"') for k, v in PAIR.findall(m.group(1))})
    if not out:
        raise SystemExit(f"loadgen: {path}: expected table entries written as one-line maps, got none")
    return out


class Tables:
    def __init__(self, folder=None):
        folder = folder or os.path.join(root(), "config", "tables")
        self.units = read(os.path.join(folder, "units.yaml"))
        self.procedures = {e["code"]: e for e in read(os.path.join(folder, "procedures.yaml"))}
        self.national = [c for c, e in self.procedures.items() if e["value"] == c]

    def unit(self, code, day):
        """The entry in force on a day (yyyy-mm-dd); for an ended unit its last one."""
        rows = [u for u in self.units if u["code"] == code]
        for u in rows:
            if u.get("from", "0000") <= day < u.get("to", "9999"):
                return u
        return rows[-1] if rows else None

    def units_of(self, province, day, levels):
        rows = {u["code"] for u in self.units
                if (u["code"].startswith(province + ".") or u["code"].endswith("." + province)) and u["level"] in levels
                and u.get("from", "0000") <= day < u.get("to", "9999")}
        return sorted(rows)
