"""Checks that need no running program: format, layout (direction of includes, third-party headers), lint, shell syntax, file rules.

`python3 -m tools.lt.static [--junit FILE]`; each check is a test case, so the closing line counts it.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

from tools.lt.stack import ROOT

# Who may include whom: base <- config, model, codec, kafka, http <- mapping <- ingest, core, delivery <- adapters <- ops <- cli.
# Within a layer, config and model are below kafka; the port of the log names properties of the configuration.
ALLOWED = {
    "gateway/base": set(),
    "gateway/config": {"gateway/base"},
    "gateway/model": {"gateway/base"},
    "gateway/codec": {"gateway/base"},
    "gateway/kafka": {"gateway/base", "gateway/config", "gateway/model"},
    "gateway/http": {"gateway/base"},
}
LAYER1 = set(ALLOWED)
ALLOWED["gateway/mapping"] = LAYER1
for folder in ("gateway/ingest", "gateway/core", "gateway/delivery"):
    ALLOWED[folder] = LAYER1 | {"gateway/mapping"}
LAYER3 = LAYER1 | {"gateway/mapping", "gateway/ingest", "gateway/core", "gateway/delivery"}
ALLOWED["adapters"] = LAYER3
ALLOWED["gateway/ops"] = LAYER3 | {"adapters"}
ALLOWED["gateway/cli"] = LAYER3 | {"adapters", "gateway/ops"}

OWNERS = {
    r"librdkafka/": "gateway/kafka",
    r"libxml/": "gateway/codec",
    r"rapidjson/": "gateway/codec",
    r"re2/": "gateway/codec",
    r"(curl|event2)/": "gateway/http",
    r"yaml\.h": "gateway/config",
    r"sqlite3\.h": "gateway/ops",
    r"utf8proc\.h": "gateway/base",
}
LINES_MAX = 800


def sources():
    return sorted(p.relative_to(ROOT) for top in ("gateway", "adapters", "tests") for p in (ROOT / top).rglob("*")
                  if p.suffix in (".c", ".h", ".cc", ".hpp"))


def folder_of(path):
    parts = path.parts
    return "adapters" if parts[0] == "adapters" else "/".join(parts[:2])


def findings(r, said):
    """What a tool found; one that failed and found nothing has checked nothing."""
    return (said or [f"{r.args[0]} ended with {r.returncode}: {(r.stderr + r.stdout)[-2000:]}"]) if r.returncode else []


def check_format():
    files = [str(p) for p in sources()]
    r = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *files], cwd=ROOT, capture_output=True, text=True)
    bad = sorted({line.split(":")[0] for line in r.stderr.splitlines() if "clang-format-violations" in line})
    return findings(r, [f"{f}: run clang-format-14 -i" for f in bad])


def check_includes():
    found = []
    for path in sources():
        if path.parts[0] == "tests":
            continue
        here = folder_of(path)
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if not m:
                continue
            name = m.group(2)
            if m.group(1) == '"':
                if not (ROOT / name).exists() and name != "gateway/base/version.h":
                    found.append(f"{path}:{number}: include \"{name}\" does not start at the root")
                    continue
                there = folder_of(pathlib.Path(name))
                if there != here and there not in ALLOWED.get(here, set()):
                    found.append(f"{path}:{number}: {here} must not include {there}")
            for pattern, owner in OWNERS.items():
                if m.group(1) == "<" and re.match(pattern, name) and here != owner:
                    found.append(f"{path}:{number}: <{name}> belongs to {owner} alone")
    return found


def check_files():
    found = []
    for path in sources():
        text = (ROOT / path).read_text()
        if text.count("\n") > LINES_MAX:
            found.append(f"{path}: over {LINES_MAX} lines, look for the second noun")
        if path.suffix == ".h" and not text.lstrip().startswith(("/*", "//")):
            found.append(f"{path}: a header begins with what it is for")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    found += findings(listed, [])
    tracked = listed.stdout.split("\n")
    marker = "PRIVATE " + "KEY-----"
    for name in filter(None, tracked):
        p = ROOT / name
        if p.is_file() and p.stat().st_size < 1 << 20 and marker.encode() in p.read_bytes():
            found.append(f"{name}: holds a private key")
    return found


def check_lint():
    database = ROOT / "build/release/compile_commands.json"
    if not database.exists():
        r = subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, capture_output=True, text=True)
        if r.returncode:
            return [r.stderr[-2000:]]
    wanted = [e for e in json.loads(database.read_text()) if e["file"].startswith((str(ROOT / "gateway"), str(ROOT / "adapters")))]
    listing = ROOT / "build/lint.json"
    listing.write_text(json.dumps(wanted))
    r = subprocess.run(["cppcheck", f"--project={listing}", "-D__cppcheck__=1", "--enable=warning,portability,performance", "--inline-suppr", "--quiet", "-j2",
                        "--error-exitcode=1", "--suppress=missingIncludeSystem", "--suppress=unknownMacro", "--suppressions-list=tools/lt/cppcheck.txt",
                        f"--cppcheck-build-dir={lint_cache()}"], cwd=ROOT, capture_output=True, text=True)
    return findings(r, [line for line in r.stderr.splitlines() if line.strip()])


def lint_cache():
    folder = ROOT / "build/cppcheck"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check_scripts():
    found = []
    for path in (ROOT / "tools").iterdir():
        if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/env bash"):
            r = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True)
            if r.returncode:
                found.append(r.stderr.strip())
    for path in list((ROOT / "tools").rglob("*.py")) + list((ROOT / "tests").rglob("*.py")):
        try:
            compile(path.read_text(), str(path), "exec")
        except SyntaxError as e:
            found.append(f"{path.relative_to(ROOT)}:{e.lineno}: {e.msg}")
    return found


CHECKS = {"format": check_format, "includes": check_includes, "files": check_files, "scripts": check_scripts, "lint": check_lint}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--junit")
    parser.add_argument("checks", nargs="*", choices=[*CHECKS, []])
    a = parser.parse_args()
    suite = ET.Element("testsuite", name="static")
    failed = False
    for name, check in CHECKS.items():
        if a.checks and name not in a.checks:
            continue
        found = check()
        case = ET.SubElement(suite, "testcase", classname="static", name=name)
        if found:
            failed = True
            print("\n".join(found))
            ET.SubElement(case, "failure", message=f"{len(found)} findings").text = "\n".join(found)
        print(f"{name}: {len(found)} findings" if found else f"{name}: ok")
    if a.junit:
        ET.ElementTree(suite).write(a.junit)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
