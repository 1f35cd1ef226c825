"""The ledger changes hands between two gateways on a real Kafka: partitions move while calls are in flight and answers are dropped. Whatever
the former owner left open, the new one settles; nothing is created twice, no row is lost or doubled."""

import json

from tests.e2e.load import Dossier, accept, hurry
from tests.e2e.world import LIENTHONG, run
from tools.lt.stack import get, wait_for

DOSSIERS, EVENTS = 240, 3


def shares(*admins):
    """How many partitions of the portal's queue each instance runs; 0 when it does not answer."""
    found = []
    for admin in admins:
        try:
            target = next(t for t in json.loads(get(f"{admin}/status")[1])["targets"] if t["target"] == "portal")
        except OSError:
            found.append(0)
            continue
        found.append(sum(p["state"] == "running" for p in target["partitions"]))
    return found


def parked(world):
    lines = run(LIENTHONG, "parked", "list", "portal", "--json", "--config", world.config).stdout.splitlines()
    return {lane["dossier"]: lane for lane in map(json.loads, lines)}


def rows(world, dossier):
    return [int(r["item"]["NoiDungXuLy"].split()[1]) for r in world.dossier(dossier.code)["progress"]]


def calls(world):
    return world.counters()["calls"]


def batch(world, dossiers):
    """The next event of each."""
    for at in range(0, len(dossiers), 80):
        accept(world, *[d.received() if d.minutes == 0 else d.progressed() for d in dossiers[at:at + 80]])


def decide(world, dossiers):
    """What an operator does with a lane that is held: looks whether its row is at the portal."""
    by_key = {d.key: d for d in dossiers}
    for key, lane in parked(world).items():
        if lane["state"] != "parked":
            continue
        assert lane["reason"] == "unknown", lane
        at_stake = EVENTS - lane["events"] + 1
        verb = "release" if at_stake in rows(world, by_key[key]) else "retry"
        r = run(LIENTHONG, "parked", verb, "portal", key, "--who", "operator", "--config", world.config)
        assert r.returncode == 0, r.stderr


def test_partitions_that_move_while_calls_are_out_double_no_create_and_lose_no_row(world):
    hurry(world, timeout="5s")
    world.edit("targets/portal.yaml", "concurrency: 32", "concurrency: 8")
    world.portal.argv += ["--fault-every", "9", "drop-after-apply", "--service-time", "40ms"]
    world.start()
    second = world.twin("gateway-2", "--roles", "core,delivery")
    dossiers = [Dossier(n) for n in range(DOSSIERS)]
    try:
        # A second one joins while the first has calls out.
        batch(world, dossiers)
        before = calls(world)
        wait_for("calls to be out", lambda: calls(world) > before + 40)
        second.start()
        wait_for("both to have partitions", lambda: min(shares(world.admin, second.admin)) > 0, 60)
        # The first ends in order, with calls out: the second has them all.
        batch(world, dossiers)
        before = calls(world)
        wait_for("calls to be out again", lambda: calls(world) > before + 40)
        assert world.gateway.stop() == 0
        wait_for("the second to have every partition", lambda: shares(second.admin) == [6], 60)
        # The first comes back, and the second is killed in the midst of it.
        world.start_gateway()
        wait_for("both to have partitions again", lambda: min(shares(world.admin, second.admin)) > 0, 60)
        batch(world, dossiers)
        before = calls(world)
        wait_for("calls to be out once more", lambda: calls(world) > before + 40)
        second.kill()
        wait_for("the first to have every partition", lambda: shares(world.admin) == [6], 60)

        def finished():
            ledger = world.target("portal")["ledger"]
            done = sum(ledger[k] for k in ("ok", "exists", "pass"))
            if done + ledger["parked_now"] == DOSSIERS * EVENTS and ledger["lanes_retrying"] == 0:  # nothing moves by itself any more
                decide(world, dossiers)
            return done == DOSSIERS * EVENTS and not parked(world)
        wait_for("every event to be finished", finished, 240, every=1)
    finally:
        second.stop()
    known = {d["MaHoSo"]: d for d in world.operator.json(f"{world.portal_url}/oracle/dossiers?limit=1000")["dossiers"]}
    assert len(known) == DOSSIERS and {d["creates"] for d in known.values()} == {1}
    for d in dossiers:
        assert rows(world, d) == list(range(1, EVENTS + 1)), d.code
    t = world.target("portal")
    assert t["counters"]["repeats"] == sum(1 for r in world.read("lt.history.portal") if json.loads(r[4])["what"] == "repeat")
    assert t["ledger"]["unknowns"] > 0 and world.counters()["faults"] > 0, "no answer was lost: nothing was shown"
