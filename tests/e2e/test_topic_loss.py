"""A topic that goes away under a running gateway is named within seconds, with what is safe and what to run; nothing is lost or skipped in silence."""

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.e2e.intake import INTAKE, NO_ROUTE, Core
from tests.e2e.load import Dossier, accept, hurry
from tests.e2e.test_delivery import operate, rows, wait_rows
from tests.e2e.test_target_stops import QUEUE, Queue
from tests.e2e.world import LIENTHONG, committed, run
from tools.lt.stack import get, wait_for

NAMED_S = 60  # docs/operations.md: within 15 s, settings within 45 s, on a machine that is not busy with something else


def delete(admin, *topics):
    for future in admin.delete_topics(list(topics)).values():
        future.result()
    wait_for("the topics to be gone", lambda: not set(topics) & set(admin.list_topics(timeout=10).topics), 30)


def must_be_named(world, topic, reason="TOPIC-MISSING", ready=False):
    """status, `lienthong status`, /ready and the log say which topic, what is safe and what to run."""
    def named():
        found = [t for t in world.status()["topics"] if t["topic"] == topic and t["reason"] == reason]
        return found[0] if found else None
    alarm = wait_for(f"{topic} to be named", named, NAMED_S)
    assert alarm["text"] and alarm["safe"] and alarm["advice"], alarm
    text = run(LIENTHONG, "status", "--config", world.config, check=1).stdout
    missing = [alarm[part] for part in ("topic", "reason", "safe", "advice", "command") if alarm[part] not in text]
    assert not missing, f"lienthong status does not say {missing}:\n{text}"
    code, body = get(f"{world.admin}/ready")
    assert ready is None or code == (200 if ready else 503), body
    assert ready is not False or topic in body.decode(), body
    lines = [x for x in world.gateway.log.read_text().splitlines() if "topic-missing" in x and topic in x] if reason == "TOPIC-MISSING" else ["-"]
    assert lines, "the log does not name it"
    return alarm


def made_again(world, topic):
    run(LIENTHONG, "topics", "create", "--config", world.config, check=0)
    wait_for(f"{topic} to be named no more", lambda: topic not in [t["topic"] for t in world.status()["topics"]], NAMED_S)


@pytest.fixture
def core(world):
    c = Core(world)
    world.topics()
    c.start()
    c.append_range(0, 5)
    c.append(3, content="another")
    c.append_range(100, 103, partition=1)
    c.wait_judged(0)
    c.wait_judged(1)
    return c


@pytest.mark.parametrize("which", ["routed", "lt.position", "lt.quarantine"])
def test_an_output_that_goes_away_under_a_running_core_is_named_and_goes_on_when_it_is_made_again(core, which):
    world = core.world
    topic = which if which != "routed" else next(t for t in core.outputs() if t not in NO_ROUTE and world.count(t))
    before = core.ends(0)[1]
    delete(core.admin, topic)
    core.append_range(5, 9)
    core.append(2, content="another")
    core.append(2)
    alarm = must_be_named(world, topic)
    assert alarm["command"] == "lienthong topics create"
    undecided = before + (4 if which == "lt.quarantine" else 0)  # a batch without a conflict needs no quarantine
    assert before <= core.committed(0) <= undecided, "nothing is decided meanwhile that needs it"
    made_again(world, topic)
    core.wait_judged(0)
    copies = core.copies()
    later = {o for o, v in core.verdicts().items() if o[0] == 0 and o[1] >= before and v == "new"}
    found = {t: {o for o in c if o[0] == 0 and o[1] >= before} for t, c in copies.items() if t not in NO_ROUTE}
    assert set().union(*found.values()) == later
    assert {o for o in copies["lt.quarantine"] if o[1] >= before} == {(0, before + 4)}
    assert all(n == 1 for c in copies.values() for n in c.values())
    world.wait_ready()
    core.stop()
    core.append_range(7, 12)
    core.start()
    core.wait_judged(0)
    assert all(n == 1 for c in core.copies().values() for n in c.values())


def test_an_intake_that_is_deleted_and_made_again_is_named_and_not_begun_anew(core):
    world = core.world
    delete(core.admin, INTAKE)
    assert "nothing more is accepted" in must_be_named(world, INTAKE)["safe"]
    refused = run(LIENTHONG, "topics", "create", "--config", world.config, check=1)
    assert "lt.intake" in refused.stderr and "made again" in refused.stderr and "lienthong core position" in refused.stderr, refused.stderr
    stop = core.stop_of("OFFSETS-LOST", seconds=120)
    assert "made again" in stop["text"] and stop["command"] == "lienthong core position --partition 0"
    assert core.committed(0) < 0, "not begun anew"


def test_a_queue_that_is_deleted_under_a_running_delivery_is_named_and_gone_on_from_when_it_is_accepted(world):
    queue = Queue(world)
    delete(queue.admin, QUEUE)
    must_be_named(world, QUEUE)
    refused = run(LIENTHONG, "topics", "create", "--config", world.config, check=1)
    assert "the queue was made again" in refused.stderr and "lienthong targets position portal" in refused.stderr, refused.stderr
    stop = queue.stop_of("OFFSETS-LOST", 120)
    queue.told(stop["command"])
    stop = queue.stop_of("QUEUE-CHANGED", 120)
    assert queue.told(stop["command"])[0]["offset"] == 0
    world.topics()  # the other partitions never delivered anything
    queue.wait_running(120)
    world.wait_ready()
    accept(world, queue.dossier.progressed())
    wait_rows(world, queue.dossier, (1, 0, 2), 60)


def test_a_queue_that_was_made_again_is_not_begun_anew_when_its_ledger_cannot_be_read(world):
    """What the ledger says after somebody else's record is not known: that it says nothing is not either."""
    hurry(world)
    world.start()
    admin, ledger = AdminClient({"bootstrap.servers": world.bootstrap}), f"lt.ledger.{QUEUE.removeprefix('lt.')}"
    producer = Producer({"bootstrap.servers": world.bootstrap})
    partitions = range(len(admin.list_topics(ledger, timeout=10).topics[ledger].partitions))
    for p in partitions:
        producer.produce(ledger, partition=p, key="not ours", value=b"either")
    assert producer.flush(30) == 0
    dossier = Dossier(1)
    accept(world, dossier.received())
    wait_rows(world, dossier, (1, 0, 1))
    wait_for("the position to be behind it", lambda: any(p["offset"] > 0 for p in world.target("portal")["partitions"]))
    assert world.gateway.stop() == 0
    delete(admin, QUEUE)
    refused = run(LIENTHONG, "topics", "create", "--config", world.config, check=1)
    assert ledger in refused.stderr and "not a key of a ledger" in refused.stderr, refused.stderr
    assert all(committed(world.bootstrap, QUEUE, QUEUE, p) < 0 for p in partitions), "not begun anew"


def test_a_ledger_that_goes_away_stops_its_target_and_goes_on_when_it_is_made_again_if_nothing_was_open(world):
    queue = Queue(world)
    delete(queue.admin, "lt.ledger.portal")
    accept(world, queue.dossier.progressed())
    assert "nothing is sent" in must_be_named(world, "lt.ledger.portal")["safe"]
    stop = wait_for("the target to stop", lambda: world.stops("portal"), 60)[0]
    assert stop["reason"] == "LEDGER-MISSING" and stop["command"] == "lienthong topics create" and "lt.ledger.portal" in stop["text"]
    assert rows(world, queue.dossier) == (1, 0, 1)
    made_again(world, "lt.ledger.portal")
    wait_rows(world, queue.dossier, (1, 0, 2), 120)
    queue.wait_running(120)


def test_partitions_that_are_added_to_intake_are_an_alarm_and_every_dossier_keeps_its_own(core):
    world = core.world
    for future in core.admin.create_partitions([NewPartitions(INTAKE, 3)]).values():
        future.result()
    alarm = must_be_named(world, INTAKE, "TOPIC-DIVIDED", ready=None)
    assert "Restart nothing" in alarm["advice"]
    core.append_range(5, 9)
    core.append_range(103, 106, partition=1)
    core.wait_judged(0)
    core.wait_judged(1)
    core.must_be_exactly_once()
    refused = run(LIENTHONG, "topics", "create", "--config", world.config, check=1)
    assert "written for 2" in refused.stderr, refused.stderr


def test_settings_that_endanger_records_are_an_alarm_until_they_are_set_right(core):
    world = core.world
    topic = next(t for t in core.outputs() if t not in NO_ROUTE and world.count(t))
    core.setting(topic, "max.message.bytes", 2000)
    core.setting(topic, "retention.ms", 3600000)
    alarm = must_be_named(world, topic, "TOPIC-SETTINGS", ready=True)
    assert "max.message.bytes is 2000" in alarm["text"] and "retention.ms is 3600000" in alarm["text"]
    for change in alarm["command"].rpartition(" ")[2].split(","):
        core.setting(topic, *change.split("="))
    wait_for("the alarm to be over", lambda: not world.status()["topics"], NAMED_S)


def test_partitions_that_are_added_to_a_queue_stop_only_a_new_process_and_there_is_a_way_from_there(world):
    """docs/operations.md, LEDGER-DIVIDED."""
    world.edit("gateway.yaml", "kafka:\n", "kafka:\n  topic.metadata.refresh.interval.ms: 1000\n")
    queue = Queue(world)
    count = len(queue.admin.list_topics(QUEUE, timeout=10).topics[QUEUE].partitions) + 1

    def grow(*topics):
        for future in queue.admin.create_partitions([NewPartitions(topic, count) for topic in topics]).values():
            future.result()

    def divided(partitions):
        found = {p["partition"]: p["stop"] for p in world.target("portal")["partitions"] if p.get("stop")}
        return set(found) == set(partitions) and {s["reason"] for s in found.values()} == {"LEDGER-DIVIDED"} and found

    grow(QUEUE)
    assert "Restart nothing" in must_be_named(world, QUEUE, "TOPIC-DIVIDED", ready=None)["advice"]
    stop = wait_for("the added one to stop", lambda: divided([count - 1]), 60)[count - 1]
    assert "was added" in stop["text"] and stop["safe"] and "restart nothing" in stop["advice"], stop
    accept(world, queue.dossier.progressed())
    wait_rows(world, queue.dossier, (1, 0, 2))

    operate(world, "targets", "pause", "portal")
    wait_for("the pause", lambda: world.target("portal").get("reason") == "operator")
    accept(world, queue.dossier.progressed())
    wait_for("it to wait", lambda: sum(p["held"] for p in world.target("portal")["partitions"]) == 1)
    queue.stop_gateway()
    world.start_gateway(ready=False)
    stop = wait_for("all to stop", lambda: divided(range(count)), 60)[0]
    assert f"{QUEUE} has {count} partitions, lt.ledger.portal has {count - 1}" in stop["text"], stop

    queue.stop_gateway()
    grow("lt.ledger.portal", "lt.control.portal", "lt.history.portal")
    told = run(LIENTHONG, "topics", "create", "--config", world.config, check=1)
    assert "first position of 1 partitions" in told.stdout, told
    world.gateway = world.gateway_with("--roles", "delivery")
    world.start_gateway()
    operate(world, "targets", "resume", "portal")
    wait_rows(world, queue.dossier, (1, 0, 3))
