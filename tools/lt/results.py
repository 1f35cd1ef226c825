"""Add up the JUnit files of a test run, name what failed and print the closing line: `python3 -m tools.lt.results FOLDER [FAILED-STAGE …]`.

FOLDER/begun and FOLDER/ended, where they are, name stages a line each: one that began and did not end (killed, for want of memory) has failed."""

import pathlib
import sys
import xml.etree.ElementTree as ET


def count(path):
    """Passed, names of the failed, skipped."""
    passed, failed, skipped = 0, [], 0
    for case in ET.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            failed.append(".".join(filter(None, (case.get("classname"), case.get("name")))))
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def main():
    folder, stages = pathlib.Path(sys.argv[1]), sys.argv[2:]
    ended = lines(folder / "ended")
    stages += [f"{name} (did not end)" for name in lines(folder / "begun") if name not in ended]
    total, names = [0, 0, 0], []
    for path in sorted(folder.glob("*.xml")):
        passed, failed, skipped = count(path)
        numbers = passed, len(failed), skipped
        names += [f"{path.stem}: {name}" for name in failed]
        print(f"{path.stem:14} {numbers[0]} passed, {numbers[1]} failed, {numbers[2]} skipped")
        total = [a + b for a, b in zip(total, numbers)]
    for name in names:
        print(f"failed: {name}")
    if stages:
        print(f"stages that failed: {', '.join(stages)}")
        total[1] = max(total[1], len(stages))
    if total[2]:
        print("a skipped test is a failed run")
        total[1] += total[2]
    print(f"{total[0]} passed, {total[1]} failed")
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
