"""The world of tools/chaos: gateways as real processes, a Kafka of their own, and the faults that both can meet.

Every fault proves itself: it looks whether what it was to do really happened (a process killed by the signal and not ended by itself, one
that stood still all the time, a broker that was gone and came back as another process), fails when it did not, and only then counts in
`World.met`. Nothing here knows what is judged afterwards; chaos_core.py and chaos_delivery.py do.
"""

import collections
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tools.lt.derive import derive_config
from tools.lt.stack import ROOT, Failure, Kafka, Process, free_ports, get, port_taken, wait_for

LIENTHONG = ROOT / "build/release/lienthong"
GATEWAYS = 3
KINDS = ("kill_restart", "kill_stay", "freeze", "start", "stop", "broker_clean", "broker_kill")
FROZEN_S = 11.5  # longer than the session of 10 s


def say(text):
    print(text, file=sys.stderr, flush=True)


def schedule(rounds, seed, kinds=KINDS):
    """[[(kind, victim's place among the living, pause before it)]]: every kind once a round, in an order in which each finds the processes it
    needs; two gateways run between rounds."""
    rng = random.Random(f"schedule {seed}")

    def possible(order):
        alive = 2
        for kind in order:
            if (kind in ("kill_stay", "stop") and alive < 2) or (kind == "start" and alive == GATEWAYS):
                return False
            alive += {"start": 1, "stop": -1}.get(kind, 0)
        return alive == 2

    if not any(map(possible, itertools.permutations(kinds))):
        raise Failure(f"no order of {', '.join(kinds)} leaves two gateways running: stop and start go together")
    out = []
    for _ in range(rounds):
        order = list(kinds)
        rng.shuffle(order)
        while not possible(order):
            rng.shuffle(order)
        out.append([(kind, rng.random(), rng.uniform(0, 0.5)) for kind in order])
    return out


def state_of(pid):
    """The kernel's letter for a process: T is stopped by a signal; None when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


class World:
    """Kafka, its topics and up to GATEWAYS gateways below one folder. `alive`: those that should be running.

    roles     of every gateway
    more      further ports wanted, for mocks and the like: `ports`
    adapt     called with (number from 0, path of gateway.yaml) once for each gateway's own copy of the configuration
    """

    def __init__(self, folder, port=None, roles="core", more=0, adapt=None):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        wanted = 1 + 2 * GATEWAYS + more
        ports = [port, *range(port + 2, port + 1 + wanted)] if port else free_ports(wanted)  # port + 1 is the controller's
        self.folder, self.kafka_port, self.ports = folder, ports[0], ports[1 + 2 * GATEWAYS:]
        self.kafka = Kafka(folder / "kafka", self.kafka_port)
        self.pki = folder / "pki"
        subprocess.run([str(ROOT / "tools/pki"), "make", "--dir", str(self.pki)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.gateways = []
        for i in range(GATEWAYS):
            name, ingest, admin = f"gateway-{i + 1}", ports[1 + 2 * i], ports[2 + 2 * i]
            config = derive_config(folder / f"config-{i + 1}", self.pki, folder / f"state-{i + 1}", self.kafka.bootstrap, ingest, admin)
            config.write_text(config.read_text().replace("instance: gateway-1", f"instance: {name}"))
            if adapt:
                adapt(i, config)
            gateway = Process(name, folder, [LIENTHONG, "run", "--roles", roles, "--config", config])
            gateway.admin, gateway.config = f"http://127.0.0.1:{admin}", config
            self.gateways.append(gateway)
        self.alive = []
        self.met = collections.Counter()  # faults that happened, proven
        self.away = []                    # seconds that the broker was gone, each time
        self.coordinator_restarts = 0     # see wait_through
        self.looked = 0.0

    def start_kafka(self):
        self.kafka.start()
        subprocess.run([str(LIENTHONG), "topics", "create", "--config", str(self.gateways[0].config)], check=True, stdout=subprocess.DEVNULL)

    def stop(self):
        for gateway in self.gateways:
            gateway.kill(signal.SIGCONT)  # a frozen one would not hear SIGTERM
        for gateway in self.gateways:
            gateway.kill(signal.SIGTERM)
        for gateway in self.gateways:
            gateway.stop()
        self.kafka.stop()

    def begin(self, gateway):
        gateway.start()
        self.alive.append(gateway)

    def must_live(self):
        for gateway in self.alive:
            gateway.must_live()

    def victim(self, place):
        """Of the living, the one at this place from 0 to 1."""
        return self.alive[int(place * len(self.alive))]

    def status(self, gateway):
        return json.loads(get(f"{gateway.admin}/status")[1])

    def went_back(self):
        """Does a gateway stop a partition because Kafka tells of no position, or of an older one than was committed?"""
        if time.monotonic() - self.looked < 2:
            return False
        self.looked = time.monotonic()
        states = [self.status(g) for g in self.alive]
        parts = [p for s in states for p in (*(s["core"]["partitions"] or ()), *(p for t in s.get("targets", ()) for p in t["partitions"] or ()))]
        return any(p.get("stop", {}).get("reason") == "OFFSETS-LOST" for p in parts)

    def wait_through(self, what, condition, seconds, every=0.1):
        """wait_for; where Kafka goes back to an older position after its kill -9 and stays there (docs/decisions/0015) do once what the
        manual says: start the coordinator again."""
        wait_for(what, lambda: condition() or self.went_back(), seconds, every)
        if condition():
            return
        say(f"  the group went back: {what}; the broker is started once more, as the manual says")
        self.coordinator_restarts += 1
        self.kafka.stop()
        self.kafka.start()
        wait_for(what, condition, seconds, every)

    # ---- faults ----

    def kill(self, gateway):
        """kill -9; whoever calls says with `met` which fault it was part of."""
        gateway.must_live()
        gateway.kill()
        code = gateway.popen.wait()
        gateway.popen = None
        if code != -signal.SIGKILL:
            raise Failure(f"{gateway.name} was to be killed and ended with {code}")

    def kill_restart(self, gateway):
        before = gateway.pid()
        self.kill(gateway)
        gateway.start()
        if gateway.pid() in (None, before):
            raise Failure(f"{gateway.name} was not started again")
        self.met["kill_restart"] += 1

    def kill_stay(self, gateway):
        self.kill(gateway)
        self.alive.remove(gateway)
        self.met["kill_stay"] += 1

    def freeze(self, gateway, seconds=FROZEN_S):
        gateway.must_live()
        pid = gateway.pid()
        gateway.kill(signal.SIGSTOP)
        wait_for(f"{gateway.name} to stand still", lambda: state_of(pid) == "T", 5, every=0.005)
        thaw = time.monotonic() + seconds
        while time.monotonic() < thaw:
            if state_of(pid) != "T":
                raise Failure(f"{gateway.name} was to be frozen for {seconds} s and is not")
            time.sleep(0.1)
        gateway.kill(signal.SIGCONT)
        wait_for(f"{gateway.name} to go on", lambda: state_of(pid) != "T", 5, every=0.005)
        self.met["freeze"] += 1

    def one_more(self):
        """Start a gateway that does not run. Returns it."""
        gateway = next(g for g in self.gateways if g not in self.alive)
        self.begin(gateway)
        gateway.must_live()
        self.met["start"] += 1
        return gateway

    def stop_one(self, gateway):
        gateway.must_live()
        self.alive.remove(gateway)
        code = gateway.stop()
        if code != 0:
            raise Failure(f"{gateway.name} did not stop cleanly but with {code}:\n{gateway.tail()}")
        self.met["stop"] += 1

    def broker(self, kind):
        """Bounce the broker: "broker_clean", or "broker_kill" for kill -9."""
        def pid():
            return int((self.folder / "kafka/pid").read_text().split()[0])
        before, began = pid(), time.monotonic()
        if kind == "broker_kill":
            os.kill(before, signal.SIGKILL)
            wait_for("the killed broker to be gone and its ports to be free", lambda: state_of(before) in (None, "Z") and
                     not any(map(port_taken, (self.kafka_port, self.kafka_port + 1))), 30)
        else:
            self.kafka.stop()
        if state_of(before) not in (None, "Z") or port_taken(self.kafka_port):
            raise Failure("the broker was to be away and is not")
        self.kafka.start()
        if pid() == before:
            raise Failure("the broker is the same process as before")
        self.away.append(time.monotonic() - began)
        self.met[kind] += 1

    def must_have_met(self, times, kinds=KINDS):
        """Every kind has happened so often, or the run proves less than it says."""
        missing = {k: self.met[k] for k in kinds if self.met[k] < times}
        if missing:
            raise Failure(f"round {times}: faults that did not happen in every round (times so far): {missing}")


# ---- what the topics hold ----

class Progress(threading.Thread):
    """The committed offsets of a group, looked at closely: `judged`, and when each partition advanced."""

    def __init__(self, bootstrap, group, topic, partitions):
        super().__init__(daemon=True)
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "isolation.level": "read_uncommitted",
                                  "enable.auto.commit": False, "reconnect.backoff.max.ms": 200, "log_level": 0})
        self.asked = [TopicPartition(topic, p) for p in range(partitions)]
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


def topics(bootstrap):
    """{name: number of partitions}"""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "chaos"})
    try:
        return {name: len(t.partitions) for name, t in consumer.list_topics(timeout=10).topics.items()}
    finally:
        consumer.close()


def read(bootstrap, topic):
    """Every committed record of a topic up to its end: (partition, offset, key, headers, value). The end is the uncommitted one, so that an
    open transaction is waited for."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "chaos-oracle", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    every = Consumer({**settings, "isolation.level": "read_uncommitted"})
    partitions = list(every.list_topics(topic, timeout=10).topics[topic].partitions)
    if not partitions:
        raise Failure(f"{topic} is not there: nothing can be said of what it holds")
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
