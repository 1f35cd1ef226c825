"""Stops of a target's queue on a real Kafka: each is led out of by the command that it names, nothing is doubled, nothing given up in silence."""

import json
import time

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from tests.e2e.load import Dossier, accept, hurry
from tests.e2e.test_delivery import parked, rows, wait_rows
from tests.e2e.world import LIENTHONG, committed, dismiss, positions, run
from tools.lt.stack import wait_for

QUEUE = "lt.portal"


class Queue:
    """The portal's queue: its partition that a dossier took, and what a tool may do to it behind the gateway's back."""

    def __init__(self, world):
        self.world = world
        self.admin = AdminClient({"bootstrap.servers": world.bootstrap})
        hurry(world)
        world.start()
        self.dossier = Dossier(1)
        accept(world, self.dossier.received())
        wait_rows(world, self.dossier, (1, 0, 1))
        self.partition = next(p for p, _, key, _, _ in world.read(QUEUE) if key == self.dossier.key)
        wait_for("the position to be behind it", lambda: self.committed() > 0 and self.settled())

    def settled(self):
        return all(p["offset"] == p["next"] and p["done_beyond"] == 0 for p in self.world.target("portal")["partitions"])

    def committed(self):
        return committed(self.world.bootstrap, QUEUE, QUEUE, self.partition)

    def position(self):
        """(offset, metadata)"""
        return positions(self.world, QUEUE, QUEUE)[self.partition]

    def stop_gateway(self):
        """Stopped, and nobody in the group."""
        assert self.world.gateway.stop() == 0
        dismiss(self.world.bootstrap, QUEUE, [f"{QUEUE}.gateway-1.0"])
        wait_for("the group to be empty", lambda: not self.admin.describe_consumer_groups([QUEUE])[QUEUE].result().members, 30)

    def stop_of(self, reason, seconds=60):
        def stopped():
            found = [p["stop"] for p in self.world.target("portal")["partitions"] if p["partition"] == self.partition and p.get("stop")]
            return found[0] if found and found[0]["reason"] == reason else None
        stop = wait_for(f"partition {self.partition} to stop as {reason}", stopped, seconds)
        assert stop["safe"] and stop["advice"] and stop["command"].startswith("lienthong targets "), stop
        text = run(LIENTHONG, "status", "--config", self.world.config, check=1).stdout
        assert reason in text and stop["safe"] in text and stop["command"] in text, text
        return stop

    def told(self, command, *more, check=0):
        """The command that a stop names: the lines it prints."""
        words = [w for w in command.split()[1:] if w != "--dry-run"]
        out = run(LIENTHONG, *words, *more, "--json", "--who", "operator", "--config", self.world.config, check=check, timeout=90).stdout
        return [json.loads(line) for line in out.splitlines()]

    def wait_running(self, seconds=60):
        wait_for("every partition to run", lambda: {p["state"] for p in self.world.target("portal")["partitions"]} == {"running"}, seconds)

    def audited(self, action):
        return [r for r in (json.loads(value) for _, _, _, _, value in self.world.read("lt.audit")) if r["action"] == action]


@pytest.fixture
def queue(world):
    return Queue(world)


def test_a_record_that_is_no_event_becomes_a_dead_letter_and_what_waits_behind_it_goes_on(queue):
    producer = Producer({"bootstrap.servers": queue.world.bootstrap})
    producer.produce(QUEUE, partition=queue.partition, key=queue.dossier.key, value=b"not ours", headers={"foreign": b"yes"})
    assert producer.flush(30) == 0
    stop = queue.stop_of("BAD-RECORD")
    accept(queue.world, queue.dossier.progressed())
    offset = stop["command"].split()[-1]
    good = next(o for p, o, _, _, _ in queue.world.read(QUEUE) if p == queue.partition)
    refused = queue.told(stop["command"].replace(f"--offset {offset}", f"--offset {good}"), check=1)
    assert "is an event and must be delivered" in refused[0]["text"], refused
    assert queue.told(stop["command"], "--dry-run")[0]["outcome"] == "would be asked"
    assert not queue.audited("delivery-pass-over")
    assert queue.told(stop["command"])[0]["outcome"] == "asked"
    wait_rows(queue.world, queue.dossier, (1, 0, 2))
    queue.wait_running()
    letters = [(h, v) for _, _, _, h, v in queue.world.read("lt.deadletter") if h.get("lt_reason") == "bad-record"]
    assert [(h["lt_order"], h["lt_target"], h["foreign"], v) for h, v in letters] == [(offset, "portal", "yes", b"not ours")]
    assert len(queue.audited("delivery-pass-over")) == 1
    assert queue.world.target("portal")["ledger"]["skipped"] == 1


def test_a_position_that_was_moved_or_lost_is_written_back_from_the_ledger_and_nothing_is_sent_again(queue):
    queue.stop_gateway()
    at, text = queue.position()
    wanted = ConsumerGroupTopicPartitions(QUEUE, [TopicPartition(QUEUE, queue.partition, 0)])
    queue.admin.alter_consumer_group_offsets([wanted])[QUEUE].result()
    queue.world.start_gateway(ready=False)
    stop = queue.stop_of("MOVED")
    assert queue.told(stop["command"], "--dry-run")[0]["outcome"] == "would be written"
    assert queue.position() == (0, "") and text
    assert queue.told(stop["command"])[0]["offset"] == at
    assert queue.committed() == at
    queue.wait_running()
    assert queue.told(stop["command"])[0]["outcome"] == "nothing to do"

    queue.stop_gateway()
    queue.admin.delete_consumer_groups([QUEUE])[QUEUE].result()
    queue.world.start_gateway(ready=False)
    queue.stop_of("OFFSETS-LOST")
    lines = queue.told("lienthong targets position portal", check=1)  # partitions that never saw a commit have nothing to be written back
    assert {line["outcome"] for line in lines if line["partition"] == queue.partition} == {"written"}, lines
    wait_for("the position to be back", lambda: queue.committed() == at)
    queue.world.topics()  # the partitions that never held a record begin anew
    queue.wait_running()
    assert len(queue.audited("targets-position")) == 2
    accept(queue.world, queue.dossier.progressed())
    wait_rows(queue.world, queue.dossier, (1, 0, 2), 60)
    assert not parked(queue.world) and queue.world.target("portal")["ledger"]["repeats"] == 0


def test_a_position_that_went_back_is_written_forward_only_while_nobody_can_go_on_from_it(queue):
    """What Kafka may tell of after a broker's crash: a true position, but not the last one."""
    world, (older, text) = queue.world, queue.position()
    accept(world, queue.dossier.progressed())
    wait_rows(world, queue.dossier, (1, 0, 2))
    wait_for("the position to be behind it", lambda: queue.committed() > older and queue.settled())
    queue.stop_gateway()
    last = queue.committed()
    put_back(queue, older, text)
    world.start_gateway(ready=False)
    command = queue.stop_of("OFFSETS-LOST")["command"]
    refused = queue.told(command, check=1)
    assert refused[0]["outcome"] == "refused" and "Stop the gateways" in refused[0]["text"], refused
    queue.stop_gateway()

    limit_audit(queue, "200")
    assert queue.told(command, check=69) == []  # nothing is said to be written that is not
    assert queue.committed() == older
    limit_audit(queue, "1000000")
    assert queue.told(command, "--dry-run")[0]["outcome"] == "would be written"
    assert [(line["outcome"], line["offset"]) for line in queue.told(command)] == [("written", last)]
    world.start_gateway(ready=False)
    world.wait_ready()  # ingest too
    assert rows(world, queue.dossier) == (1, 0, 2) and world.target("portal")["ledger"]["repeats"] == 0
    accept(world, queue.dossier.progressed())
    wait_rows(world, queue.dossier, (1, 0, 3))


def test_what_retention_took_or_a_topic_that_was_made_again_is_gone_on_from_when_it_is_accepted(queue):
    world = queue.world
    queue.stop_gateway()
    at = queue.committed()
    copy(queue, first_of(queue), 3)
    end = next(iter(queue.admin.delete_records([TopicPartition(QUEUE, queue.partition, -1)]).values())).result().low_watermark
    assert end >= at + 3
    world.start_gateway(ready=False)
    stop = queue.stop_of("UNDELIVERED-DELETED")
    assert stop["command"] == f"lienthong targets accept-loss portal --partition {queue.partition} --from {at} --to {end}"
    refused = queue.told(stop["command"].replace(f"--to {end}", f"--to {end - 1}"), check=1)
    assert f"the queue begins at {end}" in refused[0]["text"]
    assert queue.told(stop["command"])[0]["offset"] == end
    queue.wait_running()
    accept(world, queue.dossier.progressed())
    wait_rows(world, queue.dossier, (1, 0, 2))
    wait_for("the position to be behind it", queue.settled)
    assert f"at most {end - at} (markers" in queue.audited("targets-accept-loss")[0]["detail"]

    queue.stop_gateway()
    at, text = queue.position()
    make_again(queue)
    put_back(queue, at, text)
    world.start_gateway(ready=False)
    stop = queue.stop_of("QUEUE-CHANGED")
    assert queue.told(stop["command"], "--dry-run")[0]["outcome"] == "would be written"
    assert queue.told(stop["command"])[0]["offset"] == 0
    wait_for("the partition to run", lambda: not [p for p in world.target("portal")["partitions"] if p["partition"] == queue.partition and p.get("stop")], 60)
    assert len(queue.audited("targets-accept-queue")) == 1
    assert rows(world, queue.dossier) == (1, 0, 2)


def test_a_queue_that_was_made_again_and_grew_beyond_its_position_is_delivered_from_its_begin(queue):
    """Kafka deletes the offsets with the topic: what the ledger knows is where the former one stood."""
    world, first = queue.world, first_of(queue)
    queue.stop_gateway()
    at = queue.committed()
    make_again(queue)
    copy(queue, first, at + 2, later_s=1800)  # as much later as clocks cannot differ
    world.start_gateway(ready=False)
    refused = queue.told(queue.stop_of("OFFSETS-LOST")["command"], check=1)[0]
    assert refused["outcome"] == "refused" and "it was made again" in refused["text"], refused
    command = refused["text"].partition("go on at its begin: ")[2]
    assert command == f"lienthong targets accept-queue portal --partition {queue.partition} --from {at} --to 0"
    assert queue.told(command)[0]["offset"] == 0
    wait_for("all of the new queue to be delivered", lambda: queue.committed() == at + 2)


def first_of(queue):
    return next(r for r in queue.world.read(QUEUE) if r[0] == queue.partition)


def copy(queue, record, times, later_s=0):
    producer = Producer({"bootstrap.servers": queue.world.bootstrap})
    for _ in range(times):
        producer.produce(QUEUE, partition=queue.partition, key=record[2], value=record[4], timestamp=int((time.time() + later_s) * 1000),
                         headers={k: v.encode() for k, v in record[3].items()})
    assert producer.flush(30) == 0


def make_again(queue):
    shape = queue.admin.list_topics(QUEUE, timeout=10).topics[QUEUE].partitions
    for future in queue.admin.delete_topics([QUEUE]).values():
        future.result()
    wait_for("the topic to be gone", lambda: QUEUE not in queue.admin.list_topics(timeout=10).topics, 30)
    for future in queue.admin.create_topics([NewTopic(QUEUE, len(shape), 1)]).values():
        future.result()


def put_back(queue, offset, text):
    """Deleting a topic deletes its offsets; a cluster that only lost records still has them."""
    c = Consumer({"bootstrap.servers": queue.world.bootstrap, "group.id": QUEUE, "enable.auto.commit": False})
    try:
        c.commit(offsets=[TopicPartition(QUEUE, queue.partition, offset, metadata=text)], asynchronous=False)
    finally:
        c.close()


def limit_audit(queue, size):
    """An audit record that Kafka does not take fails the transaction at its end; the markers of transactions still fit."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, "lt.audit", incremental_configs=[
        ConfigEntry("max.message.bytes", size, incremental_operation=AlterConfigOpType.SET)])
    for future in queue.admin.incremental_alter_configs([resource]).values():
        future.result()
