"""tools.lt.static: a check whose tool did not work has found nothing, and must not say so."""

import subprocess

import pytest

from tools.lt import static


@pytest.mark.parametrize("check, tool", [("format", "clang-format-14"), ("lint", "cppcheck"), ("files", "git")])
def test_a_tool_that_fails_without_a_word_is_a_finding(check, tool, monkeypatch, tmp_path):
    (tmp_path / tool).write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = static.CHECKS[check]()
    assert len(found) == 1 and f"{tool} ended with 1" in found[0], found


def test_one_that_is_content_is_none():
    assert static.findings(subprocess.CompletedProcess(["x"], 0, "", ""), ["what it only remarked"]) == []
