"""Kafka away before the start, and stops under load: what was acknowledged is kept, and nothing is done twice."""

import json
import os

import pytest

from tests.e2e.load import Dossier, Load, accept, hurry, must_be_exactly_once, post
from tests.e2e.world import World, empty_kafka
from tools.lt.stack import ROOT, Kafka, get, wait_for


@pytest.fixture
def kafka(bootstrap):
    """The broker itself; it runs again afterwards, whatever the test did."""
    node = Kafka(os.environ.get("LT_KAFKA_DIR") or ROOT / "var/test/kafka", bootstrap.rpartition(":")[2])
    yield node
    node.start()


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
    receipt = wait_for("an event to be accepted", lambda: accept(world, Dossier(1).received())[0])
    assert world.verdict("h22", receipt) in ("new", "duplicate")  # a 503 means unknown: an earlier sending may have been kept
    assert world.post("h22", b"{", media="application/json")[0] == 400
    wait_for("the dossier at the portal", lambda: world.counters()["progress"] == 1)
    assert world.counters()["creates"] == 1


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
