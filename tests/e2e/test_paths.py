"""A changed path to a target: what the former routes sent is not overtaken unseen."""

import json

from confluent_kafka import Producer

from tests.e2e.load import Dossier, accept, hurry
from tests.e2e.world import LIENTHONG, run
from tools.lt.stack import wait_for

CITIZEN = {"SoDinhDanh": "002224000001", "HoVaTen": "Nguyễn Văn Mẫu", "NgayThangNamSinh": "20240101"}
VIA = "    via: [population]            # identity check first, its result goes along\n"


def paths(world, code):
    rows = json.loads(run(LIENTHONG, "topics", "--json", "--config", world.config, check=code).stdout)
    return {r["name"]: r["detail"] for r in rows if r["state"] == "draining"}


def test_what_waits_or_is_parked_on_the_former_path_is_told_until_it_is_through(world):
    hurry(world)
    world.edit("targets/population.yaml", "options:\n", "options:\n  on_mismatch: park\n")
    world.topics()
    world.start_mock("portal")
    world.start_gateway()
    one, other = Dossier(1, CITIZEN), Dossier(2, CITIZEN)
    accept(world, one.received(), one.progressed(), other.received())
    world.wait_judged(3)
    assert paths(world, 0) == {}  # these routes sent them so
    world.edit("routes/main.yaml", VIA, "")
    told = paths(world, 1)
    assert set(told) == {"path population,portal"}
    assert "3 events wait and 0 are parked in lt.population" in told["path population,portal"] and "send by portal" in told["path population,portal"]

    # The gateway still has the former routes: nobody is known there, so both dossiers are parked on their way.
    world.start_mock("population")
    wait_for("both to be parked", lambda: world.target("population")["ledger"]["parked_now"] == 3)
    assert "0 events wait and 3 are parked in lt.population" in paths(world, 1)["path population,portal"]
    run(LIENTHONG, "parked", "release", "population", "--all", "--config", world.config, check=0)
    wait_for("all to be at the portal", lambda: world.target("portal")["ledger"]["ok"] == 3)
    assert paths(world, 0) == {}
    assert len(world.dossier(one.code)["progress"]) == 2


def test_what_an_open_transaction_hides_is_not_taken_for_nothing(world):
    """Its owner may be the core with the former routes, which was killed: what others have committed behind it is hidden too."""
    hurry(world)
    world.topics()
    world.start_mock("portal")
    world.start_gateway()  # nobody is at home at the population database: all waits
    holder = Producer({"bootstrap.servers": world.bootstrap, "transactional.id": "holder", "transaction.timeout.ms": 120000})
    holder.init_transactions(20)
    holder.begin_transaction()
    for partition in holder.list_topics("lt.population", timeout=10).topics["lt.population"].partitions:
        holder.produce("lt.population", partition=partition, value=b"not yet")
    assert holder.flush(20) == 0
    accept(world, Dossier(1, CITIZEN).received())
    world.wait_judged(1)
    world.edit("routes/main.yaml", VIA, "")
    told = run(LIENTHONG, "topics", "--config", world.config, check=69, timeout=90)
    assert "lt.population" in told.stderr and "a transaction has been open" in told.stderr, told
    holder.abort_transaction(20)
    assert "1 events wait" in paths(world, 1)["path population,portal"]
