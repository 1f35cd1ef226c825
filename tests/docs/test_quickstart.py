"""tools/quickstart as the README says it: on free ports in a folder of its own, beside whatever runs here."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from tools.lt.stack import ROOT, wait_for

ENV = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def command(folder, *more):
    return [sys.executable, "-m", "tools.lt.quickstart", "--dir", str(folder), "--dossiers", "30", *more]


def quickstart(folder, *more):
    return subprocess.run(command(folder, *more), cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=300)


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "quick"
    quickstart(tmp_path / "quick", "--stop")


def left(folder):
    return sorted(p.name for p in (folder / "quickstart").glob("*.pid")) + (["kafka"] if (folder / "kafka/pid").exists() else [])


def test_everything_arrives_and_every_province_is_told_as_the_readme_shows_it(folder):
    kept = quickstart(folder, "--keep")
    assert kept.returncode == 0 and kept.stdout.endswith("quickstart: ok\n"), kept.stdout + kept.stderr
    assert "GETPID" not in kept.stdout + kept.stderr, "what passes by itself frightens nobody"
    shown = re.findall(r"^    ((?:told|dossiers)[^\d]*?)  +\d+ +\d+  ok$", (ROOT / "README.md").read_text(), re.M)
    assert len(shown) >= 9
    for what in shown:
        assert re.search(rf"^{re.escape(what)} +(\d+) +\1  ok$", kept.stdout, re.M), f"{what}\n{kept.stdout}"
    told = int(re.search(r"^told exactly right +(\d+)", kept.stdout, re.M)[1])
    assert told > 30 and f"the provinces were told {told} times" in kept.stdout
    # What it says to try next can be typed.
    commands = [line.split("    # ")[0].strip() for line in kept.stdout.partition("Commands to try next:\n")[2].splitlines() if "    # " in line]
    assert len(commands) == 5 and "--stop" in commands[-1]
    for c in commands:
        r = subprocess.run(["bash", "-c", c], cwd=ROOT, env=ENV, capture_output=True, text=True)
        assert r.returncode == 0, f"{c}\n{r.stdout}\n{r.stderr}"
    assert r.stdout == "quickstart: stopped gateway, portal, population, province, Kafka\n"
    assert not left(folder)
    assert quickstart(folder, "--stop").stdout == "quickstart: nothing of it was running\n"


def test_a_second_one_is_refused_while_one_works_and_an_interrupted_one_leaves_nothing_running(folder):
    # Interrupts count for it also where these tests run as a background job of a shell, which ignores them.
    with subprocess.Popen(command(folder), cwd=ROOT, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as first:
        lines = []
        for line in first.stdout:
            lines.append(line)
            if line.startswith("== sending"):
                break
        second = quickstart(folder)
        assert second.returncode == 1 and "another tools/quickstart is at work" in second.stderr, second.stderr
        assert wait_for("the gateway of the first to live on", lambda: len(left(folder)) == 5)
        os.killpg(first.pid, signal.SIGINT)
        lines += first.stdout
        assert first.wait(60) == 130, "".join(lines)
    text = "".join(lines)
    assert "quickstart: interrupted" in text and "Traceback" not in text, text
    assert not left(folder)


def test_a_taken_port_is_named_with_a_way_out_and_nothing_is_started(folder):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", 18446))
            s.listen()
        except OSError:
            pass  # taken by another already: as good
        # Of the usual ports, which --dir does not use: asked without starting anything.
        script = f"from tools.lt.quickstart import *; it = Installation(ROOT / 'build/release', pathlib.Path({str(folder)!r})); it.ports = PORTS; it.prepare(1)"
        r = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=ENV, capture_output=True, text=True)
    assert "province 18446" in r.stderr and "--dir DIR" in r.stderr
    assert not folder.exists()


def test_a_disk_without_room_is_named_before_anything_starts(folder):
    script = ("from tools.lt.quickstart import *; import sys, types; shutil.disk_usage = lambda _: types.SimpleNamespace(free=150 << 20); "
              f"sys.argv = ['quickstart', '--dir', {str(folder)!r}, '--dossiers', '500']; sys.exit(main())")
    r = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=ENV, capture_output=True, text=True)
    assert r.returncode == 1 and "expected 190 MiB free on its disk, got 150" in r.stderr, r.stderr
    assert not (folder / "quickstart").exists()
