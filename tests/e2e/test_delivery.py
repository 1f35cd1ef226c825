"""What the gateway makes of targets that fail: mocks with faults, and the mocks' memory as the judge."""

import json
import signal

import pytest

from tests.e2e.load import Dossier, accept, hurry, place
from tests.e2e.world import LIENTHONG, fresh_world, run
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


def parked(world, target="portal"):
    """What `lienthong parked list` says: dossier -> its lane."""
    lines = run(LIENTHONG, "parked", "list", target, "--json", "--config", world.config).stdout.splitlines()
    return {lane["dossier"]: lane for lane in map(json.loads, lines)}


def wait_parked(world, dossier, reason, events=1):
    def lane():
        found = parked(world).get(dossier.key)
        return found if found and found["events"] == events and found["state"] == "parked" else None
    found = wait_for(f"{dossier.code} to be parked with {events} events", lane, every=0.3)
    assert found["reason"] == reason, found
    return found


def operate(world, *argv, check=0):
    return run(LIENTHONG, *argv, "--who", "operator", "--config", world.config, check=check).stdout


def beside(world, partition, start):
    """Another dossier on this partition, received: its place comes with the receipt."""
    for n in range(start, start + 40):
        d = Dossier(n)
        if place(accept(world, d.received())[0])[0] == partition:
            return d
    raise AssertionError("40 dossiers and none on this partition")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory, pki, bootstrap):
    """One installation for all faults: every test has dossiers of its own and leaves nothing parked."""
    with fresh_world(tmp_path_factory.mktemp("delivery"), pki, bootstrap) as world:
        hurry(world, timeout="20s")
        world.start()
        yield world


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
                                                   (15, "drop-before", "DongBoHoSoMC"), (16, "http429", "CapNhatTienDoHoSoMC"),
                                                   (17, "busy", "CapNhatTienDoHoSoMC")])
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
    shown = run(LIENTHONG, "status", "--config", healthy.config).stdout
    assert "nothing was taken since: not-sent: " in shown and "waiting: " in shown
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

    def told():
        """Between two probes; a finding, for it waits for somebody."""
        shown = run(LIENTHONG, "status", "--config", healthy.config, check=1).stdout.splitlines()
        at = next(n for n, line in enumerate(shown) if line.startswith("portal"))
        return ("credential" in shown[at].split(",")[0] and "tries again in" in shown[at] and
                ("login" if wrong == "password" else "certificate") in shown[at + 1] and shown[at + 2].strip().startswith("do: look at the certificates"))
    wait_for("status to tell why, until when and what to do", told, every=0.2)
    healthy.portal.stop()
    healthy.portal.argv = last
    healthy.start_mock("portal")
    wait_rows(healthy, d, (1, 0, 2))
    wait_for("the target to flow", lambda: healthy.target("portal")["state"] == "running")
    assert healthy.stops("portal") == []


def test_an_expired_certificate_of_the_portal_pauses_the_target_until_it_has_a_good_one(healthy):
    world, d, last = healthy, Dossier(45), healthy.portal.argv
    run(ROOT / "tools/pki", "make", "--dir", world.pki, "--expired", "portal", check=0)
    world.portal.stop()  # no connection of before is left
    world.portal.argv = [*last, "--expired-cert", world.pki / "portal-expired.crt", "--expired-key", world.pki / "portal-expired.key"]
    world.portal.argv = [str(a) for a in world.portal.argv]
    world.start_mock("portal")
    world.fault("portal", kind="certificate-expired", ms=15000)
    accept(world, d.received(), d.progressed())
    wait_for("the target to be paused", lambda: world.target("portal").get("reason") == "credential", 15)
    assert [line for line in world.gateway.log.read_text().splitlines() if "target-paused" in line and "certificates of both sides" in line]
    wait_rows(world, d, (1, 0, 2), 60)
    wait_for("the target to flow", lambda: world.target("portal")["state"] == "running")
    world.portal.stop()
    world.portal.argv = last
    world.start_mock("portal")


def test_a_progress_row_without_an_answer_parks_its_dossier_until_somebody_decides(healthy):
    world, d = healthy, Dossier(50)
    world.fault("portal", kind="drop-after-apply", count=1, service="CapNhatTienDoHoSoMC")
    partition, _ = place(accept(world, d.received())[0])
    accept(world, d.progressed())
    wait_parked(world, d, "unknown", events=2)
    same = beside(world, partition, 100)  # behind it on the same partition: flows
    wait_rows(world, same, (1, 0, 1))
    assert rows(world, d) == (1, 0, 1) and world.stops("portal") == []

    # A restart guesses nothing and repeats nothing.
    assert world.gateway.stop() == 0
    before = world.counters()
    world.start_gateway()
    accept(world, same.progressed())
    wait_rows(world, same, (1, 0, 2))
    after = world.counters()
    assert {k: after[k] - before[k] for k in ("creates", "updates", "progress")} == {"creates": 0, "updates": 0, "progress": 1}
    wait_parked(world, d, "unknown", events=2)

    # The row is at the portal, as the operator sees there: taken as done, and what is behind it goes on.
    assert "a call of it may have been applied" in operate(world, "parked", "show", "portal", d.key)
    assert d.key in operate(world, "parked", "release", "portal", d.key)
    wait_rows(world, d, (1, 0, 2))
    assert steps(world, d) == ["Bước 1 của hồ sơ", "Bước 2 của hồ sơ"]
    wait_for("nothing to be parked", lambda: d.key not in parked(world))
    assert world.target("portal")["counters"]["repeats"] == 0
    assert [json.loads(r[4])["action"] for r in world.read("lt.audit") if r[2] == "operator"] == ["delivery-release"]


def test_a_row_that_is_sent_again_on_an_operators_word_is_counted_and_listed(healthy):
    world, d = healthy, Dossier(55)
    world.fault("portal", kind="drop-after-apply", count=1, service="CapNhatTienDoHoSoMC")
    accept(world, d.received())
    wait_parked(world, d, "unknown")
    operate(world, "parked", "retry", "portal", d.key)
    wait_rows(world, d, (1, 0, 2))
    assert steps(world, d) == ["Bước 1 của hồ sơ"] * 2
    wait_for("the repeat to be counted", lambda: world.target("portal")["counters"]["repeats"] == 1)
    assert [json.loads(r[4])["what"] for r in world.read("lt.history.portal") if r[2] == d.key].count("repeat") == 1


def test_refused_dossiers_are_parked_with_the_portals_message_and_redriven_in_order(healthy):
    world, d = healthy, Dossier(60)
    partition, _ = place(accept(world, d.received())[0])
    wait_rows(world, d, (1, 0, 1))
    item = world.dossier(d.code)["creates"][0]["item"]
    assert world.operator.request(f"{world.portal_url}/oracle/reset", body=b"", method="POST")[0] == 200  # the portal loses its dossiers
    accept(world, d.progressed())
    accept(world, d.progressed())
    lane = wait_parked(world, d, "rejected", events=2)
    assert "không tồn tại" in lane["text"]
    same = beside(world, partition, 200)
    wait_rows(world, same, (1, 0, 1))
    letters = [r for r in world.read("lt.deadletter") if r[2] == d.key]
    assert len(letters) == 1 and letters[0][3]["lt_target"] == "portal" and "không tồn tại" in letters[0][3]["lt_detail"]
    told = [json.loads(r[4]) for r in world.read("lt.province") if r[2] == d.key]
    assert [t["outcome"] for t in told if t["outcome"] != "ok"] == ["reject"]
    assert d.key in operate(world, "deadletter", "list", "portal", check=1)

    create_at_portal(world, item)  # and finds it again
    assert "would retry" in operate(world, "deadletter", "redrive", "portal", "--dry-run")
    operate(world, "deadletter", "redrive", "portal")
    wait_rows(world, d, (1, 0, 2))
    assert steps(world, d) == ["Bước 2 của hồ sơ", "Bước 3 của hồ sơ"]
    wait_for("nothing to be parked", lambda: d.key not in parked(world))


def test_an_operator_pauses_a_target_over_a_restart_and_resumes_it(healthy):
    world, d = healthy, Dossier(65)
    operate(world, "targets", "pause", "portal")
    wait_for("the target to be paused", lambda: world.target("portal").get("reason") == "operator")
    accept(world, d.received())
    wait_for("the event to be in the queue", lambda: [r for r in world.read("lt.portal") if r[2] == d.key])
    assert world.gateway.stop() == 0
    world.start_gateway(ready=False)
    wait_for("the target to be paused still", lambda: world.target("portal").get("reason") == "operator")
    assert rows(world, d) == (0, 0, 0) and "paused by operator" in operate(world, "targets", "status", "portal", check=1)
    operate(world, "targets", "resume", "portal")
    wait_rows(world, d, (1, 0, 1))


def test_a_restart_repeats_nothing_of_what_was_finished_beyond_the_offset(healthy):
    world, d = healthy, Dossier(70)
    world.fault("portal", kind="timeout-after-apply", count=1, service="DongBoHoSoMC")
    partition, _ = place(accept(world, d.received())[0])
    wait_for("the create whose answer does not come", lambda: rows(world, d)[0] == 1)
    same = beside(world, partition, 300)
    wait_for("the dossier behind it to be finished, as Kafka tells", lambda: [
        r for r in world.read("lt.answers") if r[2] == same.key and b'"operation":"progress"' in r[4]])
    at = next(offset for _, offset, key, _, _ in world.read("lt.portal") if key == d.key)
    part = next(p for p in world.target("portal")["partitions"] if p["partition"] == partition)
    assert part["offset"] == at, "the first dossier is not finished: the offset must wait for it"

    world.gateway.kill(signal.SIGKILL)
    world.start_gateway()
    wait_rows(world, d, (1, 1, 1), seconds=90)  # asked for when the create of the process that died is settled
    assert rows(world, same) == (1, 0, 1)
    assert world.target("portal")["counters"]["skipped_done"] >= 1


def test_progress_for_a_dossier_that_the_portal_never_had_is_not_guessed(healthy):
    d = Dossier(80)
    accept(healthy, d.progressed())
    lane = wait_parked(healthy, d, "rejected")
    assert "snapshot" in lane["text"]
    assert rows(healthy, d) == (0, 0, 0)
    operate(healthy, "parked", "skip", "portal", d.key)
    wait_for("nothing to be parked", lambda: d.key not in parked(healthy))
