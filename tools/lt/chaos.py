"""`tools/chaos core`: the core as real processes on a real Kafka under seeded faults, judged by an oracle that reads only the log.

Events stream into lt.intake (re-sends, conflicts, records of another digest version, invalid ones) while, each at least once a round,
a gateway is killed and started again at once, killed and left away, frozen for longer than its session, stopped, another one started, and the
broker bounced cleanly and by kill -9. Then everything must be judged, and read_committed readers compare the outputs with verdicts computed here
from lt.intake by the rules of protocol 2. The seed gives the schedule and the events; what runs at which moment is the machine's.

A stall is the longest time that a partition's committed offset stood still from a fault until every partition had judged a record that came
after it. For a bounced broker this contains the broker's own absence.
"""

import argparse
import collections
import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from tools.lt.derive import derive_config
from tools.lt.stack import ROOT, Failure, Kafka, Process, free_ports, get, port_taken, stop_on_signals, wait_for

LIENTHONG = ROOT / "build/release/lienthong"
RUN = ROOT / "var/chaos/core"
GROUP, INTAKE, ROUTED, LAND = "lt.core", "lt.intake", "lt.population", "lt.events.land"
NO_COPIES = {INTAKE, "lt.position", "lt.audit", "lt.answers", "lt.province"}
GATEWAYS = 3
KINDS = ("kill_restart", "kill_stay", "freeze", "start", "stop", "broker_clean", "broker_kill")
MUST_BE_ZERO = ("lost", "doubled", "wrong_verdict", "out_of_order")
FROZEN_S = 11.5  # longer than the session of 10 s
SETTLE_S = 90
PROCEDURE, PROCEDURE_LAND = "1.001193.000.00.00.H22", "1.003003.000.00.00.H22"


def say(text):
    print(text, file=sys.stderr, flush=True)


def schedule(rounds, seed):
    """[[(kind, victim's place among the living, pause before it)]]: every kind once a round, in an order in which each finds the processes it
    needs; two gateways run between rounds."""
    rng = random.Random(f"schedule {seed}")

    def possible(order):
        alive = 2
        for kind in order:
            if (kind in ("kill_stay", "stop") and alive < 2) or (kind == "start" and alive == GATEWAYS):
                return False
            alive += {"start": 1, "stop": -1}.get(kind, 0)
        return True

    out = []
    for _ in range(rounds):
        order = list(KINDS)
        rng.shuffle(order)
        while not possible(order):
            rng.shuffle(order)
        out.append([(kind, rng.random(), rng.uniform(0, 0.5)) for kind in order])
    return out


# ---- load ----

def hash_of(text):
    """Identities and digests are hashes, and the index relies on it."""
    return hashlib.sha256(text.encode()).hexdigest()


class Load(threading.Thread):
    """An idempotent producer of canonical events at a steady rate; `ends` is what the broker acknowledged."""

    def __init__(self, bootstrap, partitions, seed, rate):
        super().__init__(daemon=True)
        self.rng = random.Random(f"events {seed}")
        self.bootstrap, self.rate = bootstrap, rate
        self.ends = [0] * partitions
        self.acknowledged = {}  # (partition, offset) -> value
        self.placeless = []  # (partition, value): the broker had it already when it was sent again, and no longer told where
        self.events, self.unknown, self.failure = 0, 0, None
        self.ending = threading.Event()
        self.producer = self.make()

    def make(self):
        return Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True, "linger.ms": 5, "partitioner": "murmur2_random",
                         "message.timeout.ms": 300000, "reconnect.backoff.max.ms": 500, "log_level": 0})

    def event(self):
        """(key, value, headers): seven of ten are new, the others send an earlier event again, with its content or another."""
        rng = self.rng
        n, content = self.events, 0
        if n and rng.random() < 0.3:
            n = rng.randrange(n) if rng.random() < 0.5 else max(0, n - 1 - rng.randrange(50))
            content = rng.choice((0, 0, 1, 1, 2))
        else:
            self.events += 1
        identity, subject = hash_of(f"id {n}")[:32], f"HS-{n % 997}"
        headers = {"content-type": "application/json", "ce_specversion": "1.0", "ce_id": identity, "ce_source": "urn:chaos",
                   "ce_type": "vn.lienthong.dossier.received.v1", "ce_subject": subject, "ce_time": "2025-09-02T08:30:00+07:00", "ce_province": "H22",
                   "ce_unit": "H22.00847", "ce_procedure": PROCEDURE_LAND if n % 5 == 0 else PROCEDURE, "ce_channel": "1",
                   "lt_digest": hash_of(f"content {n} {content}"), "lt_digest_v": "2" if content == 2 else "1", "lt_time": str(time.time_ns() // 1000000)}
        if rng.random() < 0.005:
            headers["ce_id"] = "short"
        return f"H22/{subject}", json.dumps({"HoSo": {}, "n": n, "content": content}).encode(), list(headers.items())

    def delivered(self, error, message):
        if error:
            self.unknown += 1
        elif message.offset() is None:
            self.placeless.append((message.partition(), message.value()))
        else:
            self.ends[message.partition()] = max(self.ends[message.partition()], message.offset() + 1)
            self.acknowledged[message.partition(), message.offset()] = message.value()

    def send(self):
        key, value, headers = self.event()
        while True:
            try:
                return self.producer.produce(INTAKE, key=key, value=value, headers=headers, on_delivery=self.delivered)
            except BufferError:
                self.producer.poll(0.05)
            except KafkaException as e:
                if not e.args[0].fatal():
                    raise
                self.producer.flush(30)  # drained before its successor produces
                self.producer = self.make()

    def run(self):
        try:
            began, sent = time.monotonic(), 0
            while not self.ending.is_set():
                due = int((time.monotonic() - began) * self.rate)
                while sent < due and not self.ending.is_set():
                    self.send()
                    sent += 1
                self.producer.poll(0.01)
        except Exception as e:  # told by whoever waits
            self.failure = e

    def fill(self, keys):
        while self.events < keys:
            self.send()
            self.producer.poll(0)
        self.flush()

    def flush(self):
        if self.producer.flush(120):
            raise Failure("the broker did not acknowledge the last events within two minutes")

    def finish(self):
        self.ending.set()
        self.join()
        self.flush()


class Progress(threading.Thread):
    """The committed offsets of the core's group, looked at closely: `judged`, and when each partition advanced."""

    def __init__(self, bootstrap, partitions):
        super().__init__(daemon=True)
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": GROUP, "isolation.level": "read_uncommitted",
                                  "enable.auto.commit": False, "reconnect.backoff.max.ms": 200, "log_level": 0})
        self.asked = [TopicPartition(INTAKE, p) for p in range(partitions)]
        self.judged = [0] * partitions
        self.advances = [[time.monotonic()] for _ in range(partitions)]
        self.ending = threading.Event()

    def run(self):
        while not self.ending.wait(0.015):
            try:
                answer = self.consumer.committed(self.asked, timeout=1)
            except KafkaException:  # the broker is away
                continue
            now = time.monotonic()
            for t in answer:
                if not t.error and t.offset > self.judged[t.partition]:
                    self.judged[t.partition] = t.offset
                    self.advances[t.partition].append(now)

    def stall(self, since, until):
        """The longest time without an advance in between, of the partition that stood longest."""
        longest = 0.0
        for times in self.advances:
            inside = [since, *(t for t in list(times) if since < t < until), until]
            longest = max(longest, max(b - a for a, b in zip(inside, inside[1:])))
        return longest

    def finish(self):
        self.ending.set()
        self.join()
        self.consumer.close()


# ---- faults ----

class Chaos:
    def __init__(self, a):
        self.a = a
        shutil.rmtree(RUN, ignore_errors=True)
        RUN.mkdir(parents=True)
        ports = [a.port, *range(a.port + 2, a.port + 2 + 2 * GATEWAYS)] if a.port else free_ports(1 + 2 * GATEWAYS)
        self.kafka_port = ports[0]
        self.kafka = Kafka(RUN / "kafka", self.kafka_port)
        pki = RUN / "pki"
        subprocess.run([str(ROOT / "tools/pki"), "make", "--dir", str(pki)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.gateways = []
        for i in range(GATEWAYS):
            name, admin = f"gateway-{i + 1}", ports[2 + 2 * i]
            config = derive_config(RUN / f"config-{i + 1}", pki, RUN / f"state-{i + 1}", self.kafka.bootstrap, ports[1 + 2 * i], admin)
            config.write_text(config.read_text().replace("instance: gateway-1", f"instance: {name}"))
            gateway = Process(name, RUN, [LIENTHONG, "run", "--roles", "core", "--config", config])
            gateway.admin, gateway.config = f"http://127.0.0.1:{admin}", config
            self.gateways.append(gateway)
        self.alive = []
        self.load = self.progress = None
        self.stalls, self.away = collections.defaultdict(list), []

    def start(self):
        self.kafka.start()
        subprocess.run([str(LIENTHONG), "topics", "create", "--config", str(self.gateways[0].config)], check=True, stdout=subprocess.DEVNULL)
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": "chaos"})
        partitions = len(consumer.list_topics(INTAKE, timeout=10).topics[INTAKE].partitions)
        consumer.close()
        self.load = Load(self.kafka.bootstrap, partitions, self.a.seed, self.a.rate)
        self.load.fill(self.a.keys)
        self.progress = Progress(self.kafka.bootstrap, partitions)
        self.progress.start()
        for gateway in self.gateways[:2]:
            self.begin(gateway)
        self.settle("the first start", 60 + self.a.keys / 20000)
        self.load.start()

    def stop(self):
        for gateway in self.gateways:
            gateway.kill(signal.SIGCONT)  # a frozen one would not hear SIGTERM
            gateway.stop()
        self.kafka.stop()

    def begin(self, gateway):
        gateway.start()
        self.alive.append(gateway)

    def kill(self, gateway):
        gateway.kill()
        gateway.popen.wait()
        gateway.popen = None

    def owned(self, gateway):
        """{partition: state}"""
        return {p["partition"]: p["state"] for p in json.loads(get(f"{gateway.admin}/status")[1])["core"]["partitions"]}

    def healthy(self):
        """Every process that should live does, each runs some of the partitions and together they run them all."""
        for gateway in self.alive:
            gateway.must_live()
        owners = [self.owned(g) for g in self.alive]
        return all(owners) and sum(s == "running" for o in owners for s in o.values()) == len(self.load.ends) == sum(len(o) for o in owners)

    def passed(self, marks):
        """Every partition judged a record at or above the mark; must_live so that a process that ended is named."""
        for gateway in self.alive:
            gateway.must_live()
        if self.load.failure:
            raise Failure(f"the load ended: {self.load.failure}")
        return all(j > m for j, m in zip(self.progress.judged, marks))

    def settle(self, what, seconds=SETTLE_S):
        wait_for(f"every partition running after {what}", self.healthy, seconds)

    def fault(self, kind, place):
        victim = self.alive[int(place * len(self.alive))]
        began, marks = time.monotonic(), list(self.load.ends)

        def recovered(since=None):
            wait_for(f"progress of every partition after {kind}", lambda: self.passed(since or marks), SETTLE_S, every=0.01)

        if kind == "kill_restart":
            self.kill(victim)
            victim.start()
        elif kind == "kill_stay":
            self.kill(victim)
            self.alive.remove(victim)
            recovered()
        elif kind == "freeze":
            victim.kill(signal.SIGSTOP)
            deadline = time.monotonic() + FROZEN_S
            while time.monotonic() < deadline:
                time.sleep(0.1)
            victim.kill(signal.SIGCONT)
            marks = list(self.load.ends)
        elif kind == "start":
            self.begin(next(g for g in self.gateways if g not in self.alive))
            self.settle(kind)
            marks = list(self.load.ends)
        elif kind == "stop":
            self.alive.remove(victim)
            if victim.stop() != 0:
                raise Failure(f"{victim.name} did not stop cleanly:\n{victim.tail()}")
        else:
            if kind == "broker_kill":
                os.kill(int((RUN / "kafka/pid").read_text().split()[0]), signal.SIGKILL)
                wait_for("the killed broker's port to be free", lambda: not any(map(port_taken, (self.kafka_port, self.kafka_port + 1))), 30)
            else:
                self.kafka.stop()
            self.kafka.start()
            self.away.append(time.monotonic() - began)
            marks = list(self.load.ends)
        recovered(marks)
        stall = self.progress.stall(began, time.monotonic())
        self.stalls[kind].append(stall)
        if kind == "kill_stay":
            self.begin(victim)
        self.settle(kind)
        say(f"  {kind:13} {victim.name if not kind.startswith('broker') and kind != 'start' else '':10} stood still {stall:6.2f} s, "
            f"over after {time.monotonic() - began:6.2f} s")

    def finish(self):
        """Everything judged: all processes healthy, committed offsets at the log's end."""
        self.load.finish()
        wait_for("everything to be judged", lambda: self.passed([e - 1 for e in self.load.ends]), 120)
        self.settle("the end of the load")
        self.progress.finish()

    def counted(self):
        """The gateways' own statistics, summed."""
        total = collections.Counter()
        for gateway in self.alive:
            total.update(json.loads(get(f"{gateway.admin}/status")[1])["core"]["verdicts"])
        return total


# ---- oracle ----

def read(bootstrap, topic):
    """Every committed record of a topic up to its end: (partition, offset, key, headers, value). The end is the uncommitted one, so that an
    open transaction is waited for."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "chaos-oracle", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    every = Consumer({**settings, "isolation.level": "read_uncommitted"})
    partitions = list(every.list_topics(topic, timeout=10).topics[topic].partitions)
    ends = {p: every.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in partitions}
    every.close()
    consumer = Consumer({**settings, "isolation.level": "read_committed", "check.crcs": True})
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    records, quiet = [], time.monotonic()
    try:
        while any(t.offset < ends[t.partition] for t in consumer.position([TopicPartition(topic, p) for p in partitions if ends[p]])):
            batch = consumer.consume(5000, timeout=0.2)
            if batch:
                quiet = time.monotonic()
            if time.monotonic() - quiet > 60:
                raise Failure(f"{topic}: not readable to its end {ends} for a minute: an open transaction?")
            for m in batch:
                if m.error():
                    raise Failure(f"{topic}: {m.error()}")
                headers = {k: (v or b"").decode() for k, v in m.headers() or []}
                records.append((m.partition(), m.offset(), m.key(), headers, m.value()))
    finally:
        consumer.close()
    return records


class Oracle:
    """Verdicts by protocol 2, from lt.intake alone; the window is far longer than a run, so nothing expires."""

    def __init__(self, intake):
        self.at = {(p, o): (key, h, value) for p, o, key, h, value in intake}
        self.expected, self.reason, self.verdicts = {}, {}, collections.Counter()
        seen = collections.defaultdict(dict)  # (partition, ce_id) -> {digest: version of its last record}
        for p, o in sorted(self.at):
            h = self.at[p, o][1]
            known = seen[p, h["ce_id"]]
            if len(h["ce_id"]) != 32:
                verdict, topics = "invalid", {"lt.deadletter"}
            elif not known:
                verdict, topics = "new", {ROUTED, LAND} if h["ce_procedure"] == PROCEDURE_LAND else {ROUTED}
            elif h["lt_digest"] in known:
                verdict, topics = "duplicate", set()
            else:
                verdict, topics = "conflict", {"lt.quarantine"}
                self.reason[p, o] = "conflict" if h["lt_digest_v"] in known.values() else "remapped"
            if verdict != "invalid":
                known[h["lt_digest"]] = h["lt_digest_v"]
            self.verdicts[verdict] += 1
            self.expected[p, o] = topics

    def judge(self, outputs, counted, acknowledged, placeless=()):
        """outputs: topic -> records. The four counts, and examples of what is wrong."""
        found, examples = dict.fromkeys(MUST_BE_ZERO, 0), []

        def wrong(what, text, times=1):
            found[what] += times
            if len(examples) < 20:
                examples.append(f"{what}: {text}")

        for place, value in acknowledged.items():
            if place not in self.at or self.at[place][2] != value:
                wrong("lost", f"acknowledged at {place} and not in {INTAKE}")
        others = collections.Counter((place[0], row[2]) for place, row in self.at.items() if place not in acknowledged)
        others.subtract(placeless)
        for (p, _), n in others.items():
            if n < 0:
                wrong("lost", f"acknowledged in partition {p} and not in {INTAKE}", -n)
        copies, incarnations = collections.Counter(), set()
        for topic, records in outputs.items():
            last = {}
            for p, o, key, h, value in sorted(records, key=lambda r: r[:2]):
                incarnation, *place = h["lt_origin"].split("/")
                origin = int(place[0]), int(place[1])
                incarnations.add(incarnation)
                copies[topic, origin] += 1
                source = self.at.get(origin)
                if topic not in self.expected.get(origin, ()):
                    wrong("wrong_verdict", f"{topic} {p}/{o} is a copy of {origin}, which belongs to {self.expected.get(origin)}")
                elif (key, value) != (source[0], source[2]) or any(h.get(k) != source[1][k] for k in ("ce_id", "lt_digest", "lt_digest_v")):
                    wrong("wrong_verdict", f"{topic} {p}/{o} is not its origin's {origin} content")
                elif topic == "lt.quarantine" and h.get("lt_reason") != self.reason[origin]:
                    wrong("wrong_verdict", f"{topic} {p}/{o}: reason {h.get('lt_reason')}, should be {self.reason[origin]}")
                if copies[topic, origin] > 1:
                    wrong("doubled", f"{topic} {p}/{o} is copy {copies[topic, origin]} of {origin}")
                elif key in last and last[key] >= (p, *origin):
                    wrong("out_of_order", f"{topic} {p}/{o}: {origin} of {key} after {last[key]}")
                elif key in last and last[key][0] != p:
                    wrong("out_of_order", f"{topic}: {key} is in partitions {last[key][0]} and {p}")
                last[key] = max(last.get(key, (p, *origin)), (p, *origin))
        for origin, topics in self.expected.items():
            for topic in topics:
                if not copies[topic, origin]:
                    wrong("lost", f"{topic} holds no copy of {origin}")
        if len(incarnations) > 1:
            wrong("wrong_verdict", f"copies name several incarnations: {incarnations}")
        off = {v: (counted[v], self.verdicts[v]) for v in {*counted, *self.verdicts} if counted[v] != self.verdicts[v]}
        if off:
            wrong("wrong_verdict", f"the gateways count other verdicts (theirs, the log's): {off}", sum(abs(a - b) for a, b in off.values()))
        return found, examples


# ---- the command ----

def core(a):
    chaos = Chaos(a)
    began = time.monotonic()
    try:
        chaos.start()
        for number, faults in enumerate(schedule(a.rounds, a.seed), 1):
            say(f"round {number}, {len(chaos.alive)} gateways, {sum(chaos.load.ends)} records")
            for kind, place, pause in faults:
                time.sleep(pause)  # where in its work a fault meets the core is part of the schedule
                chaos.fault(kind, place)
        chaos.finish()
        counted = chaos.counted()
        topics = Consumer({"bootstrap.servers": chaos.kafka.bootstrap, "group.id": "chaos-oracle"})
        names = [t for t in topics.list_topics(timeout=10).topics if t.startswith("lt.") and t not in NO_COPIES]
        topics.close()
        oracle = Oracle(read(chaos.kafka.bootstrap, INTAKE))
        outputs = {t: read(chaos.kafka.bootstrap, t) for t in names}
        found, examples = oracle.judge(outputs, counted, chaos.load.acknowledged, chaos.load.placeless)
    finally:
        chaos.stop()
    for text in examples:
        say(text)
    every = [s for v in chaos.stalls.values() for s in v]
    return {"chaos": "core", "rounds": a.rounds, "seed": a.seed, **found, "records": len(oracle.at), "verdicts": dict(oracle.verdicts),
            "copies": {t: len(r) for t, r in outputs.items() if r}, "unacknowledged": chaos.load.unknown, "keys_before": a.keys, "rate": a.rate,
            "faults": len(every), "stall_p50_s": round(statistics.median(every), 2), "stall_max_s": round(max(every), 2),
            "stalls": {k: {"times": len(v), "p50_s": round(statistics.median(v), 2), "max_s": round(max(v), 2)} for k, v in sorted(chaos.stalls.items())},
            "broker_away_p50_s": round(statistics.median(chaos.away), 2),
            "seconds": round(time.monotonic() - began)}


def junit(path, result, failure):
    """One test case for each count that must be 0."""
    suite = ET.Element("testsuite", name="chaos")
    for name in MUST_BE_ZERO:
        case = ET.SubElement(suite, "testcase", classname="chaos", name=name)
        if failure or result[name]:
            ET.SubElement(case, "failure", message=failure or f"{name} is {result[name]}")
    ET.ElementTree(suite).write(path)


def main():
    parser = argparse.ArgumentParser(prog="tools/chaos", description="Faults against real gateways on a real Kafka; exit 0 when all four counts are 0.")
    parser.add_argument("what", choices=["core"])
    parser.add_argument("--rounds", type=int, default=3, help="each has every kind of fault once (3)")
    parser.add_argument("--seed", type=int, default=1, help="of the schedule and the events (1)")
    parser.add_argument("--rate", type=int, default=1000, help="events a second (1000)")
    parser.add_argument("--keys", type=int, default=0, help="events judged before the first fault (0)")
    parser.add_argument("--port", type=int, help="Kafka's port, those of the gateways above it (free ones)")
    parser.add_argument("--json", action="store_true", help="the result as one line of JSON")
    parser.add_argument("--junit", help="also write a JUnit file")
    a = parser.parse_args()
    if a.rounds < 1 or a.rate < 1 or a.keys < 0:
        parser.error("--rounds and --rate must be 1 or more, --keys 0 or more")
    stop_on_signals()
    result, failure = None, None
    try:
        result = core(a)
    except Failure as e:
        failure = str(e)
        say(f"tools/chaos: {failure}\n  logs are in {RUN.relative_to(ROOT)}")
    if a.junit:
        junit(a.junit, result, failure)
    if failure:
        return 2
    print(json.dumps(result) if a.json else json.dumps(result, indent=2))
    return 1 if any(result[name] for name in MUST_BE_ZERO) else 0


if __name__ == "__main__":
    sys.exit(main())
