"""The last lines of tools/test: every number and every name that a reader of the end alone needs."""

import subprocess
import sys

import pytest

from tools.lt.stack import ROOT


@pytest.mark.parametrize("cases, stages, last, code", [
    ('<testcase name="a"/><testcase name="b"/>', [], ["2 passed, 0 failed"], 0),
    ('<testcase classname="t.x" name="a"><failure/></testcase><testcase name="b"/>', ["e2e"],
     ["failed: some: t.x.a", "stages that failed: e2e", "1 passed, 1 failed"], 1),
    ('<testcase name="a"/>', ["static"], ["stages that failed: static", "1 passed, 1 failed"], 1),
    ('<testcase name="a"/><testcase name="b"><skipped/></testcase>', [], ["a skipped test is a failed run", "1 passed, 1 failed"], 1),
    ("", [], ["0 passed, 0 failed"], 1),
])
def test_what_failed_is_named_at_the_end(tmp_path, cases, stages, last, code):
    (tmp_path / "some.xml").write_text(f"<testsuite>{cases}</testsuite>")
    r = subprocess.run([sys.executable, "-m", "tools.lt.results", str(tmp_path), *stages], cwd=ROOT, capture_output=True, text=True)
    assert (r.stdout.splitlines()[1:], r.returncode) == (last, code), r.stdout + r.stderr


def test_a_stage_that_was_killed_is_a_failed_one(tmp_path):
    (tmp_path / "some.xml").write_text('<testsuite><testcase name="a"/></testsuite>')
    (tmp_path / "begun").write_text("computing\nunit\n")
    (tmp_path / "ended").write_text("unit\n")
    r = subprocess.run([sys.executable, "-m", "tools.lt.results", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert r.returncode == 1 and r.stdout.endswith("stages that failed: computing (did not end)\n1 passed, 1 failed\n"), r.stdout + r.stderr
