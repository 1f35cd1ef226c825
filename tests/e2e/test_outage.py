"""Kafka away or frozen, gateways killed and stopped under load: what was acknowledged is kept, and nothing is done twice."""

import json
import os
import pathlib
import signal
import time

import pytest

from tests.e2e.load import Dossier, Load, accept, hurry, must_be_exactly_once, post
from tests.e2e.world import LIENTHONG, fresh_world, run
from tools.lt.stack import Failure, get, wait_for


@pytest.fixture
def kafka(broker):
    """The broker itself; it runs again afterwards, whatever the test did."""
    yield broker
    try:
        signal_kafka(broker, signal.SIGCONT)  # a test that failed may have left it frozen
    except (OSError, ValueError, IndexError):
        pass  # it does not run
    broker.start()


@pytest.fixture
def loaded(tmp_path, pki, bootstrap):
    """A world, its topics and mocks, and a load whose citizens the population database knows. No gateway yet."""
    load = Load(tmp_path / "load", 5, 40)
    with fresh_world(tmp_path, pki, bootstrap, citizens=load.citizens) as world:
        hurry(world)
        world.topics()
        world.start_mocks()
        yield world, load


SESSION = 10  # seconds: session.timeout.ms of the gateway's consumers


def outlast(seconds):
    """Let so much time pass with Kafka as it is: it is what the sessions in it measure."""
    until = time.monotonic() + seconds
    wait_for("time to pass", lambda: time.monotonic() >= until, seconds + 5)


def signal_kafka(node, number):
    os.kill(int((pathlib.Path(node.env["LT_KAFKA_DIR"]) / "pid").read_text().split()[0]), number)


def shown(code, world, *switches):
    return run(LIENTHONG, "status", "--config", world.config, *switches, check=code).stdout


def judged(world):
    return sum(world.verdicts().values())


def resend_rows(world):
    """A row whose outcome an outage left unknown is sent again; by default its dossier would be parked for an operator."""
    world.edit("targets/portal.yaml", "options:\n", "options:\n  on_unknown_progress: resend\n")


def fields(row, want):
    """What the truth says of a row; the portal stores more."""
    return tuple(row.get(k) for k in want)


def must_reach_the_portal(world, load):
    """Each dossier created once, each row there, first arrivals in order. Only a row whose outcome was unknown may stand there twice (policy
    `resend`), and the ledger has counted it."""
    lives = load.truth["dossiers"]
    names = sorted(set.intersection(*({*row} for life in lives.values() for row in life["progress"])))

    def at_portal(code):
        status, _, body = world.operator.request(f"{world.portal_url}/oracle/dossiers/{code}")
        return json.loads(body) if status == 200 else {"creates": [], "progress": []}

    def found(code):
        return [fields(r["item"], names) for r in at_portal(code)["progress"]]

    def wrong():
        wanted = {code: [fields(row, names) for row in life["progress"]] for code, life in lives.items()}
        return {code: (want, got) for code, want in wanted.items() if (got := list(dict.fromkeys(found(code)))) != want}
    try:
        wait_for("every row at the portal", lambda: not wrong(), 60)
    except Failure:
        raise Failure(f"rows that differ: {list(wrong().items())[:2]}; {world.target('portal')}") from None
    assert {code: len(at_portal(code)["creates"]) for code in lives} == {code: life["creates"] for code, life in lives.items()}
    assert world.stops("portal") == []
    repeated = sum(len(found(code)) for code in lives) - load.totals["portal_progress"]
    ledger = world.target("portal")["ledger"]
    assert ledger["parked_now"] == 0 and 0 <= repeated <= ledger["repeats"], (repeated, ledger)


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


def test_status_of_an_instance_whose_kafka_is_away_says_that_it_does_not_get_on(world, kafka):
    """Its partitions are taken from it, nothing is stopped, and without role ingest nobody else says so."""
    world.topics()
    world.start_mocks()
    gateway = world.gateway_with("--roles", "core,delivery")
    gateway.start()
    try:
        wait_for("the gateway to be ready", lambda: gateway.must_live() and get(f"{world.admin}/ready")[0] == 200, 60)
        shown(0, world)
        kafka.stop()
        wait_for("the gateway not to be ready", lambda: get(f"{world.admin}/ready")[0] == 503, 30)
        wait_for("status to name each that has no partitions", lambda: {"core:", "population:", "portal:"} == {
            line.split()[2] for line in shown(1, world).splitlines() if line.startswith("NOT READY ")})
        shown(1, world, "--json")
        kafka.start()
        wait_for("the gateway to be ready again", lambda: get(f"{world.admin}/ready")[0] == 200, 60)
        assert "NOT READY" not in shown(0, world)
    finally:
        gateway.stop()


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


@pytest.mark.parametrize("how", ["frozen", "stopped"])
def test_kafka_away_longer_than_the_sessions_under_load_costs_time_only(loaded, kafka, how):
    world, load = loaded
    resend_rows(world)
    world.start_gateway()
    sender = load.send(world, "--rate", "40", wait=False)
    for part in (0.2, 0.5):
        wait_for(f"{part:.0%} of the load", lambda: judged(world) >= load.totals["accepted"] * part, 90)
        if how == "frozen":
            signal_kafka(kafka, signal.SIGSTOP)
            outlast(SESSION + 2)
            signal_kafka(kafka, signal.SIGCONT)
        else:
            kafka.stop()
            outlast(SESSION + 2)
            kafka.start()
        wait_for("the gateway to be ready again", lambda: world.gateway.must_live() and get(f"{world.admin}/ready")[0] == 200, 60)
    load.sent(sender)
    world.wait_judged(len(world.read("lt.intake")))
    must_be_exactly_once(world, load)
    must_reach_the_portal(world, load)


def test_sigterm_ends_a_gateway_although_kafka_is_frozen(loaded, kafka):
    world, load = loaded
    world.start_gateway()
    sender = load.send(world, "--rate", "60", wait=False)
    wait_for("some of the load", lambda: judged(world) >= load.totals["accepted"] * 0.3)
    signal_kafka(kafka, signal.SIGSTOP)
    try:
        assert world.gateway.stop(seconds=40) == 0, world.gateway.tail()  # step by step, each with its own limit, it takes a minute
    finally:
        signal_kafka(kafka, signal.SIGCONT)
    world.start_gateway()
    load.sent(sender)
    world.wait_judged(len(world.read("lt.intake")))
    must_be_exactly_once(world, load)


def test_a_ready_gateway_accepts_what_is_sent(running, kafka):
    for number in range(3):
        kafka.stop()
        wait_for("the gateway not to be ready", lambda: get(f"{running.admin}/ready")[0] == 503, 30)
        kafka.start()
        wait_for("the gateway to be ready", lambda: get(f"{running.admin}/ready")[0] == 200, 60)
        assert accept(running, Dossier(number).received())


def test_kill_9_again_and_again_under_load_loses_and_doubles_nothing(loaded):
    world, load = loaded
    resend_rows(world)
    world.start_gateway()
    sender = load.send(world, "--rate", "60", wait=False)
    for part in (0.1, 0.3, 0.5, 0.7):
        wait_for(f"{part:.0%} of the load", lambda: judged(world) >= load.totals["accepted"] * part, 60)
        world.gateway.kill()
        world.start_gateway(ready=False)
        wait_for("the gateway to be ready", lambda: world.gateway.must_live() and get(f"{world.admin}/ready")[0] == 200, 60)
    load.sent(sender)
    world.wait_judged(len(world.read("lt.intake")))
    must_be_exactly_once(world, load)
    must_reach_the_portal(world, load)


def test_a_second_instance_answers_receipts_also_when_the_first_is_killed(loaded):
    world, load = loaded
    second = world.twin("gateway-2")
    world.start_gateway()
    second.start()
    try:
        wait_for("the second instance", lambda: second.must_live() and get(f"{second.admin}/ready")[0] == 200, 60)
        sender = load.send(world, "--rate", "60", wait=False)
        wait_for("a third of the load", lambda: len(world.read("lt.intake")) >= load.totals["accepted"] / 3)
        world.gateway.kill()
        world.start_gateway(ready=False)
        load.sent(sender)
        clients = {r["seq"]: r["client"] for r in load.rows()}
        sent = json.loads((load.folder / "sent.json").read_text())
        asked = [(world.client(clients[s["seq"]]), i["receipt"]) for s in sent["requests"] for i in s["items"] if i.get("receipt")]
        told = {}

        def verdict(client, receipt):  # a receipt tells its verdict to the client that has it, and to nobody else
            status, _, answer = client.request(f"{second.url}/v1/receipts/{receipt}")
            assert status in (200, 503), (status, answer)
            return json.loads(answer).get("verdict") if status == 200 else None
        for client, receipt in asked:
            told[receipt] = wait_for(f"the verdict of {receipt}", lambda client=client, receipt=receipt: verdict(client, receipt), 60)
        wanted = dict(load.receipts())
        wrong = [(r, v, wanted[r]["expect"]) for r, v in told.items() if v != wanted[r]["expect"] and (v, wanted[r]["expect"]) != ("duplicate", "new")]
        assert told and not wrong, wrong[:5]
        must_be_exactly_once(world, load)
    finally:
        second.stop()
