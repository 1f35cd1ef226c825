"""`tools/bench delivery`: calls/s to a target through the whole engine (real Kafka, ledger on) against a bare libcurl client of equal concurrency.

A Kafka of its own, the portal mock, and the gateway with role delivery. Both sides make the same calls of fresh dossiers (look up, create, one progress row) with the
same bodies: the bare client gets them from what the gateway sent for a first dossier. They run in turn, the order changing from run to run; calls are counted at the
mock. `ratio` is at --service-ms (20), `ratio_at_0` with a mock that answers at once. The mock's own limit is measured with many connections and no service time.
Added latency: events arrive one by one at --rate with nothing waiting; from the producer's hand to the first call at the mock, from the mock's last answer to the
committed outcome, and all that is not the mock's.
"""

import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

from tools.lt.derive import derive_config
from tools.lt.stack import ROOT, Failure, Https, Kafka, Process, free_ports, get, wait_for

BUILD = ROOT / "build/release"
RUN = ROOT / "var/bench/delivery"
PKI = RUN / "pki"
CALLS_A_DOSSIER = 3
LIMIT_CONNECTIONS = 128
EXPECTED_MOST = 6000  # calls/s that a backlog must last for
TICKS = os.sysconf("SC_CLK_TCK")


def arguments(parser):
    parser.add_argument("--concurrency", type=int, default=32, help="delivery: calls in flight, of the target and of the bare client")
    parser.add_argument("--service-ms", type=int, default=20, help="delivery: how long the mock takes for a call")
    parser.add_argument("--event-rate", type=float, default=40, help="delivery: events/s while latency is measured")
    parser.add_argument("--no-latency", action="store_true", help="delivery: throughput only")


def say(text):
    print(text, file=sys.stderr, flush=True)


def spread(values, digits=3):
    return {"median": round(statistics.median(values), digits), "min": round(min(values), digits), "max": round(max(values), digits)}


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Bench:
    def __init__(self, a):
        self.a = a
        shutil.rmtree(RUN, ignore_errors=True)
        RUN.mkdir(parents=True)
        kafka_port, ingest, self.admin, self.portal_port = (a.port, a.port + 2, a.port + 3, a.port + 4) if a.port else free_ports(4)
        self.kafka = Kafka(RUN / "kafka", kafka_port)
        subprocess.run([str(ROOT / "tools/pki"), "make", "--dir", str(PKI)], check=True, stdout=subprocess.DEVNULL)
        self.config = derive_config(RUN / "config", PKI, RUN / "state", self.kafka.bootstrap, ingest, self.admin, self.portal_port)
        self.partitions = int(re.search(r"partitions: \{.*queues: (\d+)", self.config.read_text()).group(1))
        portal = self.config.parent / "targets/portal.yaml"
        text = portal.read_text()
        self.madonvi, self.dstcode = (re.search(rf"^  {k}: (\S+)$", text, re.M).group(1) for k in ("madonvi", "dstcode"))
        portal.write_text(re.sub(r"^concurrency: \d+", f"concurrency: {a.concurrency}", text, flags=re.M))
        for other in (self.config.parent / "targets").glob("*.yaml"):  # one target, one thread
            if other != portal:
                other.unlink()
        for route in (self.config.parent / "routes").glob("*.yaml"):
            route.write_text("routes:\n  - {name: portal, when: {type: \"vn.lienthong.dossier.*\"}, to: portal}\n")
        self.url = f"https://127.0.0.1:{self.portal_port}"
        self.operator = Https(PKI, "operator")
        self.gateway = Process("gateway", RUN, [BUILD / "lienthong", "run", "--roles", "delivery", "--config", self.config])
        self.mock = None
        self.next_dossier = 1
        self.left = 0  # events in the queue that the last run did not come to
        self.sample()

    def sample(self):
        """The data of the events: the canonical example, every dossier under a code of its own."""
        data = json.loads((ROOT / "schemas/canonical/valid/received.json").read_text())
        code = data["HoSo"]["MaHoSo"]
        (RUN / "value.json").write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace(code, "@CODE@"))

    def start_mock(self, service_ms):
        if self.mock:
            self.mock.stop()
        self.mock = Process("portal", RUN, [BUILD / "lienthong-mock", "portal", "--listen", f"127.0.0.1:{self.portal_port}", "--cert", PKI / "portal.crt", "--key", PKI / "portal.key",
                                            "--ca", PKI / "ca.crt", "--password-file", PKI / "portal.password", "--service-time", f"{service_ms}ms", "--memory", "8GiB"])
        self.mock.start()
        wait_for("the mock to answer", lambda: self.mock.must_live() and self.counters())

    def counters(self):
        return self.operator.json(f"{self.url}/oracle/counters")

    def status(self):
        return next(t for t in json.loads(get(f"http://127.0.0.1:{self.admin}/status")[1])["targets"] if t["target"] == "portal")

    def start_gateway(self):
        self.gateway.start()
        wait_for("the gateway to be ready", lambda: self.gateway.must_live() and get(f"http://127.0.0.1:{self.admin}/ready")[0] == 200)

    def tool(self, program, *arguments):
        r = subprocess.run([str(BUILD / program), *map(str, arguments)], capture_output=True, text=True)
        if r.returncode:
            raise Failure(f"{program}: {r.stderr.strip()}")
        return json.loads(r.stdout)

    def take(self, n):
        self.next_dossier += n
        return self.next_dossier - n

    def fill(self, n):
        self.tool("bench_delivery", "fill", self.kafka.bootstrap, "lt.portal", self.partitions, "portal", RUN / "value.json", self.take(n), n)

    def drained(self):
        s = self.status()
        return s["lag"] == 0 and s["in_flight"] == 0

    def start(self):
        self.kafka.start()
        self.broker = int((RUN / "kafka/pid").read_text().split()[0])
        subprocess.run([str(BUILD / "lienthong"), "topics", "create", "--config", str(self.config)], check=True, stdout=subprocess.DEVNULL)
        self.start_mock(0)
        self.fill(1)
        self.start_gateway()
        code = f"H22.00847-250902-{self.next_dossier - 1:09d}"
        wait_for("the first dossier at the mock", lambda: self.counters()["progress"] == 1)
        self.gateway.stop()
        dossier = self.operator.json(f"{self.url}/oracle/dossiers/{code}")
        for name, rows in (("dossier.json", "creates"), ("row.json", "progress")):
            item = json.dumps(dossier[rows][0]["item"], ensure_ascii=False, separators=(",", ":"))
            assert code in item
            (RUN / name).write_text(item.replace(code, "@CODE@"))

    def stop(self):
        for p in (self.gateway, self.mock):
            if p:
                p.stop()
        self.kafka.stop()

    # -- one run of either side

    def bare(self, concurrency, seconds):
        mock_cpu = cpu_seconds(self.mock.pid())
        r = self.tool("bench_calls", self.url, PKI / "gateway.crt", PKI / "gateway.key", PKI / "ca.crt", PKI / "portal.password", self.madonvi, self.dstcode, RUN / "dossier.json",
                      RUN / "row.json", concurrency, seconds, self.take(10_000_000 if concurrency > 64 else 1_000_000))
        mock_cpu = cpu_seconds(self.mock.pid()) - mock_cpu
        return {"calls_per_s": r["calls"] / r["seconds"], "cpu_us": r["cpu_s"] / r["calls"] * 1e6, "mock_cpu_us": mock_cpu / r["calls"] * 1e6, "p50_us": r["p50_us"], "p99_us": r["p99_us"]}

    def engine(self, expected, seconds):
        """The gateway with a backlog that lasts: calls and CPU between two looks at the mock's counters."""
        missing = int(expected / CALLS_A_DOSSIER * (seconds + 4)) - self.left
        if missing > 0:
            self.fill(missing)
        before = self.counters()["calls"]
        self.start_gateway()
        wait_for("calls to flow", lambda: self.counters()["calls"] > before + 20 * self.a.concurrency)

        def look():
            return time.monotonic(), self.counters(), cpu_seconds(self.gateway.pid()), cpu_seconds(self.mock.pid()), cpu_seconds(self.broker), self.status()
        t0, c0, g0, m0, b0, s0 = look()
        time.sleep(seconds)
        t1, c1, g1, m1, b1, status = look()
        self.left = status["lag"]
        if self.left < self.a.concurrency:
            raise Failure(f"the queue ran dry: {json.dumps(status)[:1000]}")
        if self.gateway.stop() != 0:
            raise Failure(f"the gateway did not end well:\n{self.gateway.tail()}")
        for what in ("errors", "rejected", "exists_refused", "faults", "updates"):
            if c1[what] != c0[what]:
                raise Failure(f"the mock counted {what}: {c1}")
        n = c1["calls"] - c0["calls"]
        transactions = status["counters"]["transactions"] - s0["counters"]["transactions"]
        return {"calls_per_s": n / (t1 - t0), "cpu_us": (g1 - g0) / n * 1e6, "mock_cpu_us": (m1 - m0) / n * 1e6, "broker_cpu_us": (b1 - b0) / n * 1e6,
                "transactions_per_s": transactions / (t1 - t0)}

    # -- latency

    def arrivals(self):
        found, offset = [], 0
        while True:
            page = self.operator.json(f"{self.url}/oracle/arrivals?offset={offset}&limit=100000")["arrivals"]
            found += page
            offset += len(page)
            if not page:
                return found

    def latency(self, service_ms, rate, seconds):
        self.start_gateway()
        wait_for("the queue to be empty", self.drained, 600)
        self.left = 0
        self.start_mock(service_ms)  # a list of arrivals of its own
        n = int(rate * seconds)
        events = self.tool("bench_delivery", "latency", self.kafka.bootstrap, "lt.portal", self.partitions, "portal", RUN / "value.json", self.take(n), rate, seconds, "lt.answers")["events"]
        self.gateway.stop()
        calls = {}
        for c in self.arrivals():
            calls.setdefault(c["subject"], {}).setdefault(c["service"], c["at"])
        leave, outcome, added = [], [], []
        for code, sent, seen in events[len(events) // 10:]:  # connections and session warm up
            mine = calls[code]
            leave.append(mine["TraCuuHoSo"] - sent)
            outcome.append(seen - mine["CapNhatTienDoHoSoMC"] - service_ms)
            added.append(seen - sent - CALLS_A_DOSSIER * service_ms)
        return {name: {"p50": percentile(v, 0.5), "p99": percentile(v, 0.99)} for name, v in (("leave_ms", leave), ("outcome_ms", outcome), ("added_ms", added))}


def run(a):
    bench = Bench(a)
    services = (a.service_ms, 0)
    rows = {s: {"bare": [], "engine": []} for s in services}
    limits, latencies = [], []
    try:
        bench.start()
        for _ in range(a.runs):
            limits.append(bench.bare(LIMIT_CONNECTIONS, min(a.seconds, 4)))
            say(f"the mock's own limit {limits[-1]['calls_per_s']:9.0f}/s  {limits[-1]['mock_cpu_us']:6.0f} us CPU a call")
        for service in services:
            bench.start_mock(service)
            expected = min(bench.bare(a.concurrency, 2)["calls_per_s"], EXPECTED_MOST)
            for n in range(-1, a.runs):  # the first warms up and is not counted
                sides = [("bare", lambda: bench.bare(a.concurrency, a.seconds)), ("engine", lambda: bench.engine(expected, a.seconds))]
                for name, measure in sides if n % 2 == 0 else reversed(sides):
                    r = measure()
                    say(f"run {n + 1} {service:3} ms {name:7}{r['calls_per_s']:9.0f} calls/s  {r['cpu_us']:6.0f} us CPU a call, mock {r['mock_cpu_us']:.0f}, broker {r.get('broker_cpu_us', 0):.0f}, {r.get('transactions_per_s', 0):.0f} transactions/s")
                    if n >= 0:
                        rows[service][name].append(r)
            for n in range(a.runs if service == a.service_ms and not a.no_latency else 0):
                latencies.append(bench.latency(service, a.event_rate, max(a.seconds, 5)))
                say(f"run {n + 1} latency {json.dumps(latencies[-1])}")
    finally:
        bench.stop()

    def ratio(service):
        return [e["calls_per_s"] / b["calls_per_s"] for e, b in zip(rows[service]["engine"], rows[service]["bare"])]
    out = {"bench": "delivery", "runs": a.runs, "seconds": a.seconds, "concurrency": a.concurrency, "service_ms": a.service_ms, "calls_a_dossier": CALLS_A_DOSSIER,
           "ratio": round(statistics.median(ratio(a.service_ms)), 3), "ratio_spread": spread(ratio(a.service_ms)),
           "ratio_at_0": round(statistics.median(ratio(0)), 3), "ratio_at_0_spread": spread(ratio(0)),
           "mock_limit": {"calls_per_s": spread([r["calls_per_s"] for r in limits], 0), "mock_cpu_us": spread([r["mock_cpu_us"] for r in limits], 0), "connections": LIMIT_CONNECTIONS},
           "figures": {f"{s}ms": {name: {f: spread([r[f] for r in v], 0) for f in v[0]} for name, v in rows[s].items()} for s in services}}
    if latencies:
        out["latency"] = {"event_rate": a.event_rate, **{name: {q: spread([x[name][q] for x in latencies], 0) for q in ("p50", "p99")} for name in latencies[0]}}
    return out


def sentence(out):
    return (f"{out['ratio']} of a bare client's calls with {out['service_ms']} ms service time, {out['ratio_at_0']} with none"
            + (f"; added to an event: p50 {out['latency']['added_ms']['p50']['median']} ms, p99 {out['latency']['added_ms']['p99']['median']} ms" if "latency" in out else ""))
