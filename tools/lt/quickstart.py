"""The main job, on real-looking input, with everything real: called by tools/quickstart after the build.

Starts Kafka, the mocks and the gateway, sends generated provincial events over mutual TLS, waits until everything has arrived, and checks
what arrived against the generator's truth and the mocks' own memory.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from tools.lt.stack import ROOT, Failure, Https, Kafka, Process, get, port_taken, stop_on_signals, wait_for

PORTS = {"Kafka": 19092, "ingest": 18443, "portal": 18444, "population": 18445, "admin": 19464}
VAR = ROOT / "var"
RUN = VAR / "quickstart"
PKI = VAR / "pki"
LOAD = RUN / "load"
ADMIN = f"http://127.0.0.1:{PORTS['admin']}"
ORACLES = {"portal": f"https://127.0.0.1:{PORTS['portal']}", "population": f"https://127.0.0.1:{PORTS['population']}"}


def say(text):
    print(f"== {text}", flush=True)


def call(*argv):
    r = subprocess.run([str(a) for a in argv], cwd=ROOT, stdin=subprocess.DEVNULL)
    if r.returncode != 0:
        raise Failure(f"{' '.join(str(a) for a in argv)}: exit code {r.returncode}")


class Installation:
    def __init__(self, build):
        self.lienthong = build / "lienthong"
        mock = build / "lienthong-mock"
        self.kafka = Kafka(VAR / "kafka", PORTS["Kafka"])

        def server(name):
            return ["--listen", f"127.0.0.1:{PORTS[name]}", "--cert", PKI / f"{name}.crt", "--key", PKI / f"{name}.key", "--ca", PKI / "ca.crt"]

        self.portal = Process("portal", RUN, [mock, "portal", *server("portal"), "--password-file", PKI / "portal.password"])
        self.population = Process("population", RUN, [mock, "population", *server("population"), "--citizens", LOAD / "citizens.json"])
        self.gateway = Process("gateway", RUN, [self.lienthong, "run", "--config", ROOT / "config/gateway.yaml"])

    def stop(self):
        for p in (self.gateway, self.portal, self.population):
            p.stop()
        self.kafka.stop()

    def check_ports(self):
        taken = [f"{name} {port}" for name, port in PORTS.items() if port_taken(port)]
        if taken:
            raise Failure(f"these ports on 127.0.0.1 are in use by something else: {', '.join(taken)}; stop it, then run tools/quickstart again")

    def start(self):
        self.kafka.reset()
        self.kafka.start()
        self.portal.start()
        self.population.start()
        call(self.lienthong, "topics", "create", "--config", ROOT / "config/gateway.yaml")
        self.gateway.start()
        wait_for("the gateway to be ready", lambda: self.gateway.must_live() and get(f"{ADMIN}/ready")[0] == 200, 60)


def status():
    return json.loads(get(f"{ADMIN}/status")[1])


def settled(operator, truth, gateway):
    """Has everything the truth expects arrived? Progress on a terminal."""
    gateway.must_live()
    now, portal = status(), operator.json(f"{ORACLES['portal']}/oracle/counters")
    verdicts = now["core"]["verdicts"]
    judged, done = sum(verdicts.values()), portal["progress"]
    want = truth["totals"]
    if sys.stderr.isatty():
        print(f"\r   judged {judged}/{want['accepted']}, progress rows at the portal {done}/{want['portal_progress']}   ", end="", file=sys.stderr)
    stops = [f"{p['stop']['reason']}: {p['stop']['text']}" for t in now["targets"] for p in t["partitions"] if p.get("stop")]
    if stops:
        raise Failure("a delivery queue stopped: " + "; ".join(stops[:3]))
    return (judged >= want["accepted"] and done >= want["portal_progress"] and
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


def results(operator, truth):
    want = truth["totals"]
    sent = json.loads((LOAD / "sent.json").read_text())["totals"]
    core = status()["core"]
    v = core["verdicts"]
    portal = operator.json(f"{ORACLES['portal']}/oracle/counters")
    population = operator.json(f"{ORACLES['population']}/oracle/counters")
    rows = [
        ("events sent", want["sent"], sent["sent"]),
        ("accepted (durable in Kafka)", want["accepted"], sent["accepted"]),
        ("refused with a reason", want["refused"], sent["refused"]),
        ("new", want["new"], v["new"]),
        ("duplicate", want["duplicate"], v["duplicate"]),
        ("conflict", want["conflict"], v["conflict"]),
        ("invalid", 0, v["invalid"]),
        ("told to the provinces", want["conflict"], core["routed"].get("lt.province", 0)),
    ]
    rows += [(f"routed to {topic}", n, core["routed"].get(topic, 0)) for topic, n in sorted(want["routed"].items())]
    rows += [
        ("portal: dossiers created", want["portal_creates"], portal["creates"]),
        ("portal: updates", want["portal_updates"], portal["updates"]),
        ("portal: progress rows", want["portal_progress"], portal["progress"]),
        ("portal: refused calls", 0, portal["rejected"]),
        ("population: match", want["population_match"], population["match"]),
        ("population: no match", want["population_no_match"], population["no_match"]),
    ]
    return table(rows)


def main():
    parser = argparse.ArgumentParser(prog="tools/quickstart", description="Run the main job end to end with real parts and check the result.")
    parser.add_argument("--keep", action="store_true", help="leave Kafka, mocks and gateway running (tools/quickstart --stop ends them)")
    parser.add_argument("--stop", action="store_true", help="stop what an earlier --keep left running")
    parser.add_argument("--dossiers", type=int, default=500)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    a = parser.parse_args()
    stop_on_signals()
    os.chdir(ROOT)
    it = Installation(a.build)
    began = time.monotonic()
    it.stop()
    if a.stop:
        return 0
    ok = False
    try:
        it.check_ports()
        shutil.rmtree(RUN, ignore_errors=True)
        shutil.rmtree(VAR / "gateway", ignore_errors=True)
        RUN.mkdir(parents=True)
        say("certificates and secrets (var/pki)")
        call("tools/pki", "make", "--dir", PKI)
        say("checking the configuration")
        call(it.lienthong, "check", "--config", "config/gateway.yaml")
        say(f"generating the events of {a.dossiers} dossiers from three provinces in three dialects")
        call("tools/loadgen", "generate", "--seed", a.seed, "--dossiers", a.dossiers, "--out", LOAD)
        truth = json.loads((LOAD / "truth.json").read_text())
        say("starting Kafka, the two mocks and the gateway")
        it.start()
        operator = Https(PKI, "operator")
        say(f"sending {truth['totals']['sent']} events over mutual TLS")
        call("tools/loadgen", "send", "--dir", LOAD, "--base-url", f"https://127.0.0.1:{PORTS['ingest']}", "--pki", PKI)
        say("waiting until every event has reached the portal")
        try:
            wait_for("everything to arrive", lambda: settled(operator, truth, it.gateway), 240, every=0.3)
        except Failure as e:
            print(f"   {e}", file=sys.stderr)
        if sys.stderr.isatty():
            print(file=sys.stderr)
        say("what happened, against what the generator knows must happen")
        ok = results(operator, truth)
        say("every dossier at the portal, row by row, against the truth")
        call("tools/loadgen", "verify", "--dir", LOAD, "--pki", PKI, "--portal-oracle", ORACLES["portal"], "--population-oracle", ORACLES["population"])
    except Failure as e:
        ok = False
        print(f"quickstart: {e}", file=sys.stderr)
        if it.gateway.popen:  # of this run: what an earlier one left says nothing about this failure
            print(f"the end of {it.gateway.log}:\n{it.gateway.tail()}", file=sys.stderr)
    finally:
        if not (a.keep and ok):
            it.stop()
    if not ok:
        print("quickstart: FAILED", file=sys.stderr)
        return 1
    first = next(iter(json.loads(line) for line in open(LOAD / "manifest.ndjson") if json.loads(line).get("path")), {"path": "events"})
    binary = it.lienthong.relative_to(ROOT) if it.lienthong.is_relative_to(ROOT) else it.lienthong
    print("Three commands to try next" + ("" if a.keep else " (the last two after tools/quickstart --keep)") + ":")
    print(f"  {binary} explain {(LOAD / first['path']).relative_to(ROOT)}   # where each field of an event comes from")
    print(f"  {binary} status                                # what the gateway says of itself")
    print(f"  {binary} topics                                # the topics against the configuration")
    print(f"\n{time.monotonic() - began:.0f} s")
    print("quickstart: ok", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
