"""Stops and alarms that need a Kafka whose positions, topics, settings or rights somebody changed: reached, explained, led out of, nothing doubled."""

import json

import pytest
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, NewTopic, ResourcePatternType, ResourceType)

from tests.e2e.intake import NO_ROUTE, Core, judged_core
from tests.e2e.world import LIENTHONG, fresh_world, run
from tools.lt.stack import Kafka, free_ports, wait_for

SUM = 7  # field of the position in the offset's metadata


@pytest.fixture
def judged(world):
    return judged_core(world)


def test_an_index_that_differs_is_gone_on_with_once_it_was_accepted(judged):
    core = judged
    offset, metadata = core.position()
    fields = metadata.split(" ")
    right, fields[SUM] = fields[SUM], "0123456789abcdef"
    core.doctor(offset, " ".join(fields))
    core.append_range(5, 12)
    core.append_range(102, 105, partition=1)
    core.start(ready=False)
    stop = core.stop_of("INDEX-DIFFERS")
    core.wait_judged(1)
    assert stop["command"] == f"lienthong core accept-index --partition 0 --offset 10 --sum {right}"
    refused = core.command("accept-index", "--partition", "0", "--offset", "9", "--sum", right, check=1)["partitions"][0]
    assert "the committed offset is 10" in refused["text"]
    core.told(stop["command"])
    core.wait_judged(0)
    core.must_be_exactly_once()
    assert core.audited("core-accept-index")[0]["partition"] == 0
    assert core.command("verify")["partitions"][0]["records"] == 17
    core.stop()
    core.append(11)
    core.start()
    core.wait_judged(0)
    core.must_be_exactly_once()


def test_a_truncated_log_goes_on_once_its_index_was_accepted_and_knows_what_it_still_holds(judged):
    core = judged
    core.delete_before(5)  # HS-0 to HS-4 are gone, inside the window
    for folder in (core.world.folder / "state").glob("core"):
        folder.rename(folder.with_name("core-lost"))  # with local files nothing would be unknown
    core.append(6)
    core.append(20)
    core.append_range(102, 105, partition=1)
    core.start(ready=False)
    stop = core.stop_of("TRUNCATED")
    core.wait_judged(1)
    assert "starts at offset 5 of " in stop["text"] and stop["command"].startswith("lienthong core accept-index --partition 0 --offset 10 --sum ")
    core.told(stop["command"])
    core.wait_judged(0)
    report = core.command("status", "--partition", "0")["partitions"][0]
    assert (report["new"], report["duplicate"], report["adds_up"]) == (8 + 1, 1 + 1, True)
    core.append(1)  # from the lost time: new, as the stop said
    core.wait_judged(0)
    assert core.command("status", "--partition", "0")["partitions"][0]["new"] == 10
    core.stop()
    core.append(20)
    core.start()
    core.wait_judged(0)
    assert core.command("status", "--partition", "0")["partitions"][0]["duplicate"] == 3


def test_metadata_longer_than_ours_is_another_tools(judged):
    core = judged
    core.doctor(2, "x" * 900)
    core.append_range(5, 12)
    core.start(ready=False)
    stop = core.stop_of("MOVED")
    core.told(stop["command"])
    core.wait_judged(0)
    core.must_be_exactly_once()


def test_an_intake_with_fewer_partitions_than_its_positions_stops_and_is_not_repaired_in_place(judged):
    core = judged
    offset, metadata = core.position()
    for future in core.admin.delete_topics(["lt.intake"]).values():
        future.result()
    wait_for("the topic to be gone", lambda: "lt.intake" not in core.admin.list_topics(timeout=10).topics, 30)
    for future in core.admin.create_topics([NewTopic("lt.intake", 1, 1, config={"message.timestamp.type": "LogAppendTime"})]).values():
        future.result()
    wait_for("the new topic", lambda: len(core.admin.list_topics("lt.intake", timeout=10).topics["lt.intake"].partitions) == 1, 30)
    core.forget()
    core.producer = core.another_producer()
    core.append_range(0, 12)
    refused = core.command("position", "--partition", "0", check=1)["partitions"][0]
    assert (refused["outcome"], "2 partitions, there are 1 now" in refused["text"]) == ("refused", True), refused
    core.doctor(offset, metadata)
    core.start(ready=False)
    stop = core.stop_of("INTAKE-CHANGED")
    assert "has 1 partitions, the position was written for 2" in stop["text"] and stop["command"] == ""
    assert "Another partition count cannot be repaired" in stop["advice"]
    assert core.command("status", check=1)["partitions"][0]["stop"]["reason"] == "INTAKE-CHANGED"
    assert core.committed() == offset


def test_an_index_that_is_full_stops_its_partition_and_goes_on_with_more_memory(world):
    world.edit("gateway.yaml", "index_memory: 1GiB", "index_memory: 1MiB")
    core = Core(world)
    world.topics()
    core.start()
    core.append_many(40000)
    core.append_range(50, 60, partition=1)
    stop = core.stop_of("INDEX-FULL")
    core.wait_judged(1)
    assert stop["command"] == "" and "core.index_memory" in stop["advice"]
    assert core.committed() < 40000
    core.stop()
    world.edit("gateway.yaml", "index_memory: 1MiB", "index_memory: 64MiB")
    core.start()
    core.wait_judged(0)
    core.must_be_exactly_once()
    assert core.command("status", "--partition", "0")["partitions"][0]["new"] == 40000


def test_records_with_the_senders_time_are_judged_and_said(judged):
    core = judged
    core.start()
    before = core.command("status", "--partition", "0")["partitions"][0]["clock_ms"]
    core.setting("lt.intake", "message.timestamp.type", "CreateTime")
    core.append(20)
    core.append(6)
    found = core.alarm_of("NO-APPEND-TIME")
    assert "LogAppendTime" in found["advice"] and found["command"] == "lienthong topics"
    core.wait_judged(0)
    assert core.command("status", "--partition", "0", check=1)["partitions"][0]["clock_ms"] == before
    assert "message.timestamp.type" in run(LIENTHONG, "topics", "--config", core.world.config, check=1).stdout
    core.setting("lt.intake", "message.timestamp.type", "LogAppendTime")
    core.append(21)
    wait_for("the alarm to end", lambda: "alarm" not in core.partitions()[0])
    core.wait_judged(0)
    core.must_be_exactly_once()


@pytest.fixture
def guarded(tmp_path, pki):
    """The core alone on a Kafka of its own that asks an authorizer."""
    (port,) = free_ports(1)
    with Kafka(tmp_path / "kafka", port, LT_KAFKA_HEAP="256m", LT_KAFKA_MORE="authorizer.class.name=org.apache.kafka.metadata.authorizer."
               "StandardAuthorizer;allow.everyone.if.no.acl.found=true") as kafka, fresh_world(tmp_path, pki, kafka.bootstrap) as world:
        core = Core(world)
        world.topics()
        yield core


def test_a_refused_write_is_retried_alarmed_after_a_minute_and_never_a_dead_letter(guarded):
    core = guarded
    core.start()
    core.append_range(0, 5)
    core.wait_judged(0)
    topic = next(t for t in core.outputs() if t not in NO_ROUTE and core.world.count(t))

    def rule(operation, permission):
        return AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", operation, permission)
    rules = [rule(AclOperation.ALL, AclPermissionType.ALLOW), rule(AclOperation.WRITE, AclPermissionType.DENY)]
    for future in core.admin.create_acls(rules).values():
        future.result()
    core.append_range(3, 9)

    def worker():
        return core.world.status()["core"]["workers"][0]
    wait_for("the refusal to be told", lambda: worker()["trouble"].startswith("RETRYING"))
    assert "authoriz" in worker()["trouble"].lower(), worker()
    assert "alarm" not in worker(), "not in the first minute"
    alarm = wait_for("the alarm", lambda: worker().get("alarm"), 120, every=0.5)
    assert alarm["reason"] == "RETRYING"
    line = wait_for("the line of the log", lambda: [x for x in core.world.gateway.log.read_text().splitlines() if "not been able to commit for a minute" in x], 30)
    assert len(line) == 1 and "authoriz" in line[0].lower()
    core.must_be_explained(alarm)
    assert "authoriz" in alarm["text"].lower() and alarm["command"] == "lienthong topics"
    assert core.committed() == 5 and core.world.count("lt.deadletter") == 0
    everything = AclBindingFilter(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, None, None, AclOperation.ANY, AclPermissionType.ANY)
    for future in core.admin.delete_acls([everything]).values():
        future.result()
    core.wait_judged(0)
    wait_for("the trouble to be over", lambda: worker()["trouble"] == "")
    core.must_be_exactly_once()
    assert json.dumps(core.world.status()).count("undeliverable") and core.command("status", "--partition", "0")["partitions"][0]["undeliverable"] == 0
