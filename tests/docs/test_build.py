"""tools/build: commands that start side by side (two kinds of chaos, a quickstart) build in one folder one after another."""

import fcntl
import subprocess

import pytest

from tools.lt.stack import ROOT


@pytest.fixture
def log():
    path = ROOT / "build/test-of-build.log"
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


def build(log, *words):
    return subprocess.Popen(["tools/build", log.stem, *words], cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_a_build_waits_for_the_one_before_it(log):
    with open(ROOT / "build/release.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = build(log, "release", "lienthong")
        try:
            assert second.stderr.readline() == "== waiting for another build of release in this folder\n"
            assert second.poll() is None and not log.exists(), "it builds beside the other"
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
            rest = second.communicate(timeout=600)[1]
    assert (second.returncode, rest) == (0, "") and log.exists()


def test_a_build_that_fails_shows_the_end_of_what_it_said(log):
    r = build(log, "release", "no_such_target")
    said = r.communicate(timeout=600)[1]
    assert r.returncode == 1 and "no_such_target" in said and said.endswith(f"all it said is in build/{log.name}\n"), said
