"""Does the simulation find bugs? `tools/sim --mutations [NAME…]` puts each bug of tests/sim/mutations into a scratch copy of the tree,
builds the simulation there and runs seeds in their order until one fails. Exit 1 when a bug was not found within the seeds.

The head of a patch says what the bug is: a line `Simulation: NAME` (core when there is none) and one sentence.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys

from tools.lt.stack import ROOT

SCRATCH = ROOT / "build" / "mutations"
PATCHES = ROOT / "tests" / "sim" / "mutations"


def run(*command, **options):
    return subprocess.run([str(c) for c in command], cwd=SCRATCH / "tree", capture_output=True, text=True, **options)


def copy_tree():
    """Only what is newer or gone, so that the second use builds little."""
    tree = SCRATCH / "tree"
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout.split("\0")
    wanted = {name for name in names if name and (ROOT / name).is_file()}
    for path in [p for p in tree.rglob("*") if p.is_file()] if tree.exists() else []:
        if str(path.relative_to(tree)) not in wanted:
            path.unlink()
    for name in wanted:
        there = tree / name
        if not there.exists() or there.read_bytes() != (ROOT / name).read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, there)


def build():
    for command in (["cmake", "-S", ".", "-B", SCRATCH / "build", "-G", "Ninja", "-DLT_TESTS=ON"],
                    ["cmake", "--build", SCRATCH / "build", "--target", "lt_sim"]):
        r = run(*command)
        if r.returncode:
            return r.stdout[-2000:] + r.stderr[-2000:]
    return None


def try_one(patch, seeds):
    text = patch.read_text()
    m = re.search(r"^Simulation: (\w+)", text, re.M)
    result = {"mutation": patch.stem, "simulation": m.group(1) if m else "core", "seed": None, "says": ""}
    r = run("patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "-i", patch)  # what fits elsewhere is another bug
    if r.returncode:
        result["says"] = "the patch does not apply: " + r.stdout.strip().replace("\n", "; ")
        return result
    trouble = build()
    if trouble:
        result["says"] = "does not build: " + trouble
        return result
    r = run(SCRATCH / "build" / "lt_sim", "--of", result["simulation"], "--seeds", seeds, "--first", "--json")
    failing = json.loads(r.stdout.strip().splitlines()[-1])["failing"]
    if failing:
        result["seed"] = failing[0]
        told = [line for line in r.stderr.splitlines() if line.startswith(f"seed {failing[0]}")]
        result["says"] = told[-1].split(": ", 1)[1] if told else ""
    return result


def main():
    args = argparse.ArgumentParser(prog="tools/sim --mutations", description=__doc__.splitlines()[0])
    args.add_argument("names", nargs="*", help="only these")
    args.add_argument("--seeds", type=int, default=1000)
    args.add_argument("--json", action="store_true")
    o = args.parse_args()
    patches = [p for p in sorted(PATCHES.glob("*.patch")) if not o.names or p.stem in o.names]
    missing = 0
    for patch in patches:
        copy_tree()
        r = try_one(patch, o.seeds)
        missing += r["seed"] is None
        found = f"seed {r['seed']}" if r["seed"] is not None else "NOT FOUND"
        print(json.dumps(r, ensure_ascii=False) if o.json else f"{r['mutation']:28} {found:12} {r['says'][:110]}", flush=True)
    copy_tree()
    return 1 if missing or not patches else 0


if __name__ == "__main__":
    sys.exit(main())
