"""One, two and three processes share the partitions with no setting but the instance name; what a process keeps, it does not load again."""

import json
import signal

import pytest
from confluent_kafka.admin import AdminClient

from tests.e2e.events import XML, new_code, xml, xml_item
from tools.lt.stack import get, wait_for

PARTITIONS = 6


class Process:
    """A gateway process with the role core, and what it says of itself."""

    def __init__(self, process, admin):
        self.process, self.admin = process, admin

    def partitions(self):
        """{partition: epoch} of those it runs; empty while it does not answer."""
        if not self.process.alive():
            return {}
        try:
            core = json.loads(get(f"{self.admin}/status")[1])["core"]
        except OSError:
            return {}
        return {p["partition"]: p["epoch"] for p in core["partitions"] if p["state"] == "running"}

    def verdicts(self):
        return json.loads(get(f"{self.admin}/status")[1])["core"]["verdicts"]


@pytest.fixture
def scaled(world):
    world.topics()
    world.gateway = world.gateway_with("--roles", "ingest,core")
    world.start_gateway()
    others = [world.twin(f"gateway-{n}", "--roles", "core") for n in (2, 3)]
    return world, [Process(world.gateway, world.admin), *(Process(o, o.admin) for o in others)]


def shared(processes, counts):
    """Every partition is run by exactly one process, and each process has as many as it should."""
    owned = [p.partitions() for p in processes]
    return [len(o) for o in owned] == counts and sorted(n for o in owned for n in o) == list(range(PARTITIONS)) and owned


def members(world, group="lt.core"):
    """Instance names of the group's members, as Kafka knows them now."""
    admin = AdminClient({"bootstrap.servers": world.bootstrap})  # kept until the answer is here: without it none comes
    described = admin.describe_consumer_groups([group], request_timeout=10)[group].result(30)
    return sorted(m.group_instance_id for m in described.members)


def send(world, events):
    for event in events:
        status, answer = world.post("h22", event, XML)
        assert status == 202, answer


def test_processes_share_the_partitions_and_keep_what_they_keep(scaled):
    world, processes = scaled
    one, two, three = processes
    events = [xml(xml_item(new_code())) for _ in range(40)]
    alone = wait_for("the first to run all partitions", lambda: shared(processes, [6, 0, 0]), 60)[0]
    send(world, events)

    two.process.start()
    pair = wait_for("two to share the partitions", lambda: two.process.must_live() and shared(processes, [3, 3, 0]), 60)
    assert pair[0].items() <= alone.items(), "a partition that the first kept was loaded again"
    send(world, events + [xml(xml_item(new_code())) for _ in range(20)])

    three.process.start()
    trio = wait_for("three to share the partitions", lambda: three.process.must_live() and shared(processes, [2, 2, 2]), 60)
    assert trio[0].items() <= pair[0].items() and trio[1].items() <= pair[1].items(), "a partition that was kept was loaded again"
    send(world, events)

    three.process.kill()
    left = wait_for("the partitions of the killed one to be taken over", lambda: shared(processes, [3, 3, 0]), 60)
    assert trio[0].items() <= left[0].items() and trio[1].items() <= left[1].items(), "a partition that was kept was loaded again"
    send(world, events)

    def judged():
        return {v: one.verdicts()[v] + two.verdicts()[v] for v in ("new", "duplicate")}
    wait_for("every event to be judged", lambda: judged() == {"new": 60, "duplicate": 120}, 60)
    routed = [headers["ce_id"] for _, _, _, headers, _ in world.read("lt.population")]
    accepted = {headers["ce_id"] for _, _, _, headers, _ in world.read("lt.intake")}
    assert len(routed) == 60 and set(routed) == accepted, "every event went out exactly once, whoever had its partition"


def test_who_is_stopped_leaves_its_group_and_who_is_to_come_back_stays_in_it(scaled):
    world, processes = scaled
    two = processes[1].process
    for number, others in ((signal.SIGUSR1, ["lt.core.gateway-1.0", "lt.core.gateway-2.0"]), (signal.SIGTERM, ["lt.core.gateway-1.0"])):
        two.start()
        wait_for("two to share the partitions", lambda: two.must_live() and shared(processes, [3, 3, 0]), 60)
        two.kill(number)
        assert two.popen.wait(60) == 0, two.tail()
        assert members(world) == others  # no time passes for its session to end
    wait_for("the other to run all partitions", lambda: shared(processes, [6, 0, 0]), 60)
