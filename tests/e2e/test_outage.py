"""Kafka away, processes killed, roles on several processes: what was acknowledged is kept, and nothing is done twice."""

import json
import os
import re
import shutil
import signal

import pytest
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from tests.e2e.load import Dossier, Load, accept, hurry, must_be_exactly_once, place, post
from tests.e2e.world import LIENTHONG, World, empty_kafka
from tools.lt.stack import ROOT, Kafka, Process, free_ports, get, wait_for


@pytest.fixture
def kafka(bootstrap):
    """The broker itself; it runs again afterwards, whatever the test did."""
    node = Kafka(os.environ.get("LT_KAFKA_DIR") or ROOT / "var/test/kafka", bootstrap.rpartition(":")[2])
    yield node
    node.start()


def broker_pid(node):
    return int((ROOT / node.env["LT_KAFKA_DIR"] / "pid").read_text().split()[0])


@pytest.fixture
def loaded(tmp_path, pki, bootstrap):
    """A world, its topics and mocks, and a load whose citizens the population database knows. No gateway yet."""
    empty_kafka(bootstrap)
    load = Load(tmp_path / "load", 5, 40)
    world = World(tmp_path, pki, bootstrap, citizens=load.citizens)
    hurry(world)
    world.topics()
    world.start_mocks()
    yield world, load
    world.stop()


def judged(world):
    return sum(world.verdicts().values())


def partitions_of(world, target):
    return {p["partition"]: p for p in world.target(target)["partitions"]}


def must_be_the_truth(world, load):
    code, text = load.verify(world)
    assert code == 0, text


def test_without_kafka_everything_is_answered_503_and_taken_once_it_is_there(world, kafka):
    world.topics()
    world.start_mocks()
    kafka.stop()
    world.start_gateway(ready=False)
    h22 = world.client("h22")
    wait_for("the gateway to answer", lambda: h22.request(f"{world.url}/v1/events", body=b"{", media="application/json", method="POST")[0])
    d = Dossier(1)
    for body, media in ((b"{", "application/json"), (b"<x", "application/xml"), (b'{"systemCode": 1}', "application/json"), (b"", "text/plain")):
        status, headers, answer = h22.request(f"{world.url}/v1/events", body=body, media=media, method="POST")
        assert status == 503 and int(headers["Retry-After"]) > 0, (body, status, answer)
        assert json.loads(answer)["status"] == 503
    assert post(world, d.facts())[0] == 503
    assert get(f"{world.admin}/ready")[0] == 503 and get(f"{world.admin}/health")[0] == 200

    kafka.start()
    world.wait_ready()
    d = Dossier(1)
    receipt = accept(world, d.received())[0]
    assert world.verdict("h22", receipt) in ("new", "duplicate")
    assert world.post("h22", b"{", media="application/json")[0] == 400
    wait_for("the dossier at the portal", lambda: world.counters()["progress"] == 1)
    assert world.counters()["creates"] == 1


def test_kafka_frozen_and_restarted_under_load_loses_nothing_and_doubles_nothing(loaded, kafka):
    world, load = loaded
    world.edit("gateway.yaml", "ack_timeout: 15s", "ack_timeout: 1s")
    world.start_gateway()
    sender = load.send(world, "--rate", "60", wait=False)
    wait_for("events to be decided", lambda: judged(world) > 40)

    pid = broker_pid(kafka)
    os.kill(pid, signal.SIGSTOP)
    try:
        probe = Dossier(9999)
        status = wait_for("a 503 of the frozen log", lambda: post(world, probe.facts())[0] == 503)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert status
    before = judged(world)
    wait_for("events to be decided again", lambda: judged(world) > before + 20)

    kafka.stop()
    wait_for("a 503 of the stopped log", lambda: post(world, Dossier(9999).facts())[0] == 503)
    kafka.start()
    sent = load.sent(sender)
    assert sent["totals"]["resent"] > 0, "the outage was not felt by any request"
    receipt = accept(world, Dossier(9999).received())[0]
    world.wait_judged(len(world.read("lt.intake")))
    wait_for("the probe at the portal", lambda: world.operator.request(f"{world.portal_url}/oracle/dossiers/{Dossier(9999).code}")[0] == 200)
    wait_for("the portal to have every row", lambda: world.counters()["progress"] >= load.totals["portal_progress"] + 1)
    assert world.stops("portal") == [] and world.stops("population") == []
    must_be_exactly_once(world, load, extra=[receipt])
    assert world.counters()["creates"] == load.totals["portal_creates"] + 1


def shares(world, group):
    """How many partitions each member of a group has, when it is at rest."""
    told = AdminClient({"bootstrap.servers": world.bootstrap}).describe_consumer_groups([group])[group].result()
    return [len(m.assignment.topic_partitions) for m in told.members] if told.state == ConsumerGroupState.STABLE else []


def test_kafka_away_for_longer_than_the_sessions_is_come_back_to_by_the_same_process(world, kafka):
    """Static members rejoin under a new member id, which must not be taken for a twin (rule 16)."""
    world.start()
    wait_for("both workers to have their share", lambda: shares(world, "lt.core") == [3, 3])
    d = Dossier(1)
    accept(world, d.received())
    wait_for("the dossier at the portal", lambda: world.counters()["progress"] == 1)
    pid = broker_pid(kafka)
    os.kill(pid, signal.SIGSTOP)
    try:
        ended = re.compile(r"(lt\.(?:core|portal|population)).*SESSTMOUT")
        wait_for("the sessions to end", lambda: len(set(ended.findall(world.gateway.log.read_text()))) == 3, every=0.2)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for("the gateway to be ready again", lambda: world.gateway.must_live() and get(f"{world.admin}/ready")[0] == 200, 60)
    accept(world, d.progressed())
    wait_for("the next row", lambda: world.gateway.must_live() and world.counters()["progress"] == 2)
    assert world.counters()["creates"] == 1


class TestKilled:
    """kill -9 three times while a load comes in and goes out."""

    @pytest.fixture(scope="class")
    def killed(self, tmp_path_factory, pki, bootstrap):
        folder = tmp_path_factory.mktemp("killed")
        empty_kafka(bootstrap)
        load = Load(folder / "load", 6, 60)
        world = World(folder, pki, bootstrap, citizens=load.citizens)
        hurry(world)
        try:
            world.start()
            sender = load.send(world, "--rate", "80", wait=False)
            for part in (0.2, 0.45, 0.7):
                wait_for(f"{part:.0%} of the load", lambda: judged(world) >= load.totals["accepted"] * part)
                world.gateway.kill(signal.SIGKILL)
                wait_for("its end", lambda: not world.gateway.alive())
                world.start_gateway(ready=False)
                wait_for("its answers", lambda: get(f"{world.admin}/health")[0] == 200)
            load.sent(sender)
            world.wait_judged(len(world.read("lt.intake")))
            yield world, load
        finally:
            world.stop()

    def test_every_acknowledged_event_is_once_in_the_first_queue(self, killed):
        world, load = killed
        must_be_exactly_once(world, load, queues=("lt.population",))

    def test_every_event_is_passed_on_to_the_second_queue_once(self, killed):
        world, load = killed
        wait_for("the first queue to be done", lambda: all(p["offset"] == p["next"] and not p["held"] for p in partitions_of(world, "population").values()))
        must_be_exactly_once(world, load)

    def test_the_portal_has_every_dossier_once_and_its_rows_or_a_stop_that_names_the_dossier(self, killed):
        world, load = killed
        queue = {key: partition for partition, _, key, _, _ in world.read("lt.portal")}

        def at_rest():
            parts = partitions_of(world, "portal")
            return len(parts) == 6 and all(p["state"] == "stopped" or (p["state"] == "running" and not p["held"] and p["offset"] == p["next"])
                                           for p in parts.values())
        wait_for("the portal's queue to be done or stopped", lambda: world.counters()["progress"] and at_rest(), 60)
        stopped = {n: p["stop"] for n, p in partitions_of(world, "portal").items() if p.get("stop")}
        assert {s["reason"] for s in stopped.values()} <= {"UNKNOWN-PROGRESS"}
        named = {n: next(key for key in queue if f"dossier {key}" in s["text"]) for n, s in stopped.items()}
        there = {d["MaHoSo"]: d for d in world.operator.json(f"{world.portal_url}/oracle/dossiers")["dossiers"]}
        for code, life in load.truth["dossiers"].items():
            key = f"{life['province']}/{code}"
            partition = queue[key]
            if code not in there:
                assert partition in stopped, f"{key} is not at the portal and nothing says why"
                continue
            assert there[code]["creates"] == 1, key
            rows = [r["item"] for r in world.dossier(code)["progress"]]
            wanted = [{k: v for k, v in w.items()} for w in life["progress"]]
            assert len(rows) <= len(wanted), f"{key} has rows twice"
            assert [{k: r.get(k) for k in w} for r, w in zip(rows, wanted)] == wanted[:len(rows)], key
            assert partition in stopped or len(rows) == len(wanted), f"{key} lost rows"
        assert all(n == queue[key] for n, key in named.items())

    def test_what_was_unknown_is_sent_again_only_when_the_operator_says_so(self, killed):
        world, load = killed
        unknown = len(world.stops("portal"))
        before = world.counters()["progress"]
        world.gateway.stop()
        world.edit("targets/portal.yaml", "options:\n", "options:\n  on_unknown_progress: resend\n")
        world.start_gateway()

        def done():
            parts = partitions_of(world, "portal")
            return len(parts) == 6 and all(p["state"] == "running" and not p["held"] and p["offset"] == p["next"] for p in parts.values())
        wait_for("everything to be delivered", lambda: world.counters()["progress"] >= load.totals["portal_progress"] and done(), 60)
        after = world.counters()
        assert after["creates"] == load.totals["portal_creates"]
        assert load.totals["portal_progress"] <= after["progress"] <= load.totals["portal_progress"] + world.target("portal")["counters"]["repeats"]
        assert (after["progress"] > before) or not unknown


def test_sigterm_under_load_finishes_what_was_accepted_and_ends_with_0(loaded):
    world, load = loaded
    world.start_gateway()
    sender = load.send(world, "--rate", "60", wait=False)
    for part in (0.25, 0.6):
        wait_for(f"{part:.0%} of the load", lambda: judged(world) >= load.totals["accepted"] * part)
        assert world.gateway.stop(seconds=30) == 0, world.gateway.tail()
        world.start_gateway()
    load.sent(sender)
    world.wait_judged(len(world.read("lt.intake")))
    must_be_the_truth(world, load)
    must_be_exactly_once(world, load)
    assert world.stops("portal") == []


@pytest.mark.parametrize("when", ["ingest listening", "run started", "ingest initialised", "portal partition-running"])
def test_sigterm_while_it_starts_ends_with_0(world, when):
    world.topics()
    world.start_mocks()
    world.start_gateway(ready=False)
    wait_for(f"the log line '{when}'", lambda: world.gateway.must_live() and when in world.gateway.log.read_text(), every=0.005)
    assert world.gateway.stop(seconds=30) == 0, world.gateway.tail()


def sibling(world, name, roles):
    """Another instance of the same installation, on ports of its own: (process, its ingest address, its admin address)."""
    folder = world.folder / name
    shutil.copytree(world.config.parent, folder / "config")
    ingest, admin = free_ports(2)
    path = folder / "config/gateway.yaml"
    text = path.read_text()
    for old, new in (("instance: gateway-1", f"instance: {name}"), (f"127.0.0.1:{world.ingest_port}", f"127.0.0.1:{ingest}"),
                     (f"127.0.0.1:{world.admin_port}", f"127.0.0.1:{admin}"), (str(world.folder / "state"), str(folder / "state"))):
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)
    process = Process(name, world.folder, [LIENTHONG, "run", "--config", path, "--roles", roles])
    return process, f"https://127.0.0.1:{ingest}", f"http://127.0.0.1:{admin}"


@pytest.mark.parametrize("others", ["core,delivery", "ingest,core,delivery"])
def test_an_instance_without_the_core_tells_receipts_through_the_owner(world, others):
    world.topics()
    world.start_mocks()
    world.gateway.argv += ["--roles", others]
    edge, url, admin = sibling(world, "edge-1", "ingest")
    try:
        world.start_gateway()
        edge.start()
        wait_for("the edge to be ready", lambda: edge.must_live() and get(f"{admin}/ready")[0] == 200)
        world.url = url
        d = Dossier(1)
        receipts = accept(world, d.received(), d.progressed())
        assert place(receipts[0])[0] == place(receipts[1])[0]
        assert [world.verdict("h22", r, 15) for r in receipts] == ["new", "new"]
        again = accept(world, Dossier(1).received())[0]
        assert world.verdict("h22", again, 15) == "duplicate"
        wait_for("the dossier at the portal", lambda: world.counters()["progress"] == 2)
        status = json.loads(get(f"{admin}/status")[1])
        assert status["targets"] == [] and "core" not in status
    finally:
        edge.stop()
