"""What the gateway makes of targets that fail: mocks with faults, and the mocks' memory as the judge."""

import contextlib
import json
import signal

import pytest

from tests.e2e.load import Dossier, accept, hurry, place
from tests.e2e.world import LIENTHONG, World, empty_kafka, run
from tools.lt.stack import ROOT, wait_for


def rows(world, dossier):
    """(creates, updates, progress) of a dossier at the portal."""
    known = [d for d in world.operator.json(f"{world.portal_url}/oracle/dossiers")["dossiers"] if d["MaHoSo"] == dossier.code]
    return (known[0]["creates"], known[0]["updates"], known[0]["progress"]) if known else (0, 0, 0)


def wait_rows(world, dossier, wanted, seconds=30):
    """Wait until the portal has so many progress rows of it; then all its counts must be as wanted."""
    wait_for(f"{wanted[2]} rows of {dossier.code}", lambda: rows(world, dossier)[2] >= wanted[2] and not world.target("portal")["in_flight"], seconds)
    assert rows(world, dossier) == wanted


def steps(world, dossier):
    """What the progress rows say, in arrival order."""
    return [r["item"]["NoiDungXuLy"] for r in world.dossier(dossier.code)["progress"]]


def wait_stop(world, target, reason):
    """The stop of one partition of a target, once it is there: (partition, stop)."""
    def stopped():
        found = [(p["partition"], p["stop"]) for p in world.target(target)["partitions"] if p.get("stop")]
        return found if found else None
    found = wait_for(f"a partition of {target} to stop", stopped)
    assert [s["reason"] for _, s in found] == [reason], found
    return found[0]


def elsewhere(world, partition, start):
    """A dossier on another partition than this one, and one on this, both received: their places come with the receipts."""
    other = same = None
    for n in range(start, start + 40):
        d = Dossier(n)
        at, _ = place(accept(world, d.received())[0])
        other, same = (d, same) if at != partition and not other else (other, d if at == partition and not same else same)
        if other and same:
            return other, same
    raise AssertionError("40 dossiers and not two partitions among them")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory, pki, bootstrap):
    """One installation for faults that pass: every test has dossiers of its own and leaves nothing stopped."""
    empty_kafka(bootstrap)
    world = World(tmp_path_factory.mktemp("delivery"), pki, bootstrap)
    hurry(world)
    try:
        world.start()
        yield world
    finally:
        world.stop()


@contextlib.contextmanager
def deciding(world, option):
    """The gateway restarted with one more option of the portal; restarted without it afterwards."""
    world.gateway.stop()
    world.edit("targets/portal.yaml", "options:\n", f"options:\n  {option}\n")
    world.start_gateway()
    yield
    world.gateway.stop()
    world.edit("targets/portal.yaml", f"  {option}\n", "")
    world.start_gateway()


def create_at_portal(world, item):
    """A dossier that reaches the portal by another way than ours."""
    def call(path, body):
        status, _, answer = world.client("gateway").request(world.portal_url + path, body=json.dumps(body).encode(), media="application/json",
                                                            headers={"dstcode": "VN:GOV:000.00.00.G22:dvcqg"})
        assert status == 200, answer
        return json.loads(answer)
    session = call("/login", {"username": "lienthong", "password": (world.pki / "portal.password").read_text().strip()})["session"]
    answer = call("/integration", {"session": session, "madonvi": "H22", "service": "DongBoHoSoMC", "isUpdating": "False", "data": [item]})
    assert str(answer["error_code"]) == "0", answer


@pytest.mark.parametrize("number, kind", [(1, "drop-after-apply"), (2, "html200")])
def test_a_create_without_an_answer_is_asked_for_and_made_once(healthy, number, kind):
    d = Dossier(number)
    before = healthy.counters()
    healthy.fault("portal", kind=kind, count=1, service="DongBoHoSoMC")
    accept(healthy, d.received())
    wait_rows(healthy, d, (1, 1 if kind == "drop-after-apply" else 0, 1))
    after = healthy.counters()
    assert after["lookups"] == before["lookups"] + 2 and after["exists_refused"] == before["exists_refused"]
    assert after["faults"] == before["faults"] + 1


@pytest.mark.parametrize("number, kind, service", [(10, "http500", "TraCuuHoSo"), (11, "http503", "TraCuuHoSo"), (12, "http500", "DongBoHoSoMC"),
                                                   (13, "http503", "DongBoHoSoMC"), (14, "http503", "CapNhatTienDoHoSoMC"),
                                                   (15, "drop-before", "DongBoHoSoMC")])
def test_a_call_that_the_portal_could_not_take_is_made_again(healthy, number, kind, service):
    d = Dossier(number)
    faults = healthy.counters()["faults"]
    healthy.fault("portal", kind=kind, count=2, service=service)
    accept(healthy, d.received())
    wait_rows(healthy, d, (1, 0, 1))
    assert healthy.counters()["faults"] == faults + 2


def test_an_ended_session_costs_one_login_and_nothing_else(healthy):
    first, second = Dossier(20), Dossier(21)
    accept(healthy, first.received())
    wait_rows(healthy, first, (1, 0, 1))
    before = healthy.counters()
    healthy.fault("portal", kind="session-expired", count=1, service="CapNhatTienDoHoSoMC")
    accept(healthy, second.received())
    wait_rows(healthy, second, (1, 0, 1))
    after = healthy.counters()
    assert after["logins"] == before["logins"] + 1 and after["sessions_expired"] == before["sessions_expired"] + 1


def test_a_soap_fault_of_the_population_database_is_asked_again(healthy):
    d = Dossier(25, {"SoDinhDanh": "002090000123", "HoVaTen": "VÀNG THỊ MẪU", "NgayThangNamSinh": "19900512"})
    before = healthy.counters("population")
    healthy.fault("population", kind="soap-fault", count=2)
    accept(healthy, d.received())
    wait_rows(healthy, d, (1, 0, 1))
    after = healthy.counters("population")
    assert (after["injected"], after["no_match"]) == (before["injected"] + 2, before["no_match"] + 1)


def test_without_the_population_database_events_wait_and_then_go_on_in_order(healthy):
    # No citizen, nothing to ask: only events with one can show that they wait.
    d = Dossier(30, {"SoDinhDanh": "002090000124", "HoVaTen": "VÀNG THỊ MẪU", "NgayThangNamSinh": "19900512"})
    healthy.population.stop()
    retries = healthy.target("population")["counters"]["retry"]
    accept(healthy, d.received(), d.progressed(), d.facts("completed", "9"))
    wait_for("attempts at the database that is away", lambda: healthy.target("population")["counters"]["retry"] >= retries + 3)
    assert [r for r in healthy.read("lt.portal") if r[2] == d.key] == []
    assert rows(healthy, d) == (0, 0, 0)
    healthy.start_mock("population")
    wait_rows(healthy, d, (1, 1, 3))
    assert steps(healthy, d) == [f"Bước {n} của hồ sơ" for n in (1, 2, 3)]
    assert healthy.dossier(d.code)["updates"][-1]["item"]["TrangThaiHoSo"] == "9"


@pytest.mark.parametrize("number, wrong", [(40, "password"), (41, "certificate")])
def test_a_portal_that_we_may_not_trust_or_that_refuses_us_pauses_the_target_until_it_is_mended(healthy, tmp_path, number, wrong):
    d, last = Dossier(number), healthy.portal.argv
    healthy.portal.stop()
    argv = list(last)
    if wrong == "password":
        (tmp_path / "password").write_text("khong-phai-mat-khau-nay\n")
        (tmp_path / "password").chmod(0o600)
        argv[argv.index("--password-file") + 1] = str(tmp_path / "password")
    else:
        run(ROOT / "tools/pki", "make", "--dir", tmp_path / "pki", check=0)
        argv[argv.index("--cert") + 1] = str(tmp_path / "pki/portal.crt")
        argv[argv.index("--key") + 1] = str(tmp_path / "pki/portal.key")
    healthy.portal.argv = argv
    healthy.portal.start()
    accept(healthy, d.received(), d.progressed())
    wait_for("the target to be paused", lambda: healthy.target("portal").get("reason") == "credential")
    shown = run(LIENTHONG, "status", "--config", healthy.config).stdout.splitlines()
    assert "credential" in next(line for line in shown if line.startswith("portal")).split(",")[0]
    healthy.portal.stop()
    healthy.portal.argv = last
    healthy.start_mock("portal")
    wait_rows(healthy, d, (1, 0, 2))
    wait_for("the target to flow", lambda: healthy.target("portal")["state"] == "running")
    assert healthy.stops("portal") == []


def test_a_progress_row_without_an_answer_stops_its_partition_and_no_other_until_somebody_decides(healthy):
    world, d = healthy, Dossier(50)
    world.fault("portal", kind="drop-after-apply", count=1, service="CapNhatTienDoHoSoMC")
    partition, _ = place(accept(world, d.received())[0])
    where, stop = wait_stop(world, "portal", "UNKNOWN-PROGRESS")
    assert where == partition and d.key in stop["text"]

    other, same = elsewhere(world, partition, 100)
    wait_rows(world, other, (1, 0, 1))
    assert rows(world, same) == (0, 0, 0) and rows(world, d) == (1, 0, 1)
    told = run(LIENTHONG, "status", "--config", world.config, check=1).stdout
    assert f"portal partition {partition}: UNKNOWN-PROGRESS" in told and d.key in told

    # A restart guesses nothing and repeats nothing.
    assert world.gateway.stop() == 0
    before = world.counters()
    world.start_gateway(ready=False)
    where, stop = wait_stop(world, "portal", "UNKNOWN-PROGRESS")
    assert where == partition and d.key in stop["text"]
    accept(world, other.progressed())
    wait_rows(world, other, (1, 0, 2))
    after = world.counters()
    assert {k: after[k] - before[k] for k in ("creates", "updates", "progress")} == {"creates": 0, "updates": 0, "progress": 1}

    with deciding(world, "on_unknown_progress: resend"):
        wait_rows(world, same, (1, 0, 1))
        assert rows(world, d) == (1, 1, 2), "the event is delivered again: an update with the same values, and the row a second time"
        assert world.target("portal")["counters"]["repeats"] == 1
        assert run(LIENTHONG, "status", "--config", world.config, check=0).stdout
    assert steps(world, d) == ["Bước 1 của hồ sơ"] * 2


def test_a_refused_call_stops_its_partition_with_the_portals_message_until_the_cause_is_mended(healthy):
    world, d = healthy, Dossier(60)
    partition, _ = place(accept(world, d.received())[0])
    wait_rows(world, d, (1, 0, 1))
    item = world.dossier(d.code)["creates"][0]["item"]
    assert world.operator.request(f"{world.portal_url}/oracle/reset", body=b"", method="POST")[0] == 200  # the portal loses its dossiers
    accept(world, d.progressed())
    where, stop = wait_stop(world, "portal", "REJECTED")
    assert where == partition and d.key in stop["text"] and "không tồn tại" in stop["text"]

    other, same = elsewhere(world, partition, 200)
    wait_rows(world, other, (1, 0, 1))
    assert rows(world, same) == (0, 0, 0)
    told = run(LIENTHONG, "status", "--config", world.config, check=1).stdout
    assert f"portal partition {partition}: REJECTED" in told and "không tồn tại" in told

    create_at_portal(world, item)  # and finds it again
    assert world.gateway.stop() == 0
    world.start_gateway()
    wait_rows(world, d, (1, 0, 1))
    wait_rows(world, same, (1, 0, 1))
    assert rows(world, other) == (1, 0, 1) and steps(world, d) == ["Bước 2 của hồ sơ"]


def test_a_restart_repeats_nothing_of_what_was_finished_beyond_the_offset(healthy):
    world, d = healthy, Dossier(70)
    world.fault("portal", kind="timeout-after-apply", count=1, service="DongBoHoSoMC")
    partition, _ = place(accept(world, d.received())[0])
    wait_for("the create whose answer does not come", lambda: rows(world, d)[0] == 1)
    _, same = elsewhere(world, partition, 300)
    wait_for("the dossier behind it to be finished, as Kafka tells", lambda: [
        r for r in world.read("lt.answers") if r[2] == same.key and b'"operation":"progress"' in r[4]])
    at = next(offset for _, offset, key, _, _ in world.read("lt.portal") if key == d.key)
    part = next(p for p in world.target("portal")["partitions"] if p["partition"] == partition)
    assert part["offset"] == at, "the first dossier is not finished: the offset must wait for it"

    world.gateway.kill(signal.SIGKILL)
    world.start_gateway()
    wait_rows(world, d, (1, 1, 1))
    assert rows(world, same) == (1, 0, 1)
    assert world.target("portal")["counters"]["skipped_done"] >= 1


def test_progress_for_a_dossier_that_the_portal_never_had_is_not_guessed(healthy):
    """The last one: nothing mends this stop."""
    d = Dossier(80)
    accept(healthy, d.progressed())
    _, stop = wait_stop(healthy, "portal", "REJECTED")
    assert d.key in stop["text"] and "snapshot" in stop["text"]
    assert rows(healthy, d) == (0, 0, 0)
