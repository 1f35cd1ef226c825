"""`tools/bench core`: the whole core, as `lienthong run --roles core`, against a bare librdkafka consume-produce-commit loop over the same intake.

A Kafka of its own is filled once; then the sides (the core, the bare loop as Debian's librdkafka makes it, the same with the gateway's allocator) read the same records in turn, the order changing from run to run. Either is timed from its first
commit to its last, so joining the group is not measured; CPU is that of its process over the same time. The bare loop writes to another queue topic with the
same settings. `--handover` tells how long partitions stand still when processes come and go. `--curve` gives throughput and end-to-end latency for several commit intervals and draws them.
"""

import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import time

from tools.lt.derive import derive_config
from tools.lt.stack import ROOT, Failure, Kafka, Process, free_ports, get, wait_for

BUILD = ROOT / "build/release"
RUN = ROOT / "var/bench/core"
INTAKE, BARE_OUTPUT, CORE_OUTPUT = "lt.intake", "lt.portal", "lt.population"
BARE_RECORDS = 30000
TICKS = os.sysconf("SC_CLK_TCK")
INTERVALS_MS = (10, 50, 100, 500)


def spread(values, digits=3):
    return {"median": round(statistics.median(values), digits), "min": round(min(values), digits), "max": round(max(values), digits)}


def say(text):
    print(text, file=sys.stderr, flush=True)


def allocator():
    """The library that the gateway allocates with, so that the bare loop can be given the same."""
    r = subprocess.run(["ldd", str(BUILD / "lienthong")], capture_output=True, text=True)
    found = re.search(r"(/\S*libjemalloc\S*)", r.stdout)
    return found.group(1) if found else None


class Bench:
    def __init__(self, a):
        self.a = a
        shutil.rmtree(RUN, ignore_errors=True)
        RUN.mkdir(parents=True)
        kafka_port, self.ingest, self.admin = (a.port, a.port + 2, a.port + 3) if a.port else free_ports(3)
        self.kafka = Kafka(RUN / "kafka", kafka_port)
        pki = RUN / "pki"
        subprocess.run([str(ROOT / "tools/pki"), "make", "--dir", str(pki)], check=True, stdout=subprocess.DEVNULL)
        self.config = derive_config(RUN / "config", pki, RUN / "state", self.kafka.bootstrap, self.ingest, self.admin)
        self.partitions = int(re.search(r"partitions: \{intake: (\d+)", self.config.read_text()).group(1))
        self.gateway = Process("gateway", RUN, [BUILD / "lienthong", "run", "--roles", "core", "--config", self.config])
        self.genesis = RUN / "genesis"

    def tool(self, *arguments, preload=None):
        r = subprocess.run([str(BUILD / "bench_core"), arguments[0], self.kafka.bootstrap, *map(str, arguments[1:])], capture_output=True, text=True,
                           env={**os.environ, **({"LD_PRELOAD": preload} if preload else {})})
        if r.returncode:
            raise Failure(f"bench_core {arguments[0]}: {r.stderr.strip()}")
        return json.loads(r.stdout) if r.stdout.strip() else None

    def start(self):
        self.kafka.start()
        subprocess.run([str(BUILD / "lienthong"), "topics", "create", "--config", str(self.config)], check=True, stdout=subprocess.DEVNULL)
        self.tool("save", "lt.core", INTAKE, self.partitions, self.genesis)
        self.tool("fill", INTAKE, self.partitions, self.a.events, self.a.bytes, self.a.duplicates, 1)

    def stop(self):
        self.gateway.stop()
        self.kafka.stop()

    def bare(self, run, preload=None):
        r = self.tool("bare", INTAKE, BARE_OUTPUT, self.a.events, BARE_RECORDS, f"bench-bare-{run}-{time.time_ns()}", preload=preload)
        return {"rps": r["records"] / r["seconds"], "cpu_s": r["cpu_s"] / r["records"] * 1e6, "peak_kib": r["peak_kib"]}

    # -- the gateway

    def core_status(self):
        return json.loads(get(f"http://127.0.0.1:{self.admin}/status")[1])["core"]

    def judged(self):
        return sum(p.get("offset", 0) for p in self.core_status()["partitions"])

    def cpu_seconds(self, pid):
        fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_kib(self, pid, what):
        return int(re.search(rf"^{what}:\s+(\d+)", open(f"/proc/{pid}/status").read(), re.M).group(1))

    def restart_at_genesis(self):
        """The gateway as on its first day: positions of genesis, no local files. Under another incarnation, or what lt.position holds of the last
        run would say that the group has gone back."""
        self.gateway.stop()
        shutil.rmtree(RUN / "state", ignore_errors=True)
        self.genesis.write_text(re.sub(r"\bc2 [0-9a-f]{16}\b", f"c2 {random.getrandbits(64):016x}", self.genesis.read_text()))
        self.tool("restore", "lt.core", INTAKE, self.partitions, self.genesis)
        self.gateway.start()
        wait_for("the gateway to listen", lambda: self.gateway.must_live() and get(f"http://127.0.0.1:{self.admin}/health")[0] == 200)

    def until(self, what, reached):
        """Poll the gateway's own account closely; (time, CPU, records judged) when it is reached."""
        deadline = time.monotonic() + 120
        pid = self.gateway.pid()
        while time.monotonic() < deadline:
            n = self.judged()
            if reached(n):
                return time.monotonic(), self.cpu_seconds(pid), n
            self.gateway.must_live()
            time.sleep(0.03)
        raise Failure(f"{what}: not within two minutes; {json.dumps(self.core_status())[:2000]}")

    def core(self, total=None):
        total = total or self.a.events
        self.restart_at_genesis()
        t0, cpu0, n0 = self.until("the first commit", lambda n: n > 0)
        t1, cpu1, n1 = self.until("the last commit", lambda n: n >= total)
        pid = self.gateway.pid()
        status = self.core_status()
        index = sum(p["index_bytes"] for p in status["partitions"])
        verdicts = status["verdicts"]
        if sum(verdicts.values()) != n1 or verdicts["conflict"] or verdicts["invalid"]:
            raise Failure(f"the verdicts are not those of the events that were sent: {verdicts}")
        return {"rps": (n1 - n0) / (t1 - t0), "cpu_s": (cpu1 - cpu0) / (n1 - n0) * 1e6, "peak_kib": self.memory_kib(pid, "VmHWM"), "index_bytes": index,
                "duplicates": verdicts["duplicate"]}


def core(a):
    bench = Bench(a)
    rows = {"bare": [], "core": [], "bare_jemalloc": []}
    jemalloc = allocator()
    try:
        bench.start()
        for run in range(-1, a.runs):  # the first warms up and is not counted
            sides = [("bare", lambda: bench.bare(run)), ("core", bench.core)] + ([("bare_jemalloc", lambda: bench.bare(run, jemalloc))] if jemalloc else [])
            for name, measure in sides if run % 2 == 0 else reversed(sides):
                r = measure()
                say(f"run {run + 1} {name:13}{r['rps']:9.0f}/s  {r['cpu_s']:6.2f} CPU s a million")
                if run >= 0:
                    rows[name].append(r)
    finally:
        bench.stop()
    def against(name):
        pairs = list(zip(rows["core"], rows[name]))
        ratios, cpu_ratios = [c["rps"] / b["rps"] for c, b in pairs], [c["cpu_s"] / b["cpu_s"] for c, b in pairs]
        return {"ratio": round(statistics.median(ratios), 3), "ratio_spread": spread(ratios),
                "cpu_ratio": round(statistics.median(cpu_ratios), 3), "cpu_ratio_spread": spread(cpu_ratios)}

    beyond = [c["peak_kib"] * 1024 - c["index_bytes"] for c in rows["core"]]
    return {"bench": "core", "measured": "lienthong run --roles core", "runs": a.runs, "events": a.events, "event_bytes": a.bytes, "duplicates_percent": a.duplicates,
            "partitions": bench.partitions, "bare_records_a_transaction": BARE_RECORDS, **against("bare"),
            "same_allocator": against("bare_jemalloc") if jemalloc else None, "memory_beyond_index_bytes": max(beyond),
            "figures": {name: {"rps": spread([r["rps"] for r in v], 0), "cpu_s_per_million": spread([r["cpu_s"] for r in v], 2),
                               "peak_kib": spread([r["peak_kib"] for r in v], 0)} for name, v in rows.items() if v}}


# ---- commit intervals ----

def curve(a):
    bench = Bench(a)
    rows = {ms: {"rps": [], "p50_ms": [], "p99_ms": []} for ms in INTERVALS_MS}
    try:
        bench.start()
        text = bench.config.read_text()
        shipped = re.search(r"linger: (\d+)ms", text).group(0)
        total = a.events
        for run in range(a.runs):
            for ms in INTERVALS_MS if run % 2 else reversed(INTERVALS_MS):
                bench.config.write_text(text.replace(shipped, f"linger: {ms}ms"))
                throughput = bench.core(total)
                latency = bench.tool("latency", INTAKE, CORE_OUTPUT, bench.partitions, a.rate, a.seconds, a.bytes, time.time_ns() % 10**9)
                total += latency["sent"]
                say(f"run {run + 1} {ms:4} ms {throughput['rps']:9.0f}/s  p50 {latency['p50_ms']:7.1f} ms  p99 {latency['p99_ms']:7.1f} ms")
                if run >= 0:
                    rows[ms]["rps"].append(throughput["rps"])
                    rows[ms]["p50_ms"].append(latency["p50_ms"])
                    rows[ms]["p99_ms"].append(latency["p99_ms"])
    finally:
        bench.stop()
    points = [{"interval_ms": ms, "rps": spread(r["rps"], 0), "p50_ms": spread(r["p50_ms"], 1), "p99_ms": spread(r["p99_ms"], 1)} for ms, r in rows.items()]
    if a.svg:
        open(a.svg, "w").write(picture(points, a))
    return {"bench": "core-curve", "runs": a.runs, "events": a.events, "event_bytes": a.bytes, "latency_rate": a.rate, "latency_seconds": a.seconds, "points": points}


# ---- hand-over ----

def instance(bench, number, ingest, admin):
    """One more process of the same installation: another instance name, other ports and folder, nothing else."""
    folder = RUN / f"config-{number}"
    shutil.copytree(bench.config.parent, folder)
    path = folder / "gateway.yaml"
    text = path.read_text().replace("instance: gateway-1", f"instance: gateway-{number}").replace(str(RUN / "state"), str(RUN / f"state-{number}"))
    path.write_text(text.replace(f"127.0.0.1:{bench.admin}", f"127.0.0.1:{admin}").replace(f"127.0.0.1:{bench.ingest}", f"127.0.0.1:{ingest}"))
    process = Process(f"gateway-{number}", RUN, [BUILD / "lienthong", "run", "--roles", "core", "--config", path])
    process.admin = admin
    return process


def end(process):
    """kill -9, and forget it: it is not missed from here on."""
    process.kill()
    process.popen.wait()
    process.popen = None


def owned(process):
    """{partition: (state, epoch)} of a process; empty while it does not answer."""
    try:
        return {p["partition"]: (p["state"], p["epoch"]) for p in json.loads(get(f"http://127.0.0.1:{process.admin}/status")[1])["core"]["partitions"]}
    except OSError:
        return {}


def watch(processes, partitions, done, seconds=90):
    """Look at all processes closely until done(owners); how long each partition ran nowhere, and how long it took."""
    began = time.monotonic()
    ran, gaps = {p: began for p in range(partitions)}, {p: 0.0 for p in range(partitions)}
    while time.monotonic() - began < seconds:
        owners = [owned(p) for p in processes]
        now = time.monotonic()
        for p in range(partitions):
            if any(o.get(p, ("", 0))[0] == "running" for o in owners):
                gaps[p] = max(gaps[p], now - ran[p])
                ran[p] = now
        if done(owners):
            return now - began, gaps
        time.sleep(0.01)
        for p in processes:
            if p.popen:
                p.must_live()
    raise Failure(f"the partitions were not shared within {seconds} s: {owners}")


def handover(a):
    bench = Bench(a)
    rows = {what: {"s": [], "gap_s": [], "kept_gap_s": [], "reloaded": []} for what in ("second_joins", "third_joins", "third_killed")}
    others = []
    try:
        bench.start()
        bench.gateway.admin = bench.admin
        ports = free_ports(4)
        others = [instance(bench, 2, *ports[:2]), instance(bench, 3, *ports[2:])]
        everyone = [bench.gateway, *others]
        n = bench.partitions
        for run in range(a.runs):
            bench.core()

            def step(what, act, share):
                before = {p: (i, epoch) for i, q in enumerate(everyone) for p, (_, epoch) in owned(q).items()}
                act()

                def done(owners):
                    return all(sum(s == "running" for s, _ in o.values()) == w for o, w in zip(owners, share))
                took, gaps = watch(everyone, n, done)
                after = {p: (i, epoch) for i, q in enumerate(everyone) for p, (_, epoch) in owned(q).items()}
                kept = [p for p in after if p in before and after[p][0] == before[p][0]]
                row = rows[what]
                row["s"].append(took)
                row["gap_s"].append(max(g for p, g in gaps.items() if p not in kept))
                row["kept_gap_s"].append(max(g for p, g in gaps.items() if p in kept))
                row["reloaded"].append(sum(after[p] != before[p] for p in kept))
                say(f"run {run + 1} {what:13} {took:6.2f} s, a moved partition silent for {row['gap_s'][-1]:.2f} s, a kept one for {row['kept_gap_s'][-1]:.2f} s")
            step("second_joins", others[0].start, (n // 2, n // 2, 0))
            step("third_joins", others[1].start, (n // 3, n // 3, n // 3))
            step("third_killed", lambda: end(others[1]), (n // 2, n // 2, 0))
            for p in everyone:
                p.stop()
            time.sleep(12)  # the sessions of members that ended
    finally:
        for p in others:
            p.stop()
        bench.stop()
    return {"bench": "core-handover", "runs": a.runs, "keys": a.events, "partitions": bench.partitions,
            "steps": {what: {k: spread(v, 2) if k != "reloaded" else max(v) for k, v in row.items()} for what, row in rows.items()}}


def picture(points, a):
    """Throughput as bars, latencies as lines over the commit interval; nothing but SVG."""
    width, height, left, right, top, bottom = 640, 340, 70, 70, 40, 60
    inner_w, inner_h = width - left - right, height - top - bottom
    rate_max = max(p["rps"]["median"] for p in points) * 1.15
    late_max = max(p["p99_ms"]["median"] for p in points) * 1.15
    step = inner_w / len(points)

    def x(i):
        return left + step * (i + 0.5)

    def y(value, most):
        return top + inner_h * (1 - value / most)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="{width / 2}" y="20" text-anchor="middle" font-size="14">Commit interval: throughput under backlog, latency at {a.rate:.0f} events/s</text>']
    for i, p in enumerate(points):
        top_y = y(p["rps"]["median"], rate_max)
        out.append(f'<rect x="{x(i) - step * 0.22:.1f}" y="{top_y:.1f}" width="{step * 0.44:.1f}" height="{top + inner_h - top_y:.1f}" fill="#c9d8ee"/>')
        out.append(f'<text x="{x(i):.1f}" y="{top + inner_h - 8:.1f}" text-anchor="middle" fill="#3b5b8c">{p["rps"]["median"] / 1000:.0f}k/s</text>')
        out.append(f'<text x="{x(i):.1f}" y="{top + inner_h + 18:.1f}" text-anchor="middle">{p["interval_ms"]} ms</text>')
    for name, colour, side in (("p50_ms", "#2e7d32", 14), ("p99_ms", "#c62828", -8)):
        line = " ".join(f"{x(i):.1f},{y(p[name]['median'], late_max):.1f}" for i, p in enumerate(points))
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for i, p in enumerate(points):
            out.append(f'<circle cx="{x(i):.1f}" cy="{y(p[name]["median"], late_max):.1f}" r="3.5" fill="{colour}"/>')
            out.append(f'<text x="{x(i) + 6:.1f}" y="{y(p[name]["median"], late_max) + side:.1f}" fill="{colour}">{p[name]["median"]:.0f} ms</text>')
    out.append(f'<line x1="{left}" y1="{top + inner_h}" x2="{width - right}" y2="{top + inner_h}" stroke="black"/>')
    legend = top + inner_h + 42
    out.append(f'<text x="{left}" y="{legend}" fill="#3b5b8c">bars: events/s (backlog)</text><text x="{left + 200}" y="{legend}" fill="#2e7d32">p50 end to end</text>'
               f'<text x="{left + 330}" y="{legend}" fill="#c62828">p99 end to end</text></svg>')
    return "\n".join(out) + "\n"


# ---- the command ----

def arguments(parser):
    g = parser.add_argument_group("core")
    g.add_argument("--events", type=int, default=1000000)
    g.add_argument("--bytes", type=int, default=600, help="of an event: key, headers and value")
    g.add_argument("--duplicates", type=int, default=10, help="percent that are re-sends")
    g.add_argument("--curve", action="store_true", help="throughput and latency over the commit interval instead")
    g.add_argument("--handover", action="store_true", help="how long partitions stand still when processes come and go")
    g.add_argument("--rate", type=float, default=2000, help="events/s while latency is measured")
    g.add_argument("--svg", help="draw the curve into this file")
    g.add_argument("--port", type=int, default=0, help="first of four ports; 0: free ones")


def run(a):
    return curve(a) if a.curve else handover(a) if a.handover else core(a)


def sentence(out):
    if out["bench"] == "core-handover":
        return "\n".join(f"{what}: {row['s']['median']} s, moved partitions silent for {row['gap_s']['median']} s" for what, row in out["steps"].items())
    if out["bench"] == "core-curve":
        return "\n".join(f"{p['interval_ms']} ms: {p['rps']['median']:.0f}/s, p50 {p['p50_ms']['median']} ms, p99 {p['p99_ms']['median']} ms" for p in out["points"])
    return f"{out['ratio']} of the bare loop's throughput, {out['cpu_ratio']} of its CPU a record; at most {out['memory_beyond_index_bytes'] >> 20} MiB beyond the index"
