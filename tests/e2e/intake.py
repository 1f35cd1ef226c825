"""lt.intake written by hand and the core alone on it: what the stops need, and an oracle that shares nothing with the gateway."""

import collections
import hashlib
import json
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from tests.e2e.world import LIENTHONG, committed, dismiss, run
from tools.lt.stack import get, wait_for

GROUP, INTAKE = "lt.core", "lt.intake"
PARTITIONS = 2
NO_OUTPUT = {INTAKE, "lt.position", "lt.audit", "lt.answers"}
NO_ROUTE = NO_OUTPUT | {"lt.quarantine", "lt.deadletter", "lt.province"}


def hex_of(text, digits):
    return hashlib.sha256(str(text).encode()).hexdigest()[:digits]


def headers_of(n, content=None, **changes):
    """The headers of event n as ingest writes them; changes replace or (None) take away."""
    h = {"ce_specversion": "1.0", "ce_id": hex_of(f"id {n}", 32), "ce_source": "urn:test", "ce_type": "vn.lienthong.dossier.received.v1",
         "ce_subject": f"HS-{n}", "ce_time": "2025-09-02T08:30:00+07:00", "ce_province": "H22", "ce_unit": "H22.00847",
         "ce_procedure": "1.001193.000.00.00.H22", "ce_channel": "1", "lt_digest": hex_of(f"content {n if content is None else content}", 64),
         "lt_digest_v": "1", "lt_time": str(int(time.time() * 1000))}
    h.update({k: v for k, v in changes.items() if v is not None})
    return {k: v for k, v in h.items() if k not in changes or changes[k] is not None}


class Core:
    """A world whose gateway is the core alone, with lt.intake of two partitions."""

    def __init__(self, world, window="400d"):
        self.world = world
        world.edit("gateway.yaml", "{intake: 6, queues: 6, events: 6}", f"{{intake: {PARTITIONS}, queues: 2, events: 2}}")
        if window != "400d":
            world.edit("gateway.yaml", "window: 400d", f"window: {window}")
        self.admin = AdminClient({"bootstrap.servers": world.bootstrap})
        self.producer = self.another_producer()
        world.gateway = world.gateway_with("--roles", "core")

    # -- writing

    def another_producer(self):
        """One that knows nothing of the topics yet: they may have been made again."""
        return Producer({"bootstrap.servers": self.world.bootstrap, "enable.idempotence": True, "linger.ms": 0, "message.max.bytes": 4000000})

    def append(self, n, partition=0, content=None, value=b'{"HoSo":{}}', producer=None, key=None, **changes):
        producer = producer or self.producer
        failed = []
        producer.produce(INTAKE, partition=partition, key=key or f"H22/HS-{n}", value=value, headers=list(headers_of(n, content, **changes).items()),
                         on_delivery=lambda e, _: failed.append(e) if e else None)
        producer.flush(20)
        assert not failed, failed

    def append_many(self, n, partition=0):
        """n events at once, numbered from 0."""
        for i in range(n):
            while True:
                try:
                    self.producer.produce(INTAKE, partition=partition, key=f"H22/HS-{i}", value=b'{"HoSo":{}}', headers=list(headers_of(i).items()))
                    break
                except BufferError:
                    self.producer.poll(0.1)
        assert self.producer.flush(60) == 0

    def append_range(self, *numbers, partition=0):
        for n in range(*numbers):
            self.append(n, partition)

    # -- the gateway

    def start(self, ready=True):
        self.world.start_gateway(ready)

    def stop(self):
        """Stopped, and no member of the group any more: its offsets can be touched."""
        assert self.world.gateway.stop() == 0, self.world.gateway.tail()
        dismiss(self.world.bootstrap, GROUP, [f"{GROUP}.gateway-1.{w}" for w in range(4)])

        def empty():
            return not self.admin.describe_consumer_groups([GROUP])[GROUP].result().members
        wait_for("the group to be empty", empty, 30)

    def command(self, *argv, check=0):
        """`lienthong core …` with --json: the object it prints."""
        r = run(LIENTHONG, "core", *argv, "--config", self.world.config, "--json", check=check, timeout=90)
        return json.loads(r.stdout)

    def told(self, command, check=0):
        """Exactly the command that a stop names."""
        assert command.startswith("lienthong core "), command
        return self.command(*command.split()[2:], check=check)

    def partitions(self):
        return {p["partition"]: p for p in self.world.status()["core"]["partitions"]}

    def stop_of(self, reason, partition=0, seconds=60):
        """Wait until the partition stands still for this reason; the stop as status shows it."""
        def stopped():
            s = self.partitions().get(partition, {}).get("stop")
            return s if s and s["reason"] == reason else None
        s = wait_for(f"partition {partition} to stop as {reason}", stopped, seconds)
        self.must_be_explained(s, partition)
        return s

    def must_be_explained(self, s, partition=None):
        """Both status commands say it: what, why, what is safe, what to do and the command."""
        assert s["text"] and s["cause"] and s["safe"] and s["advice"], s
        one = [] if partition is None else ["--partition", str(partition)]
        for command in (["status"], ["core", "status", *one]):
            text = run(LIENTHONG, *command, "--config", self.world.config, check=1, timeout=90).stdout
            missing = [s[part] for part in ("reason", "cause", "safe", "advice", "command") if s[part] not in text]
            assert not missing, f"lienthong {' '.join(command)} does not say {missing}:\n{text}"

    def wait_judged(self, partition=0, seconds=60):
        """The committed offset has reached the end of the log."""
        def done():
            return self.committed(partition) >= self.ends(partition)[1]
        wait_for(f"partition {partition} to be judged to its end", done, seconds, every=0.2)

    # -- looking and touching behind the gateway's back

    def ends(self, partition=0):
        c = Consumer({"bootstrap.servers": self.world.bootstrap, "group.id": "oracle", "isolation.level": "read_uncommitted"})
        try:
            return c.get_watermark_offsets(TopicPartition(INTAKE, partition), timeout=10)
        finally:
            c.close()

    def committed(self, partition=0):
        return committed(self.world.bootstrap, GROUP, INTAKE, partition)

    def position(self, partition=0):
        """(offset, metadata) of the last commit, from lt.position: the client library reads on behind the end of a committed offset's metadata."""
        (last,) = [json.loads(value) for _, _, key, _, value in self.world.read("lt.position") if key == str(partition)][-1:]
        return last["offset"], last["metadata"]

    def move(self, offset, partition=0):
        """What a reset-offsets tool does."""
        wanted = ConsumerGroupTopicPartitions(GROUP, [TopicPartition(INTAKE, partition, offset)])
        self.admin.alter_consumer_group_offsets([wanted])[GROUP].result()

    def doctor(self, offset, metadata, partition=0):
        """An offset with metadata of our own making; the group must be empty."""
        c = Consumer({"bootstrap.servers": self.world.bootstrap, "group.id": GROUP, "enable.auto.commit": False})
        try:
            c.commit(offsets=[TopicPartition(INTAKE, partition, offset, metadata=metadata)], asynchronous=False)
        finally:
            c.close()
        assert self.committed(partition) == offset

    def setting(self, topic, name, value):
        entry = ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET)
        for future in self.admin.incremental_alter_configs([ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])]).values():
            future.result()

    def alarm_of(self, reason, partition=0, seconds=60):
        def raised():
            found = self.partitions()[partition].get("alarm")
            return found if found and found["reason"] == reason else None
        found = wait_for(f"the alarm {reason}", raised, seconds, every=0.2)
        self.must_be_explained(found, partition)
        assert self.command("status", "--partition", str(partition), check=1)["partitions"][0]["alarm"] == found
        return found

    def forget(self):
        self.admin.delete_consumer_groups([GROUP])[GROUP].result()

    def delete_before(self, offset, partition=0):
        for future in self.admin.delete_records([TopicPartition(INTAKE, partition, offset)]).values():
            future.result()

    def outputs(self):
        return [t for t in self.admin.list_topics(timeout=10).topics if t.startswith("lt.") and t not in NO_OUTPUT]

    def copies(self):
        """topic -> Counter of (partition, offset) of intake."""
        found = {}
        for topic in self.outputs():
            found[topic] = collections.Counter()
            for _, _, _, h, _ in self.world.read(topic):
                _, partition, offset = h["lt_origin"].split("/")
                found[topic][int(partition), int(offset)] += 1
        return found

    def verdicts(self):
        """(partition, offset) -> verdict, from the records of lt.intake as they stand (no window)."""
        contents, verdicts = collections.defaultdict(set), {}
        for partition, offset, _, h, _ in sorted(self.world.read(INTAKE, raw=True), key=lambda r: r[:2]):
            if len(h.get("ce_id", "")) != 32:
                verdicts[partition, offset] = "invalid"
                continue
            seen = contents[partition, h["ce_id"]]
            verdicts[partition, offset] = "duplicate" if h["lt_digest"] in seen else "conflict" if seen else "new"
            seen.add(h["lt_digest"])
        return verdicts

    def addressed(self):
        """Records that say whom to tell of them: province and dossier, and the key made of them."""
        return {(p, o) for p, o, key, h, _ in self.world.read(INTAKE, raw=True)
                if h.get("ce_province") and h.get("ce_subject") and key.decode(errors="replace") == f"{h['ce_province']}/{h['ce_subject']}"}

    def must_be_exactly_once(self):
        """Every record has the verdict the log gives it, and each output one copy of it; of conflicts and invalid ones the province is told."""
        verdicts, copies = self.verdicts(), self.copies()
        for topic, counter in copies.items():
            doubled = {o: n for o, n in counter.items() if n != 1}
            assert not doubled, f"{topic} holds copies more than once: {doubled}"
        places = {"new": set().union(*(set(c) for t, c in copies.items() if t not in NO_ROUTE)), "conflict": set(copies["lt.quarantine"]),
                  "invalid": set(copies["lt.deadletter"])}
        for verdict, found in places.items():
            assert found == {o for o, v in verdicts.items() if v == verdict}, verdict
        told = {o for o in self.addressed() if verdicts[o] in ("conflict", "invalid")}
        assert set(copies["lt.province"]) == told, "what the province is told of"

    def audited(self, action):
        return [json.loads(value) for _, _, _, _, value in self.world.read("lt.audit") if json.loads(value)["action"] == action]


def judged_core(world):
    """Ten records of partition 0 and three of partition 1 are judged; the gateway is stopped and its group is empty."""
    core = Core(world)
    world.topics()
    core.start()
    core.append_range(0, 8)
    core.append(3)
    core.append(4, content="another")
    core.append_range(100, 103, partition=1)
    core.wait_judged(0)
    core.wait_judged(1)
    core.stop()
    return core


def ready(core):
    return get(f"{core.world.admin}/ready")[0] == 200
