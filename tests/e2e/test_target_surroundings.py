"""What happens around a target that delivers, while it delivers: a right is taken away, a retention is made short, the clock steps. Nothing is
lost, doubled or turned round, and what people must do is named."""

import json
import pathlib
import struct

import pytest
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   ResourcePatternType, ResourceType)

from tests.e2e.load import Dossier, accept, hurry
from tests.e2e.test_delivery import operate, parked, steps, wait_rows
from tests.e2e.world import LIENTHONG, fresh_world, run
from tools.lt.stack import Kafka, free_ports, get, wait_for

QUEUE, LEDGER = "lt.portal", "lt.ledger.portal"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A Kafka of its own that asks an authorizer, and looks for what is too old every second."""
    (port,) = free_ports(1)
    with Kafka(tmp_path_factory.mktemp("guarded") / "kafka", port, LT_KAFKA_HEAP="256m", LT_KAFKA_MORE="authorizer.class.name="
               "org.apache.kafka.metadata.authorizer.StandardAuthorizer;allow.everyone.if.no.acl.found=true;"
               "log.retention.check.interval.ms=1000;log.initial.task.delay.ms=1000") as kafka:
        yield kafka


@pytest.fixture
def world(tmp_path, pki, guarded):
    with fresh_world(tmp_path, pki, guarded.bootstrap) as w:
        hurry(w)
        yield w


@pytest.fixture
def admin(guarded):
    return AdminClient({"bootstrap.servers": guarded.bootstrap})


class Denied:
    """While it lasts nobody may do this to the topic."""

    def __init__(self, admin, topic, operation):
        self.admin, self.topic = admin, topic

        def rule(what, permission):
            return AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", what, permission)
        self.rules = [rule(AclOperation.ALL, AclPermissionType.ALLOW), rule(operation, AclPermissionType.DENY)]

    def __enter__(self):
        for future in self.admin.create_acls(self.rules).values():
            future.result()

    def __exit__(self, *_):
        everything = AclBindingFilter(ResourceType.TOPIC, self.topic, ResourcePatternType.LITERAL, None, None, AclOperation.ANY, AclPermissionType.ANY)
        for future in self.admin.delete_acls([everything]).values():
            future.result()


def delivered_one(world):
    world.start()
    d = Dossier(1)
    accept(world, d.received())
    wait_rows(world, d, (1, 0, 1))
    assert world.status()["hanging"] == []  # where `lienthong status` looks for it
    return d


def in_order(world, d, n):
    wait_rows(world, d, (1, 0, n), 60)
    assert steps(world, d) == [f"Bước {i + 1} của hồ sơ" for i in range(n)]
    portal = world.target("portal")
    assert portal["ledger"]["repeats"] == 0 and not parked(world), portal


def test_a_queue_that_may_not_be_read_any_more_is_told_and_goes_on_where_it_was(world, admin):
    d = delivered_one(world)
    with Denied(admin, QUEUE, AclOperation.READ):
        def stop():
            stops = [s for s in world.stops("portal") if s["reason"] == "FETCH-FAILED"]
            return stops[0] if stops else None
        told = wait_for("the stop", stop, 60, every=0.2)
        assert "authoriz" in told["text"].lower() and told["advice"], told
        assert get(f"{world.admin}/ready")[0] == 503
        assert "FETCH-FAILED" in run(LIENTHONG, "status", "--config", world.config, check=1).stdout
        accept(world, d.progressed())  # not before: what is fetched already needs no right
    in_order(world, d, 2)


def test_outcomes_that_may_not_be_written_are_retried_and_told_and_nothing_is_sent_twice(world, admin):
    d = delivered_one(world)
    with Denied(admin, LEDGER, AclOperation.WRITE):
        accept(world, d.progressed())
        accept(world, d.progressed())
        wait_for("the refusal to be told", lambda: "authoriz" in world.target("portal").get("transaction", "").lower(), 60)
        assert not world.stops("portal")
        assert steps(world, d) == ["Bước 1 của hồ sơ"], "nothing leaves without its intent"
    in_order(world, d, 3)
    assert world.count("lt.deadletter") == 0


def test_a_retention_that_is_too_short_takes_nothing_from_a_running_target(world, admin):
    """What waits for a paused target was taken from the queue before it was deleted there."""
    d = delivered_one(world)
    operate(world, "targets", "pause", "portal")
    wait_for("the pause", lambda: world.target("portal").get("reason") == "operator")
    accept(world, d.progressed())
    accept(world, d.progressed())
    wait_for("both to be held", lambda: sum(p["held"] for p in world.target("portal")["partitions"]) == 2, 30)
    resource = ConfigResource(ConfigResource.Type.TOPIC, QUEUE, incremental_configs=[
        ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result()
    wait_for("the queue to be empty", lambda: not world.read(QUEUE), 60, every=0.5)
    wait_for("the alarm", lambda: any(t["topic"] == QUEUE and t["reason"] == "TOPIC-SETTINGS" for t in world.status()["topics"]), 60)
    operate(world, "targets", "resume", "portal")
    in_order(world, d, 3)
    assert all(p["state"] == "running" for p in world.target("portal")["partitions"])


@pytest.fixture
def step(world):
    """Sets the gateway's wall clock so many seconds ahead of ours, while it runs."""
    library, clock = world.folder / "stepped_clock.so", world.folder / "clock"
    run("cc", "-shared", "-fPIC", "-O2", "-o", library, pathlib.Path(__file__).with_name("stepped_clock.c"), "-ldl", check=0)
    clock.write_bytes(struct.pack("=q", 0))
    world.gateway.env = {"LD_PRELOAD": str(library), "LT_TEST_CLOCK": str(clock)}

    def ahead(seconds):
        with open(clock, "r+b") as file:  # in place: it is mapped
            file.write(struct.pack("=q", seconds))
    return ahead


def test_a_clock_that_steps_on_and_back_repeats_nothing_and_one_that_no_broker_believes_is_told(world, step):
    d = delivered_one(world)
    n = 1
    for seconds in (3000, 600, 7200):  # never back before the certificates begin
        world.fault("portal", kind="delay", count=1, ms=1500)  # a call is out while the clock steps
        accept(world, d.progressed())
        wait_for("the call to be out", lambda: world.target("portal")["calls_in_flight"] > 0, 30, every=0.02)
        step(seconds)
        accept(world, d.progressed())
        if seconds > 3600:  # Kafka takes no record that is more than an hour ahead of its brokers
            wait_for("it to be told", lambda: "Invalid timestamp" in world.target("portal").get("transaction", ""), 60)
            step(600)
        n += 2
        in_order(world, d, n)
    times = [json.loads(value)["time"] for _, _, _, _, value in world.read("lt.history.portal")]
    assert times != sorted(times), "it did live by that clock"
