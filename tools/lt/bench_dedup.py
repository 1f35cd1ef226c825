"""`tools/bench dedup --json --keys N`: the dedup index against random cache-line touches, and general stores.
`tools/bench recovery --json`: start from local index files."""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

from tools.lt import bench_core
from tools.lt.stack import ROOT, Failure, get, wait_for

BUILD = ROOT / "build/release"
RUN = ROOT / "var/bench/dedup"
STORES_KEYS = 10_000_000


def arguments(parser):
    parser.add_argument("--keys", type=int, default=10_000_000, help="dedup and recovery: keys in the index")
    parser.add_argument("--stores", action=argparse.BooleanOptionalAction, default=True, help="dedup: compare with RocksDB and LMDB at 10 M keys")


def program(*args):
    r = subprocess.run([str(BUILD / "bench_dedup"), *map(str, args)], capture_output=True, text=True)
    if r.returncode == 3:
        return None
    if r.returncode:
        raise Failure(f"bench_dedup {' '.join(map(str, args))}: {r.stderr.strip()}")
    return json.loads(r.stdout)


def spread(values):
    return {"median": round(statistics.median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def dedup(a):
    runs = []
    for run in range(a.runs):
        runs.append(program(a.keys))
        r = runs[-1]
        print(f"run {run + 1}: look-up {r['lookup_ratio']}, insert {r['insert_ratio']} of {r['touch_per_s'] / 1e6:.1f} M touches/s, "
              f"{r['bytes_per_key']} bytes a key", file=sys.stderr, flush=True)
    worst = [min(r["lookup_ratio"], r["insert_ratio"]) for r in runs]
    out = {"bench": "dedup", "keys": a.keys, "runs": a.runs, "ratio": round(statistics.median(worst), 3), "ratio_spread": spread(worst),
           "bytes_per_key": max(r["bytes_per_key"] for r in runs), "bytes_per_key_growing": max(r["bytes_per_key_growing"] for r in runs)}
    for field in ("lookup_ratio", "insert_ratio", "insert_write_ratio", "touch_per_s", "touch_write_per_s", "lookup_per_s", "insert_per_s", "fill_per_s", "rss_per_key"):
        out[field] = spread([r[field] for r in runs])
    out["batch"] = {"records": runs[0]["group"], **{p: spread([r["batch_ns"][p] for r in runs]) for p in runs[0]["batch_ns"]}}
    out["histogram_ns"] = runs[-1]["histogram_ns"]
    out["huge_pages"] = runs[-1]["huge_pages"]
    if a.stores and a.keys == STORES_KEYS:
        for store in ("rocksdb", "lmdb"):
            shutil.rmtree(RUN, ignore_errors=True)
            RUN.mkdir(parents=True)
            out[store] = program(STORES_KEYS, store, RUN)
        shutil.rmtree(RUN, ignore_errors=True)
    return out


def load_rate(bench):
    """Records/s of the gateway's own load, by what it says of each partition."""
    bench.gateway.start()
    wait_for("every partition to run", lambda: bench.gateway.must_live() and get(f"http://127.0.0.1:{bench.admin}/ready")[0] == 200, 120)
    loads = re.findall(r"from (\d+) records in (\d+) ms", pathlib.Path(bench.gateway.log).read_text(errors="replace"))[-bench.partitions:]
    bench.gateway.stop()
    return sum(int(n) for n, _ in loads), sum(int(ms) for _, ms in loads) / 1000


def consume(bench, *how, preload=None):
    r = subprocess.run([str(BUILD / "bench_consume"), bench.kafka.bootstrap, bench_core.INTAKE, *how], capture_output=True, text=True,
                       env={**os.environ, **({"LD_PRELOAD": preload} if preload else {})})
    if r.returncode:
        raise Failure(f"bench_consume: {r.stderr.strip()}")
    plain = json.loads(r.stdout)
    return plain["records"] / plain["seconds"]


def rebuild(a):
    """Start without files against a plain consumer over the same intake, and one that looks at the headers (with the gateway's allocator), in turn."""
    bench = bench_core.Bench(a)
    rows = []
    try:
        bench.start()
        bench.core()
        bench.gateway.stop()
        for _ in range(a.runs):
            shutil.rmtree(bench_core.RUN / "state", ignore_errors=True)
            records, seconds = load_rate(bench)
            if records != a.events:
                raise Failure(f"rebuild: {records} of {a.events} records were loaded")
            rows.append({"rebuild_per_s": records / max(seconds, 0.001), "consumer_per_s": consume(bench),
                         "headers_per_s": consume(bench, "headers", preload=bench_core.allocator())})
            bench_core.say("  ".join(f"{k} {v:.0f}" for k, v in rows[-1].items()))
    finally:
        bench.stop()
    return rows


def recovery(a):
    rows = rebuild(a)
    runs = []
    for _ in range(a.runs):
        shutil.rmtree(RUN, ignore_errors=True)
        RUN.mkdir(parents=True)
        runs.append(program(a.keys, "files", RUN))
    shutil.rmtree(RUN, ignore_errors=True)
    return {"bench": "recovery", "keys": a.keys, "runs": a.runs, "local_s": round(statistics.median(r["local_s"] for r in runs), 3),
            "local_s_spread": spread([r["local_s"] for r in runs]), "write_s": spread([r["write_s"] for r in runs]),
            "bytes_per_key_on_disk": runs[-1]["bytes_per_key_on_disk"], "rebuild_records": a.events,
            "rebuild_ratio": round(statistics.median(r["rebuild_per_s"] / r["consumer_per_s"] for r in rows), 3),
            "rebuild_ratio_spread": spread([r["rebuild_per_s"] / r["consumer_per_s"] for r in rows]),
            "rebuild_ratio_headers": spread([r["rebuild_per_s"] / r["headers_per_s"] for r in rows]), "headers_per_s": spread([r["headers_per_s"] for r in rows]),
            "rebuild_per_s": spread([r["rebuild_per_s"] for r in rows]), "consumer_per_s": spread([r["consumer_per_s"] for r in rows])}


def sentence(out):
    if out["bench"] == "recovery":
        return f"{out['keys']} keys from local files in {out['local_s']} s"
    return f"{out['ratio']} of the touch rate, {out['bytes_per_key']} bytes a key"
