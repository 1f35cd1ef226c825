"""`tools/chaos core`: the core as real processes on a real Kafka under seeded faults, judged by an oracle that reads only the log.

Events stream into lt.intake (re-sends, conflicts, records of another digest version, invalid ones) while, each at least once a round,
a gateway is killed and started again at once, killed and left away, frozen for longer than its session, stopped, another one started, and the
broker bounced cleanly and by kill -9. Then everything must be judged, and read_committed readers compare the outputs with verdicts computed here
from lt.intake by the rules of protocol 2. The seed gives the schedule and the events; what runs at which moment is the machine's.

A stall is the longest time that a partition's committed offset stood still from a fault until every partition had judged a record that came
after it. For a bounced broker this contains the broker's own absence.
"""

import collections
import hashlib
import json
import random
import re
import statistics
import threading
import time

from confluent_kafka import KafkaException, Producer

from tools.lt.chaos_world import KINDS, Progress, World, read, say, schedule, topics
from tools.lt.stack import Failure, wait_for

GROUP, INTAKE, ROUTED, LAND, TOLD = "lt.core", "lt.intake", "lt.population", "lt.events.land", "lt.province"
NO_COPIES = {INTAKE, "lt.position", "lt.audit", "lt.answers"}
MUST_BE_ZERO = ("lost", "doubled", "wrong_verdict", "out_of_order")
SETTLE_S = 600
ORIGIN = re.compile(r"([0-9a-f]+)/([0-9]+)/([0-9]+)")
PROCEDURE, PROCEDURE_LAND = "1.001193.000.00.00.H22", "1.003003.000.00.00.H22"


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


# ---- faults ----

class Chaos:
    def __init__(self, a, folder):
        self.a = a
        self.world = World(folder, a.port)
        self.load = self.progress = None
        self.stalls = collections.defaultdict(list)

    def start(self):
        world, bootstrap = self.world, self.world.kafka.bootstrap
        world.start_kafka()
        partitions = topics(bootstrap)[INTAKE]
        self.load = Load(bootstrap, partitions, self.a.seed, self.a.rate)
        self.load.fill(self.a.keys)
        self.progress = Progress(bootstrap, GROUP, INTAKE, partitions)
        self.progress.start()
        for gateway in world.gateways[:2]:
            world.begin(gateway)
        self.settle("the first start", 60 + self.a.keys / 20000)
        wait_for("what was sent before to be judged", lambda: self.passed([e - 1 for e in self.load.ends]), 60 + self.a.keys / 5000)
        self.load.start()

    def owned(self, gateway):
        """{partition: state}"""
        return {p["partition"]: p["state"] for p in self.world.status(gateway)["core"]["partitions"]}

    def healthy(self):
        """Every process that should live does, each runs some of the partitions and together they run them all."""
        self.world.must_live()
        owners = [self.owned(g) for g in self.world.alive]
        return all(owners) and sum(s == "running" for o in owners for s in o.values()) == len(self.load.ends) == sum(len(o) for o in owners)

    def passed(self, marks):
        """Every partition judged a record at or above the mark; must_live so that a process that ended is named."""
        self.world.must_live()
        if self.load.failure:
            raise Failure(f"the load ended: {self.load.failure}")
        return all(j > m for j, m in zip(self.progress.judged, marks))

    def settle(self, what, seconds=SETTLE_S):
        self.world.wait_through(f"every partition running after {what}", self.healthy, seconds)

    def fault(self, kind, place):
        world, victim = self.world, self.world.victim(place)
        began, marks = time.monotonic(), list(self.load.ends)
        if kind == "kill_restart":
            world.kill_restart(victim)
        elif kind == "kill_stay":
            world.kill_stay(victim)
        elif kind == "stop":
            world.stop_one(victim)
        else:
            if kind == "freeze":
                world.freeze(victim)
            elif kind == "start":
                victim = world.one_more()
                self.settle(kind)
            else:
                victim = None
                world.broker(kind)
            marks = list(self.load.ends)
        world.wait_through(f"progress of every partition after {kind}", lambda: self.passed(marks), SETTLE_S, every=0.01)
        stall = self.progress.stall(began, time.monotonic())
        self.stalls[kind].append(stall)
        if kind == "kill_stay":
            world.begin(victim)
        self.settle(kind)
        say(f"  {kind:13} {victim.name if victim else '':10} stood still {stall:6.2f} s, over after {time.monotonic() - began:6.2f} s")

    def finish(self):
        """Everything judged: all processes healthy, committed offsets at the log's end."""
        self.load.finish()
        wait_for("everything to be judged", lambda: self.passed([e - 1 for e in self.load.ends]), 120)
        self.settle("the end of the load")
        self.progress.finish()

    def counted(self):
        """The gateways' own statistics, summed."""
        total = collections.Counter()
        for gateway in self.world.alive:
            total.update(self.world.status(gateway)["core"]["verdicts"])
        return total


# ---- oracle ----

class Oracle:
    """Verdicts by protocol 2, from lt.intake alone; the window is far longer than a run, so nothing expires."""

    def __init__(self, intake):
        self.at = {(p, o): (key, h, value) for p, o, key, h, value in intake}
        self.expected, self.reason, self.verdicts, self.verdict = {}, {}, collections.Counter(), {}
        seen = collections.defaultdict(dict)  # (partition, ce_id) -> {digest: version of its last record}
        for p, o in sorted(self.at):
            h = self.at[p, o][1]
            known = seen[p, h["ce_id"]]
            if len(h["ce_id"]) != 32:
                verdict, topics = "invalid", {"lt.deadletter", TOLD}  # all of this load say whose they are
            elif not known:
                verdict, topics = "new", {ROUTED, LAND} if h["ce_procedure"] == PROCEDURE_LAND else {ROUTED}
            elif h["lt_digest"] in known:
                verdict, topics = "duplicate", set()
            else:
                verdict, topics = "conflict", {"lt.quarantine", TOLD}
                self.reason[p, o] = "conflict" if h["lt_digest_v"] in known.values() else "remapped"
            if verdict != "invalid":
                known[h["lt_digest"]] = h["lt_digest_v"]
            self.verdicts[verdict] += 1
            self.verdict[p, o] = verdict
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
                named = ORIGIN.fullmatch(h.get("lt_origin", ""))
                if not named:
                    wrong("wrong_verdict", f"{topic} {p}/{o} names no origin: {h.get('lt_origin')}")
                    continue
                incarnation, origin = named[1], (int(named[2]), int(named[3]))
                incarnations.add(incarnation)
                copies[topic, origin] += 1
                source = self.at.get(origin)
                if topic not in self.expected.get(origin, ()):
                    wrong("wrong_verdict", f"{topic} {p}/{o} is a copy of {origin}, which belongs to {self.expected.get(origin)}")
                elif topic == TOLD:
                    if (key, h["lt_verdict"], h["lt_cause"]) != (source[0], self.verdict[origin], source[1]["ce_id"]):
                        wrong("wrong_verdict", f"{topic} {p}/{o} tells {h['lt_verdict']} of {origin}, which is {self.verdict[origin]}")
                elif (key, value) != (source[0], source[2]) or any(h.get(k) != v for k, v in source[1].items()):
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

def options(parser):
    parser.add_argument("--rate", type=int, default=1000, help="events a second (1000)")
    parser.add_argument("--keys", type=int, default=0, help="events judged before the first fault (0)")
    parser.add_argument("--faults", default=",".join(KINDS), help="only these, to measure them; a run of fewer than all proves less (%(default)s)")


def run(a, folder):
    """The result, with the four counts that must be 0."""
    if a.rate < 1 or a.keys < 0:
        raise Failure("--rate must be 1 or more, --keys 0 or more")
    kinds = a.faults.split(",")
    if not set(kinds) <= set(KINDS):
        raise Failure(f"--faults: expected some of {', '.join(KINDS)}")
    plan = schedule(a.rounds, a.seed, kinds)
    chaos = Chaos(a, folder)
    world, began = chaos.world, time.monotonic()
    try:
        chaos.start()
        for number, faults in enumerate(plan, 1):
            say(f"round {number}, {len(world.alive)} gateways, {sum(chaos.load.ends)} records")
            for kind, place, pause in faults:
                time.sleep(pause)  # where in its work a fault meets the core is part of the schedule
                chaos.fault(kind, place)
            world.must_have_met(number, kinds)
        chaos.finish()
        counted = chaos.counted()
        bootstrap = world.kafka.bootstrap
        oracle = Oracle(read(bootstrap, INTAKE))
        outputs = {t: read(bootstrap, t) for t in topics(bootstrap) if t.startswith("lt.") and t not in NO_COPIES}
        found, examples = oracle.judge(outputs, counted, chaos.load.acknowledged, chaos.load.placeless)
    finally:
        world.stop()
    for text in examples:
        say(text)
    every = [s for v in chaos.stalls.values() for s in v]
    return {"chaos": "core", "rounds": a.rounds, "seed": a.seed, **found, "records": len(oracle.at), "verdicts": dict(oracle.verdicts),
            "copies": {t: len(r) for t, r in outputs.items() if r}, "unacknowledged": chaos.load.unknown, "keys_before": a.keys, "rate": a.rate,
            "faults": len(every), "stall_p50_s": round(statistics.median(every), 2), "stall_max_s": round(max(every), 2),
            "stalls": {k: {"times": len(v), "p50_s": round(statistics.median(v), 2), "min_s": round(min(v), 2), "max_s": round(max(v), 2)}
                       for k, v in sorted(chaos.stalls.items())},
            "coordinator_restarts": world.coordinator_restarts,
            "broker_away_p50_s": round(statistics.median(world.away), 2) if world.away else None,
            "seconds": round(time.monotonic() - began)}
