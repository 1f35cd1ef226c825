"""`tools/bench ingest --json`: requests/s and CPU of the mutual-TLS ingest against a bare libevent TLS server, same run, same load client."""

import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys

from tools.lt import bench_core, bench_dedup, bench_delivery
from tools.lt.derive import derive_config
from tools.lt.stack import ROOT, Failure, Kafka, Process, free_ports, get, stop_on_signals, wait_for

BUILD = ROOT / "build/release"
RUN = ROOT / "var/bench"
PKI = RUN / "pki"
DIALECTS = {"json": ("opencps-json", "application/json", "h40"), "xml": ("onegate-xml", "application/xml", "h22")}
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def load(port, path, media, body, client, seconds, connections):
    r = subprocess.run([str(BUILD / "bench_load"), "127.0.0.1", str(port), path, media, str(body), str(PKI / f"{client}.crt"), str(PKI / f"{client}.key"),
                        str(PKI / "ca.crt"), "1", str(connections), str(seconds)], capture_output=True, text=True)
    if r.returncode:
        raise Failure(f"bench_load: {r.stderr.strip()}")
    return json.loads(r.stdout)


def measure(process, broker, port, path, media, body, client, a):
    """One run against one server: requests/s, CPU microseconds a request of the server, of the broker beside it and of the load client, latency."""
    before, broker_before, children_before = cpu_seconds(process.pid()), cpu_seconds(broker), resource.getrusage(resource.RUSAGE_CHILDREN)
    result = load(port, path, media, body, client, a.seconds, a.connections)
    cpu, broker_cpu, children = cpu_seconds(process.pid()) - before, cpu_seconds(broker) - broker_before, resource.getrusage(resource.RUSAGE_CHILDREN)
    client_cpu = children.ru_utime + children.ru_stime - children_before.ru_utime - children_before.ru_stime
    if result["errors"] or result["other"] or not result["ok"] or result["refused"] > result["ok"] / 100:
        raise Failure(f"{process.name}: unexpected answers: {result}; the end of its log:\n{process.tail()}")
    return {"rps": result["ok"] / result["seconds"], "cpu_us": cpu / result["requests"] * 1e6,
            "broker_cpu_us": broker_cpu / result["requests"] * 1e6, "client_cpu_us": client_cpu / result["requests"] * 1e6, "p50_us": result["p50_us"], "p99_us": result["p99_us"],
            "refused": result["refused"]}


def spread(values):
    return {"median": round(statistics.median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def ingest(a):
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)
    ports = free_ports(5)
    kafka = Kafka(RUN / "kafka", ports[0])
    jars = ROOT / "var/kafka/jars"
    if jars.exists():
        (RUN / "kafka").mkdir()
        shutil.copytree(jars, RUN / "kafka/jars")
    subprocess.run([str(ROOT / "tools/pki"), "make", "--dir", str(PKI)], check=True, stdout=subprocess.DEVNULL)
    for name, (dialect, _, _) in DIALECTS.items():
        body = subprocess.run([str(ROOT / "tools/loadgen"), "sample", "--dialect", dialect, "--bytes", "1500"], capture_output=True, check=True).stdout
        (RUN / f"body.{name}").write_bytes(body)
    config = derive_config(RUN / "config", PKI, RUN / "state", kafka.bootstrap, ports[1], ports[2])
    clients = config.parent / "clients.yaml"  # the server is measured, not the limit of a client
    clients.write_text("".join(line for line in clients.read_text().splitlines(keepends=True) if not line.strip().startswith("rate:")))
    text = config.read_text()
    assert "client_share: 30" in text, "the share of one client is not where it was"
    config.write_text(text.replace("client_share: 30", "client_share: 100"))
    echo = Process("echo", RUN, [BUILD / "bench_echo", ports[3], PKI / "server.crt", PKI / "server.key", PKI / "ca.crt", "2"])
    gateway = Process("gateway", RUN, [BUILD / "lienthong", "run", "--roles", "ingest", "--config", config])
    rows = {f"{server}_{name}": [] for name in DIALECTS for server in ("echo", "gateway")}
    try:
        kafka.start()
        broker = int((RUN / "kafka/pid").read_text().split()[0])
        subprocess.run([str(BUILD / "lienthong"), "topics", "create", "--config", str(config)], check=True, stdout=subprocess.DEVNULL)
        echo.start()
        gateway.start()
        wait_for("the gateway to be ready", lambda: gateway.must_live() and get(f"http://127.0.0.1:{ports[2]}/ready")[0] == 200)
        for run in range(-1, a.runs):  # the first warms up and is not counted
            for name, (_, media, client) in DIALECTS.items():
                for server, process, port in (("echo", echo, ports[3]), ("gateway", gateway, ports[1])):
                    result = measure(process, broker, port, "/v1/events", media, RUN / f"body.{name}", client, a)
                    print(f"run {run + 1} {server:8}{name:5} {result['rps']:9.0f}/s  {result['cpu_us']:7.1f} us CPU, broker {result['broker_cpu_us']:.0f}, client {result['client_cpu_us']:.0f}  p50 {result['p50_us']} us  p99 {result['p99_us']} us",
                          file=sys.stderr, flush=True)
                    if run >= 0:
                        rows[f"{server}_{name}"].append(result)
    finally:
        gateway.stop()
        echo.stop()
        kafka.stop()
    out = {"bench": "ingest", "runs": a.runs, "seconds": a.seconds, "connections": a.connections,
           "body_bytes": {name: (RUN / f"body.{name}").stat().st_size for name in DIALECTS}}
    for name in DIALECTS:
        ratios = [g["rps"] / e["rps"] for g, e in zip(rows[f"gateway_{name}"], rows[f"echo_{name}"])]
        out[f"{name}_ratio"] = round(statistics.median(ratios), 3)
        out[f"{name}_ratio_spread"] = spread(ratios)
        out[f"{name}_cpu_ratio"] = round(statistics.median(g["cpu_us"] / e["cpu_us"] for g, e in zip(rows[f"gateway_{name}"], rows[f"echo_{name}"])), 3)
    out["figures"] = {k: {field: spread([r[field] for r in v]) for field in ("rps", "cpu_us", "broker_cpu_us", "client_cpu_us", "p50_us", "p99_us")} for k, v in rows.items()}
    return out


def main():
    parser = argparse.ArgumentParser(prog="tools/bench")
    parser.add_argument("name", choices=["ingest", "core", "dedup", "recovery", "delivery"])
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=256)
    bench_core.arguments(parser)
    bench_dedup.arguments(parser)
    bench_delivery.arguments(parser)
    a = parser.parse_args()
    stop_on_signals()
    run = {"core": bench_core.run, "dedup": bench_dedup.dedup, "recovery": bench_dedup.recovery, "delivery": bench_delivery.run, "ingest": ingest}
    out = run[a.name](a)
    if a.json:
        print(json.dumps(out))
    elif a.name == "core":
        print(bench_core.sentence(out))
    elif a.name == "delivery":
        print(bench_delivery.sentence(out))
    elif a.name in ("dedup", "recovery"):
        print(bench_dedup.sentence(out))
    else:
        print(f"JSON {out['json_ratio']} of the bare server, XML with XSD {out['xml_ratio']}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as e:
        sys.exit(f"tools/bench: {e}")
