"""One installation for a test: derived configuration, mocks, gateway, and the questions a test asks of them."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tools.lt.derive import derive_config
from tools.lt.stack import ROOT, Failure, Https, Process, free_ports, get, wait_for

BUILD = pathlib.Path(os.environ.get("LT_BUILD") or ROOT / "build/release")
LIENTHONG = BUILD / "lienthong"
MOCK = BUILD / "lienthong-mock"


def run(*argv, check=None, **kw):
    """A command to its end; check: the exit code it must have."""
    r = subprocess.run([str(a) for a in argv], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, **kw)
    if check is not None and r.returncode != check:
        raise AssertionError(f"{' '.join(str(a) for a in argv)}: exit code {r.returncode}, expected {check}\n{r.stdout}\n{r.stderr}")
    return r


def dismiss(bootstrap, group, instances):
    """Static members leave their group (LeaveGroup version 3, on the one broker): they do not by themselves, and a group with members
    stays until their session ends."""
    def text(s):
        return struct.pack(">h", len(s)) + s.encode()

    members = b"".join(text("") + text(i) for i in instances)
    request = struct.pack(">hhi", 13, 3, 1) + text("oracle") + text(group) + struct.pack(">i", len(instances)) + members
    host, _, port = bootstrap.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as s:
        s.sendall(struct.pack(">i", len(request)) + request)
        assert len(s.recv(4096)) > 0, "the broker closed the connection on a LeaveGroup"


def committed(bootstrap, group, topic, partition):
    """What Kafka tells of a group's position: the offset, < 0 when there is none (`positions` has the metadata too). Not by the admin client: its
    call (librdkafka 2.6.1) ends the process by a segmentation fault when the coordinator is not there yet."""
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    try:
        (at,) = c.committed([TopicPartition(topic, partition)], timeout=10)
        assert not at.error, at.error
        return at.offset
    finally:
        c.close()


def positions(world, group, topic):
    """partition -> (offset, metadata) as the broker keeps them: the client library hands out the metadata without its length, and reads on behind its
    end, where there is now and then something."""
    def text(data, at):
        n = struct.unpack_from(">h", data, at)[0]
        return data[at + 2:at + 2 + n].decode(), at + 2 + n

    def compact(data, at):
        n = shift = 0
        more = True
        while more:
            n |= (data[at] & 0x7f) << shift
            more, shift, at = data[at] & 0x80, shift + 7, at + 1
        return data[at:at + n - 1].decode()

    found = {}
    for _, _, key, _, value in world.read("__consumer_offsets", raw=True):
        if struct.unpack_from(">h", key)[0] > 1:
            continue  # about the group itself
        name, at = text(key, 2)
        of, at = text(key, at)
        if (name, of) != (group, topic):
            continue
        partition = struct.unpack_from(">i", key, at)[0]
        if value is None:
            found.pop(partition, None)
        else:
            version, offset = struct.unpack_from(">hq", value)
            assert version in (3, 4), f"offset records of version {version} are new to this test"
            found[partition] = offset, text(value, 14)[0] if version == 3 else compact(value, 14)
    return found


def empty_kafka(bootstrap):
    """No topics and no groups of the gateway any more."""
    admin = AdminClient({"bootstrap.servers": bootstrap})

    def names():
        return [t for t in admin.list_topics(timeout=10).topics if not t.startswith("__")]

    def groups():
        return [g.group_id for g in admin.list_consumer_groups().result().valid if g.group_id.startswith("lt.")]

    def leave():
        known = groups()
        for group, future in admin.describe_consumer_groups(known).items() if known else []:
            instances = [m.group_instance_id for m in future.result().members if m.group_instance_id]
            if instances:
                dismiss(bootstrap, group, instances)

    def gone():
        leave()
        for future in admin.delete_consumer_groups(groups()).values() if groups() else []:
            try:
                future.result()
            except Exception:  # members are still known: asked again
                pass
        if names():
            for future in admin.delete_topics(names()).values():
                try:
                    future.result()
                except Exception:
                    pass
        return not names() and not groups()

    wait_for("Kafka to be empty", gone, 60, every=0.2)


PASSING = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError._TIMED_OUT, KafkaError._TRANSPORT)


def patiently(question, seconds=30):
    """What Kafka answers; a starved broker loses its lead for a moment."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return question()
        except KafkaException as e:
            if e.args[0].code() not in PASSING or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def partitions_of(consumer, topic):
    """Of a topic that must be there: nothing could be read from one that is not, and would pass for an empty one."""
    def ask():
        found = consumer.list_topics(topic, timeout=10).topics[topic]
        if found.error:
            raise KafkaException(found.error)
        return list(found.partitions)
    return patiently(ask)


class Tail:
    """The committed records of a topic from now on: (partition, offset, key, headers, value)."""

    def __init__(self, bootstrap, topic):
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"oracle-{time.time_ns()}", "isolation.level": "read_committed",
                                  "enable.auto.commit": False, "auto.offset.reset": "error", "fetch.wait.max.ms": 10})
        self.records, self.next = [], {}
        self.topic = topic
        for p in partitions_of(self.consumer, topic):
            self.next[p] = self.end(p)
        self.consumer.assign([TopicPartition(topic, p, o) for p, o in self.next.items()])

    def end(self, partition):
        return patiently(lambda: self.consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=10)[1])

    def read(self):
        """Everything since it was made, up to the topic's end at the moment of the call."""
        ends = {p: self.end(p) for p in self.next}
        deadline = time.monotonic() + 30
        while any(self.next[p] < end for p, end in ends.items()):
            if time.monotonic() > deadline:
                raise Failure(f"{self.topic} was not read to its end: at {self.next}, end {ends}")
            m = self.consumer.poll(0.2)
            if m is None:
                positions = self.consumer.position([TopicPartition(self.topic, p) for p in self.next])
                self.next.update({t.partition: t.offset for t in positions if t.offset >= 0})  # markers of transactions are no records
                continue
            if m.error():
                raise Failure(f"{self.topic}: {m.error()}")
            self.next[m.partition()] = m.offset() + 1
            headers = {k: v.decode() if v else "" for k, v in m.headers() or []}
            self.records.append((m.partition(), m.offset(), (m.key() or b"").decode(), headers, m.value()))
        return self.records

    def close(self):
        self.consumer.close()


@contextlib.contextmanager
def fresh_world(folder, pki, bootstrap, **kw):
    """An installation on an empty Kafka; nothing is started, and what is started of it is stopped however the use of it ends."""
    empty_kafka(bootstrap)
    world = World(folder, pki, bootstrap, **kw)
    try:
        yield world
    finally:
        world.stop()


class World:
    def __init__(self, folder, pki, bootstrap, citizens=None, province=None):
        """province: the port where provinces are called back; without one nobody is."""
        self.folder, self.pki, self.bootstrap = folder, pki, bootstrap
        self.ingest_port, self.admin_port, self.portal_port, self.population_port = free_ports(4)
        self.config = derive_config(folder / "config", pki, folder / "state", bootstrap, self.ingest_port, self.admin_port, self.portal_port,
                                    self.population_port, province)
        self.url = f"https://127.0.0.1:{self.ingest_port}"
        self.admin = f"http://127.0.0.1:{self.admin_port}"
        self.portal_url = f"https://127.0.0.1:{self.portal_port}"
        self.population_url = f"https://127.0.0.1:{self.population_port}"
        self.citizens = citizens or folder / "citizens.json"
        if not citizens:
            self.citizens.write_text("[]")
        self.gateway = Process("gateway", folder, [LIENTHONG, "run", "--config", self.config])
        self.portal = Process("portal", folder, self.mock("portal", self.portal_port) + ["--password-file", pki / "portal.password"])
        self.population = Process("population", folder, self.mock("population", self.population_port) + ["--citizens", self.citizens])
        self.others = []  # processes of this installation that a test asked for
        self.operator = Https(pki, "operator")

    def mock(self, name, port):
        return [MOCK, name, "--listen", f"127.0.0.1:{port}", "--cert", self.pki / f"{name}.crt", "--key", self.pki / f"{name}.key", "--ca", self.pki / "ca.crt"]

    # -- starting and stopping

    def gateway_with(self, *switches, name="gateway"):
        """A process of this configuration with other switches, such as --roles; not started."""
        self.others.append(Process(name, self.folder, [LIENTHONG, "run", "--config", self.config, *switches]))
        return self.others[-1]

    def twin(self, instance, *switches):
        """Another instance of this installation with its own name, ports and state, not started; it has url, admin and config."""
        ingest, admin = free_ports(2)
        folder = self.folder / f"config-{instance}"
        shutil.copytree(self.config.parent, folder)
        path = folder / "gateway.yaml"
        text = path.read_text()
        for old, new in {"instance: gateway-1": f"instance: {instance}", f"127.0.0.1:{self.ingest_port}": f"127.0.0.1:{ingest}",
                         f"127.0.0.1:{self.admin_port}": f"127.0.0.1:{admin}",
                         f"{self.folder / 'state'}": f"{self.folder / f'state-{instance}'}"}.items():
            assert old in text, f"gateway.yaml does not hold {old!r}"
            text = text.replace(old, new)
        path.write_text(text)
        process = Process(instance, self.folder, [LIENTHONG, "run", "--config", path, *switches])
        self.others.append(process)
        process.url, process.admin, process.config = f"https://127.0.0.1:{ingest}", f"http://127.0.0.1:{admin}", path
        return process

    def edit(self, file, old, new):
        """Change a file of the configuration; the text must be there."""
        path = self.config.parent / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new))

    def topics(self):
        run(LIENTHONG, "topics", "create", "--config", self.config, check=0)

    def start_mock(self, name):
        process, url = (self.portal, self.portal_url) if name == "portal" else (self.population, self.population_url)
        process.start()
        wait_for(f"the mock at {url}", lambda: process.must_live() and self.operator.request(f"{url}/oracle/counters")[0] == 200)

    def start_mocks(self):
        self.start_mock("portal")
        self.start_mock("population")

    def start_gateway(self, ready=True):
        self.gateway.start()
        if ready:
            self.wait_ready()

    def wait_ready(self, seconds=60):
        wait_for("the gateway to be ready", lambda: self.gateway.must_live() and get(f"{self.admin}/ready")[0] == 200, seconds)

    def start(self):
        self.topics()
        self.start_mocks()
        self.start_gateway()

    def stop(self):
        for p in (self.gateway, *self.others, self.portal, self.population):
            p.stop()

    # -- talking to it

    def client(self, name):
        return Https(self.pki, name)

    def post(self, name, body, media="application/json", path="/v1/events", **kw):
        """(status, answer as JSON or text)"""
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode() if not isinstance(body, str) else body.encode()
        status, headers, answer = self.client(name).request(self.url + path, body=data, media=media, method="POST", **kw)
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer.decode(errors="replace")

    def receipt(self, name, receipt):
        status, _, answer = self.client(name).request(f"{self.url}/v1/receipts/{receipt}")
        return status, json.loads(answer) if answer else None

    def verdict(self, name, receipt, seconds=30):
        """Wait until the receipt tells a verdict."""
        def decided():
            status, answer = self.receipt(name, receipt)
            return answer["verdict"] if status == 200 and answer.get("verdict") else None
        return wait_for("the verdict", decided, seconds)

    def status(self):
        return json.loads(get(f"{self.admin}/status")[1])

    def verdicts(self):
        return self.status()["core"]["verdicts"]

    def target(self, name):
        return next(t for t in self.status()["targets"] if t["target"] == name)

    def stops(self, target):
        return [p["stop"] for p in self.target(target)["partitions"] if p.get("stop")]

    def counters(self, mock="portal"):
        return self.operator.json(f"{self.portal_url if mock == 'portal' else self.population_url}/oracle/counters")

    def dossier(self, code):
        return self.operator.json(f"{self.portal_url}/oracle/dossiers/{code}")

    def fault(self, mock, **fault):
        url = self.portal_url if mock == "portal" else self.population_url
        status, _, body = self.operator.request(f"{url}/control/faults", body=json.dumps(fault).encode(), media="application/json", method="POST")
        assert status == 200, body

    def wait_judged(self, n, seconds=60):
        wait_for(f"{n} verdicts", lambda: sum(self.verdicts().values()) >= n, seconds)

    # -- looking into Kafka, independently of the gateway

    def read(self, topic, raw=False):
        """Every committed record of a topic: (partition, offset, key, headers, value); raw: the key as bytes."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"oracle-{time.time_ns()}", "isolation.level": "read_committed",
                             "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest"})
        try:
            partitions = partitions_of(consumer, topic)
            consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
            left, records, trouble = set(partitions), [], None
            deadline = time.monotonic() + 30
            while left and time.monotonic() < deadline:
                m = consumer.poll(1.0)
                if m is None:
                    continue
                if m.error():
                    trouble = m.error()
                    if trouble.code() == KafkaError._PARTITION_EOF:
                        left.discard(m.partition())
                    continue
                headers = {k: v.decode() if v else "" for k, v in m.headers() or []}
                key = m.key() or b""
                records.append((m.partition(), m.offset(), key if raw else key.decode(), headers, m.value()))
            if left:
                raise Failure(f"{topic}: partitions {left} were not read to the end: {trouble}")
            return records
        finally:
            consumer.close()

    def tail(self, topic):
        """Follows a topic from its end as it is now."""
        return Tail(self.bootstrap, topic)

    def count(self, topic):
        return len(self.read(topic))
