"""Processes of a Liên Thông installation on loopback: Kafka, the mocks and the gateway, each started and stopped by process id.

Nothing here knows what is tested. A Process writes its pid and its log below one folder, so that a later run (or a person) can stop what an
earlier one left behind.
"""

import collections
import json
import os
import pathlib
import random
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Failure(Exception):
    """Something did not come up or did not answer; the text says what to look at."""


def wait_for(what, condition, seconds=60, every=0.05):
    """Call condition until it gives something true, or fail with `what`."""
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        try:
            result = condition()
        except Failure:
            raise
        except Exception as e:  # not there yet
            result, last = None, e
        if result:
            return result
        time.sleep(every)
    raise Failure(f"{what}: not within {seconds} s" + (f" (last: {last})" if last else ""))


def stop_on_signals():
    """SIGTERM ends the program as Ctrl-C does, so that what it started is stopped."""
    def end(number, _):
        raise SystemExit(128 + number)
    signal.signal(signal.SIGTERM, end)


def port_taken(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


SLICE = 512
_ports = collections.deque()  # of this program, the one that was given longest ago first
_claim = None


def claim_ports():
    """A slice of the ports for this program alone: what runs beside it draws from another. An abstract socket is the claim and ends with the
    program. All are below those that the kernel gives to outgoing connections (one of these would take the port of a process that is away) and
    below our own well-known ones; every other one is given, because the next port after a Kafka's is its controller's."""
    global _claim
    end = min(int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]), 32768)
    slices = list(range(end // 4, end // 2 - SLICE + 1, SLICE))
    for first in random.sample(slices, len(slices)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0lienthong ports from {first}")
        except OSError:
            claim.close()
            continue
        _claim = claim
        _ports.extend(random.sample(range(first, first + SLICE, 2), SLICE // 2))
        return
    raise Failure(f"{len(slices)} programs have taken the ports from {end // 4} to {end // 2} among them")


def free_ports(n, keep=False):
    """Ports that nobody uses; keep: for as long as this program runs, else they are given again after all the others."""
    if not _claim:
        claim_ports()
    ports = [port for port in _ports if not port_taken(port) and not port_taken(port + 1)][:n]
    if len(ports) < n:
        raise Failure(f"{n} ports are not free from {min(_ports)} to {max(_ports)}")
    for port in ports:
        _ports.remove(port)
    if not keep:
        _ports.extend(ports)
    return ports


def start_time(pid):
    """When a process began, in clock ticks: tells a pid from its reuse. None when it is gone or a zombie."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


class Process:
    """A program in the background with a pid file `<folder>/<name>.pid` ("pid start-time") and a log `<folder>/<name>.log`."""

    def __init__(self, name, folder, argv, env=None):
        self.name, self.argv, self.env = name, [str(a) for a in argv], env
        self.folder = pathlib.Path(folder)
        self.pid_file = self.folder / f"{name}.pid"
        self.log = self.folder / f"{name}.log"
        self.popen = None

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stop()
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                          env={**os.environ, **(self.env or {})})
        self.pid_file.write_text(f"{self.popen.pid} {start_time(self.popen.pid)}\n")
        return self

    def pid(self):
        """Of the running process, ours or one that an earlier run left; None when there is none. Ours needs no file: it may be gone, or the disk full."""
        if self.popen:
            return self.popen.pid if self.popen.poll() is None else None
        try:
            pid, began = self.pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if began != "None" and start_time(int(pid)) == began else None

    def alive(self):
        if self.popen:
            return self.popen.poll() is None
        return self.pid() is not None

    def kill(self, number=signal.SIGKILL):
        pid = self.pid()
        if pid:
            os.kill(pid, number)

    def stop(self, seconds=30):
        """SIGTERM, and SIGKILL when that does not end it. Returns the exit code when the process was ours."""
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and self.alive():
                time.sleep(0.02)
            if self.alive():
                os.kill(pid, signal.SIGKILL)
        code = self.popen.wait() if self.popen else None
        self.popen = None
        self.pid_file.unlink(missing_ok=True)
        return code

    def tail(self, lines=15):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def must_live(self):
        if not self.alive():
            raise Failure(f"{self.name} ended by itself; the end of {self.log}:\n{self.tail()}")
        return True


class Kafka:
    """tools/kafka with a folder and a port of its own."""

    def __init__(self, folder, port, **env):
        self.env = {**os.environ, "LT_KAFKA_DIR": str(folder), "LT_KAFKA_PORT": str(port), **env}
        self.bootstrap = f"127.0.0.1:{port}"

    def run(self, verb, quiet=True):
        r = subprocess.run([str(ROOT / "tools/kafka"), verb], env=self.env, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if r.returncode != 0:
            raise Failure(f"tools/kafka {verb}: {r.stdout.strip()}")
        if not quiet and r.stdout.strip():
            print(r.stdout.strip(), flush=True)

    def start(self):
        self.run("start")

    def stop(self):
        self.run("stop")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def reset(self):
        self.run("reset")

    def runs(self):
        """Whether the process is there; it may not answer."""
        return not subprocess.run([str(ROOT / "tools/kafka"), "status"], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True).stdout.startswith("kafka: not running")


class Https:
    """Requests over mutual TLS with one client identity."""

    def __init__(self, pki, name, ca="ca.crt"):
        pki = pathlib.Path(pki)
        self.context = ssl.create_default_context(cafile=str(pki / ca))
        if name:
            self.context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")

    def request(self, url, body=None, media=None, method=None, timeout=30, headers=None):
        """(status, headers, bytes); an HTTP error is an answer like any other."""
        request = urllib.request.Request(url, data=body, method=method, headers={**({"Content-Type": media} if media else {}), **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self.context if url.startswith("https") else None) as r:
                return r.status, r.headers, r.read()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.headers, e.read()

    def json(self, url, **kw):
        status, _, body = self.request(url, **kw)
        if status != 200:
            raise Failure(f"{url}: HTTP {status}: {body[:200]!r}")
        return json.loads(body)


def get(url, timeout=10):
    """(status, bytes) of a plain URL."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as r:
            return r.status, r.read()
    except urllib.error.HTTPError as e:
        with e:
            return e.code, e.read()
