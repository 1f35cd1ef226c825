"""tools/kafka: what it says and does when something is in the way. No broker is started here but in the last test."""
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tools.lt.stack import free_ports

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "kafka"


def free_port():
    """The first of two free ports side by side."""
    return free_ports(1)[0]


@pytest.fixture
def node(tmp_path):
    """run(command, **environment) in a folder and on ports of its own; stopped at the end."""
    base = dict(os.environ, LT_KAFKA_DIR=str(tmp_path / "kafka"), LT_KAFKA_PORT=str(free_port()))

    def run(command, **environment):
        return subprocess.run([sys.executable, TOOL, command], env=dict(base, **environment), stderr=subprocess.PIPE,
                              text=True, timeout=300)

    run.folder = tmp_path / "kafka"
    run.port = int(base["LT_KAFKA_PORT"])
    yield run
    run("stop")


def test_an_unknown_command_is_a_usage_error(node):
    done = node("restart")
    assert done.returncode == 2
    assert "start|stop|status|reset" in done.stderr


def test_a_port_that_is_no_port_is_named(node):
    done = node("start", LT_KAFKA_PORT="kafka")
    assert done.returncode == 69
    assert "LT_KAFKA_PORT" in done.stderr and "'kafka'" in done.stderr


def test_without_java_it_says_what_to_install(node):
    done = node("start", PATH="/nonexistent", JAVA_HOME="")
    assert done.returncode == 69
    assert "Java 17" in done.stderr and "apt install" in done.stderr


def test_an_old_java_is_refused(node, tmp_path):
    home = tmp_path / "old" / "bin"
    home.mkdir(parents=True)
    (home / "java").write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    (home / "java").chmod(0o755)
    done = node("start", JAVA_HOME=str(home.parent))
    assert done.returncode == 69
    assert "Java 11, expected 17" in done.stderr


def test_a_taken_port_is_named(node):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", node.port + 1))
        done = node("start")
    assert done.returncode == 69
    assert f"port {node.port + 1} on 127.0.0.1 is taken" in done.stderr


def test_a_stale_pid_file_kills_nobody(node):
    node.folder.mkdir(parents=True)
    (node.folder / "pid").write_text(f"{os.getpid()} {node.port} 12345\n")
    assert node("status").returncode == 3
    assert node("stop").returncode == 0
    assert not (node.folder / "pid").exists()


def test_it_starts_once_and_stops_and_forgets_on_reset(node):
    first = node("start")
    assert first.returncode == 0, first.stderr
    second = node("start")
    assert second.returncode == 0 and "runs already" in second.stderr
    other = node("start", LT_KAFKA_PORT=str(free_port()))
    assert other.returncode == 69 and "runs already, on port" in other.stderr
    assert node("status").returncode == 0
    cluster = (node.folder / "data" / "meta.properties").read_text()
    assert node("stop").returncode == 0
    assert node("status").returncode == 3
    assert (node.folder / "data" / "meta.properties").read_text() == cluster
    assert node("reset").returncode == 0
    assert not (node.folder / "data").exists()
