"""The main job, on real-looking input, with everything real: called by tools/quickstart after the build.

Starts Kafka, the mocks and the gateway, sends generated provincial events over mutual TLS, waits until everything has arrived, and checks
what arrived against the generator's truth and the mocks' own memory.
"""

import argparse
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from tools.lt.derive import derive_config
from tools.lt.stack import ROOT, Failure, Https, Kafka, Process, free_ports, get, port_taken, stop_on_signals, wait_for

PORTS = {"Kafka": 19092, "Kafka's controller": 19093, "ingest": 18443, "portal": 18444, "population": 18445, "province": 18446, "admin": 19464}
ROOM = 128 << 20  # bytes of disk for Kafka, its jars, and logs
ROOM_A_DOSSIER = 128 << 10
MOCKS = ("portal", "population", "province")


def say(text):
    print(f"== {text}", flush=True)


def call(*argv):
    # Out of the terminal's reach: an interrupt ends quickstart, which ends this; by itself an interpreter that still loads shows where it was.
    r = subprocess.run([str(a) for a in argv], cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
    if r.returncode != 0:
        raise Failure(f"{' '.join(str(a) for a in argv)}: exit code {r.returncode}")


def shown(path):
    """As a person in the checkout would type it."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


class Installation:
    """Everything of one quickstart: in var/ with config/ as it ships, or elsewhere on free ports with the same configuration."""

    def __init__(self, build, elsewhere=None):
        self.lienthong, mock = build / "lienthong", build / "lienthong-mock"
        self.var = elsewhere or ROOT / "var"
        self.run, self.pki, self.state = self.var / "quickstart", self.var / "pki", self.var / "gateway"
        self.load = self.run / "load"
        self.elsewhere = elsewhere is not None
        self.ports = dict(PORTS)
        if elsewhere:
            kafka, *rest = free_ports(len(PORTS) - 1)
            while port_taken(kafka + 1) or kafka + 1 in rest:
                kafka, *rest = free_ports(len(PORTS) - 1)
            self.ports = dict(zip(PORTS, [kafka, kafka + 1, *rest]))
        self.config = self.run / "config/gateway.yaml" if elsewhere else ROOT / "config/gateway.yaml"
        self.kafka = Kafka(self.var / "kafka", self.ports["Kafka"], LT_KAFKA_JARS=os.environ.get("LT_KAFKA_JARS") or str(ROOT / "var/kafka/jars"))
        self.urls = {name: f"https://127.0.0.1:{self.ports[name]}" for name in ("ingest", *MOCKS)}
        self.admin = f"http://127.0.0.1:{self.ports['admin']}"

        def process(name, *more):
            return Process(name, self.run, [mock, name, "--listen", f"127.0.0.1:{self.ports[name]}", "--cert", self.pki / f"{name}.crt",
                                            "--key", self.pki / f"{name}.key", "--ca", self.pki / "ca.crt", *more])

        # The one mock of the provinces takes the call-backs of all; maThongBao is what two of them call the id (config/targets/province.yaml).
        self.mocks = (process("portal", "--password-file", self.pki / "portal.password"), process("population", "--citizens", self.load / "citizens.json"),
                      process("province", "--id-field", "maThongBao"))
        self.gateway = Process("gateway", self.run, [self.lienthong, "run", "--config", self.config])

    def stop(self):
        """End what runs of it, ours or what an earlier one left. Returns the names."""
        running = [p.name for p in (self.gateway, *self.mocks) if p.alive()] + ["Kafka"] * self.kafka.runs()
        for p in (self.gateway, *self.mocks):
            p.stop()
        self.kafka.stop()
        return running

    def locked(self):
        """One at a time: a second one would end the processes of the first. What --keep leaves running does not hold the lock."""
        self.var.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.var / "quickstart.lock", "a")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"another tools/quickstart is at work in {shown(self.var)}: wait for its end, or end it there with Ctrl-C") from None

    def prepare(self, dossiers):
        """Nothing of an earlier run but certificates and secrets, and room for this one: a full disk looks like a Kafka that hangs."""
        taken = [f"{name} {port}" for name, port in self.ports.items() if port_taken(port)]
        if taken:
            raise Failure(f"these ports on 127.0.0.1 are in use by something else: {', '.join(taken)}; stop it, or let tools/quickstart --dir DIR "
                          "take free ports and another folder")
        room, free = ROOM + dossiers * ROOM_A_DOSSIER, shutil.disk_usage(self.var).free
        if free < room:
            raise Failure(f"{shown(self.var)}: expected {room >> 20} MiB free on its disk, got {free >> 20}: make room, or name another folder with --dir DIR")
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)
        self.run.mkdir(parents=True)
        if self.elsewhere:
            p = self.ports
            derive_config(self.config.parent, self.pki, self.state, self.kafka.bootstrap, p["ingest"], p["admin"], *(p[name] for name in MOCKS))

    def start(self):
        self.kafka.reset()
        self.kafka.start()
        operator = Https(self.pki, "operator")
        for p in self.mocks:
            p.start()
        for p in self.mocks:
            wait_for(f"the {p.name} mock to answer", lambda: p.must_live() and operator.json(f"{self.urls[p.name]}/oracle/counters"), 30)
        call(self.lienthong, "topics", "create", "--config", shown(self.config))
        self.gateway.start()
        wait_for("the gateway to be ready", lambda: self.gateway.must_live() and get(f"{self.admin}/ready")[0] == 200, 60)
        return operator

    def status(self):
        return json.loads(get(f"{self.admin}/status")[1])


def settled(it, operator, truth):
    """Has everything the truth expects arrived? Progress on a terminal."""
    for p in (it.gateway, *it.mocks):
        p.must_live()
    now, portal, province = it.status(), *(operator.json(f"{it.urls[name]}/oracle/counters") for name in ("portal", "province"))
    judged, done, told = sum(now["core"]["verdicts"].values()), portal["progress"], province["taken"]
    want = truth["totals"]
    if sys.stderr.isatty():
        print(f"\r   judged {judged}/{want['accepted']}, progress rows at the portal {done}/{want['portal_progress']}, "
              f"told to the provinces {told}/{want['told']}   ", end="", file=sys.stderr)
    stops = [f"{p['stop']['reason']}: {p['stop']['text']}" for t in now["targets"] for p in t["partitions"] if p.get("stop")]
    if stops:
        raise Failure("a delivery queue stopped: " + "; ".join(stops[:3]))
    idle = all(t["in_flight"] == 0 and t["oldest_ms"] == 0 for t in now["targets"] if t["target"] in MOCKS)  # else one more could still come
    return (idle and judged >= want["accepted"] and done >= want["portal_progress"] and told >= want["told"] and
            portal["creates"] >= want["portal_creates"] and portal["updates"] >= want["portal_updates"])


def table(rows):
    """rows: (what, expected, seen). Returns whether all agree."""
    width = max(len(r[0]) for r in rows)
    print(f"\n   {'':{width}}  {'expected':>9} {'seen':>9}")
    for what, expected, seen in rows:
        mark = "" if expected == seen else "   <-- differs"
        print(f"   {what:{width}}  {expected:>9} {seen:>9}{mark}")
    print(flush=True)
    return all(expected == seen for _, expected, seen in rows)


def results(it, operator, truth):
    want = truth["totals"]
    sent = json.loads((it.load / "sent.json").read_text())["totals"]
    core = it.status()["core"]
    v = core["verdicts"]
    portal, population, province = (operator.json(f"{it.urls[name]}/oracle/counters") for name in MOCKS)
    rows = [
        ("events sent", want["sent"], sent["sent"]),
        ("accepted (durable in Kafka)", want["accepted"], sent["accepted"]),
        ("refused with a reason", want["refused"], sent["refused"]),
        ("new", want["new"], v["new"]),
        ("duplicate", want["duplicate"], v["duplicate"]),
        ("conflict", want["conflict"], v["conflict"]),
        ("invalid", 0, v["invalid"]),
    ]
    rows += [(f"routed to {topic}", n, core["routed"].get(topic, 0)) for topic, n in sorted(want["routed"].items())]
    rows += [
        ("portal: dossiers created", want["portal_creates"], portal["creates"]),
        ("portal: updates", want["portal_updates"], portal["updates"]),
        ("portal: progress rows", want["portal_progress"], portal["progress"]),
        ("portal: refused calls", 0, portal["rejected"]),
        ("population: match", want["population_match"], population["match"]),
        ("population: no match", want["population_no_match"], population["no_match"]),
        ("provinces: call-backs taken", want["told"], province["taken"]),
        ("provinces: told a second time", 0, province["repeats"]),
    ]
    return table(rows)


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/quickstart", description="The main job end to end with real parts, and its result checked: events of three provinces through Kafka "
        "and the gateway to the mocks of the portal and of the population database, and call-backs to the provinces' endpoint.",
        epilog="Logs: var/quickstart/*.log, Kafka's var/kafka/logs. Exit codes: 0 everything as it must be, 1 not, 130 interrupted.")
    parser.add_argument("--keep", action="store_true", help="leave Kafka, mocks and gateway running (tools/quickstart --stop ends them)")
    parser.add_argument("--stop", action="store_true", help="stop what an earlier --keep left running")
    parser.add_argument("--dossiers", type=int, default=500, metavar="N", help="how many dossiers are sent (default 500, some 3,200 events)")
    parser.add_argument("--seed", type=int, default=2024, metavar="N", help="other dossiers (default 2024)")
    parser.add_argument("--dir", type=pathlib.Path, metavar="DIR",
                        help="keep everything in DIR instead of var/ and take free ports: beside another one, or where its ports are taken")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", metavar="DIR", help="where lienthong and lienthong-mock are")
    a = parser.parse_args()
    if a.dossiers < 1:
        parser.error(f"--dossiers: expected a number from 1, got {a.dossiers}")
    return a


def job(it, a):
    """True when everything is as the generator's truth says it must be."""
    say(f"certificates and secrets ({shown(it.pki)})")
    call("tools/pki", "make", "--renew", "--dir", it.pki)
    say("checking the configuration")
    call(it.lienthong, "check", "--config", shown(it.config))
    say(f"generating the events of {a.dossiers} dossiers from three provinces in three dialects")
    call("tools/loadgen", "generate", "--seed", a.seed, "--dossiers", a.dossiers, "--out", it.load)
    truth = json.loads((it.load / "truth.json").read_text())
    say("starting Kafka, the mocks (portal, population database, the provinces' endpoint) and the gateway")
    operator = it.start()
    say(f"sending {truth['totals']['sent']} events over mutual TLS")
    call("tools/loadgen", "send", "--dir", it.load, "--base-url", it.urls["ingest"], "--pki", it.pki)
    say("waiting until every event has reached the portal and its province has heard of it")
    try:
        wait_for("everything to arrive", lambda: settled(it, operator, truth), 240, every=0.3)
    except Failure as e:
        print(f"   {e}", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    say("what happened, against what the generator knows must happen")
    ok = results(it, operator, truth)
    say("every dossier at the portal, row by row, and every call-back, event by event, against the truth")
    call("tools/loadgen", "verify", "--dir", it.load, "--pki", it.pki, *(f"--{name}-oracle={it.urls[name]}" for name in MOCKS))
    if ok:
        told = ", ".join(f"{n} {what}" for what, n in sorted(truth["told"].items()))
        say(f"the provinces were told {truth['totals']['told']} times ({told}): of each event as often as it must be, none twice, none missing")
    return ok


def next_commands(it, kept):
    """What to look at now, as it can be typed."""
    binary, pki, load = shown(it.lienthong), shown(it.pki), shown(it.load)
    config = f" --config {shown(it.config)}" if it.elsewhere else ""
    path = next(r["path"] for r in map(json.loads, open(it.load / "manifest.ndjson")))
    tls = f"--cacert {pki}/ca.crt --cert {pki}/operator.crt --key {pki}/operator.key"
    commands = {f"{binary} explain{config} {load}/{path}": "where each field of an event comes from"}
    if kept:
        commands |= {f"{binary} status{config}": "what the gateway says of itself",
                     f"{binary} topics{config}": "the topics against the configuration",
                     f"curl {tls} '{it.urls['province']}/oracle/messages?limit=3'": "what the provinces were told",
                     f"tools/quickstart --stop{f' --dir {it.var}' if it.elsewhere else ''}": "the end of it"}
    else:
        commands["tools/quickstart --keep"] = "leaves everything running, to look into it"
    print("Commands to try next:")
    for command, what in commands.items():
        print(f"  {command}    # {what}")


def main():
    a = arguments()
    stop_on_signals()
    os.chdir(ROOT)
    it = Installation(a.build.resolve(), a.dir and a.dir.resolve())
    began = time.monotonic()
    ok, started = False, False
    try:
        it.locked()
        left = it.stop()
        if a.stop:
            print(f"quickstart: stopped {', '.join(left)}" if left else "quickstart: nothing of it was running")
            return 0
        if left:
            say(f"ended first, left running by --keep: {', '.join(left)}")
        it.prepare(a.dossiers)
        started = True
        ok = job(it, a)
    except (Failure, OSError) as e:
        print(f"quickstart: {e}", file=sys.stderr)
        if it.gateway.popen:  # of this run: what an earlier one left says nothing about this failure
            print(f"the end of {it.gateway.log}:\n{it.gateway.tail()}", file=sys.stderr)
    except (KeyboardInterrupt, SystemExit):
        print("\nquickstart: interrupted; stopping what it started", file=sys.stderr)
        return 130
    finally:
        if started and not (a.keep and ok):
            it.stop()
    if not ok:
        print("quickstart: FAILED", file=sys.stderr)
        return 1
    next_commands(it, a.keep)
    print(f"\n{time.monotonic() - began:.0f} s\nquickstart: ok", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
