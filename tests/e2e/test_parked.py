"""The commands about parked dossiers as an operator uses them at night: what they choose, what they refuse, what stands in the audit."""

import hashlib
import json

import pytest

from tests.e2e.load import Dossier, accept, hurry
from tests.e2e.world import LIENTHONG, fresh_world, run
from tools.lt.stack import wait_for

WHO = 'Lan "QLHT"'


@pytest.fixture(scope="module")
def world(tmp_path_factory, pki, bootstrap):
    with fresh_world(tmp_path_factory.mktemp("parked"), pki, bootstrap) as w:
        hurry(w)
        w.start()
        yield w


def command(world, *argv, check=0):
    return run(LIENTHONG, *argv, "--config", world.config, check=check, timeout=60)


def lanes(world, *switches):
    out = run(LIENTHONG, "parked", "list", "portal", "--json", *switches, "--config", world.config).stdout
    return {lane["dossier"]: lane for lane in map(json.loads, out.splitlines()) if lane["state"] == "parked"}


def rows(world, d):
    """Its progress rows at the portal; none when the portal has no such dossier."""
    status, _, body = world.operator.request(f"{world.portal_url}/oracle/dossiers/{d.code}")
    return [r["item"]["NoiDungXuLy"] for r in json.loads(body)["progress"]] if status == 200 else []


def letters(world, d):
    out = command(world, "deadletter", "list", "portal", "--json", check=1).stdout
    return [x for x in map(json.loads, out.splitlines()) if x["dossier"] == d.key]


def history(world, d):
    """What docs/operations.md says to look at for what became of its letters."""
    return [json.loads(value) for _, _, key, _, value in world.read("lt.history.portal") if key == d.key]


def audits(world, action):
    return [r for r in (json.loads(value) for _, _, _, _, value in world.read("lt.audit")) if r["action"] == action]


def refused(world, number, events=2):
    """A dossier whose first call the portal refuses, with later events behind it."""
    d = Dossier(number)
    world.fault("portal", kind="backwards", count=1, service="DongBoHoSoMC")
    accept(world, d.received())
    wait_for("it to be parked", lambda: d.key in lanes(world), every=0.3)
    for _ in range(events - 1):
        accept(world, d.progressed())
    wait_for("its events to be parked", lambda: lanes(world)[d.key]["events"] == events, every=0.3)
    return d


def shown(world, d):
    lane, *events = map(json.loads, command(world, "parked", "show", "portal", d.code, "--json").stdout.splitlines())
    assert lane["dossier"] == d.key
    return events


def test_a_list_is_narrowed_by_reason_code_procedure_province_and_time(world):
    d = refused(world, 1)
    assert lanes(world)[d.key]["reason"] == "rejected"
    for takes in (("--reason", "rejected"), ("--code", "error_code 01"), ("--procedure", "1.001193"), ("--province", "H2*"), ("--since", "1h"),
                  ("--until", "2099-01-01"), ("--since", "2020-01-01T00:00:00+07:00")):
        assert d.key in lanes(world, *takes), takes
    for leaves in (("--reason", "unknown"), ("--code", "error_code 02"), ("--procedure", "1.000656"), ("--province", "H40"), ("--since", "2099-01-01"),
                   ("--until", "1h")):
        assert lanes(world, *leaves) == {}, leaves
    assert command(world, "deadletter", "redrive", "portal", "--dry-run", "--province", "H40").stdout == ""
    assert command(world, "deadletter", "redrive", "portal", "--dry-run", "--province", "H22").stdout == f"would retry {d.key}: 2 events\n"
    command(world, "deadletter", "redrive", "portal")
    wait_for("it to go on", lambda: lanes(world) == {} and len(rows(world, d)) == 2)


@pytest.mark.parametrize("argv, says", [
    (("list", "--since", "yesterday"), "--since: expected a time such as"),
    (("retry", "portal", "--rate", "0", "--all"), "--rate: expected a number a second"),
    (("retry", "portal", "--who", "", "--all"), "--who: expected a name"),
    (("retry", "portal"), "name dossiers, or say --all"),
    (("skip", "portal", "H22/a", "--all"), "not both"),
    (("list", "portl"), "no target portl"),
])
def test_a_wrong_word_is_told_with_what_was_expected(world, argv, says):
    assert says in command(world, "parked", *argv, check=2).stderr


def test_a_dossier_may_be_named_without_its_province_and_an_unknown_one_is_told(world):
    d = refused(world, 2)
    events = shown(world, d)
    assert [(e["type"].split(".")[-2], e["step"], e["unknown"]) for e in events] == [("received", "upsert", False), ("progressed", "ensure", False)]
    assert events[0]["data"]["HoSo"]["MaHoSo"] == d.code
    assert "PROVINCE/MaHoSo" in command(world, "parked", "retry", "portal", d.code + "9", check=1).stderr
    command(world, "parked", "retry", "portal", d.code)
    wait_for("it to go on", lambda: lanes(world) == {} and len(rows(world, d)) == 2)


def test_data_that_are_no_event_of_this_dossier_do_not_take_an_events_place(world, tmp_path):
    d, other = refused(world, 3), Dossier(99)
    good, file = shown(world, d)[0]["data"], tmp_path / "data.json"
    before = len(world.read("lt.control.portal"))
    for wrong, says in (([good], "expected an object"), ({**good, "HoSo": {**good["HoSo"], "MaHoSo": other.code}}, f"/HoSo/MaHoSo: expected {d.code}"),
                        ({**good, "TienDo": {**good["TienDo"], "MaHoSo": other.code}}, "/TienDo/MaHoSo"), ({"TienDo": good["TienDo"]}, "/HoSo"),
                        ({**good, "TienDo": {**good["TienDo"], "NgayMoi": "x"}}, "/TienDo/NgayMoi")):
        file.write_text(json.dumps(wrong))
        assert says in command(world, "parked", "replace", "portal", d.key, file, check=1).stderr
    file.write_text('{"HoSo": 1')
    assert f"{file}:1:" in command(world, "parked", "replace", "portal", d.key, file, check=2).stderr
    assert len(world.read("lt.control.portal")) == before, "nothing was decided"

    good["HoSo"]["TrichYeuHoSo"] = "Đã sửa tay"
    file.write_text(json.dumps(good, ensure_ascii=False, separators=(",", ":")))
    command(world, "parked", "replace", "portal", d.key, file, "--who", WHO)
    wait_for("it to go on", lambda: lanes(world) == {} and len(rows(world, d)) == 2)
    assert world.dossier(d.code)["creates"][0]["item"]["TrichYeuHoSo"] == "Đã sửa tay"
    (record,) = audits(world, "delivery-replace")
    assert (record["actor"], record["dossier"], record["sha256"]) == (WHO, d.key, hashlib.sha256(file.read_bytes()).hexdigest())


def test_a_skipped_event_goes_no_further_and_those_behind_it_run(world):
    d = refused(world, 4, events=3)
    created = world.counters()["creates"]
    out = command(world, "parked", "skip", "portal", d.key, "--who", WHO, "--json").stdout
    assert json.loads(out)["verb"] == "skip"
    # What follows has no snapshot and the portal never had the dossier: parked again, and nobody created it.
    wait_for("the rest to be parked", lambda: lanes(world).get(d.key, {}).get("events") == 2, every=0.3)
    assert world.counters()["creates"] == created
    command(world, "parked", "skip", "portal", d.key)
    wait_for("the last to be parked", lambda: lanes(world).get(d.key, {}).get("events") == 1, every=0.3)
    command(world, "parked", "skip", "portal", d.key)
    wait_for("three skipped events and nothing parked", lambda: world.target("portal")["ledger"]["skipped"] == 3 and lanes(world) == {})
    told = {(letter["order"], letter["now"]) for letter in letters(world, d)}
    assert told == {(str(line["offset"]), "ended") for line in history(world, d) if (line["what"], line["code"]) == ("decided", "skip")} and len(told) == 3


def test_what_is_refused_again_and_again_is_left_out_of_a_redrive_and_told(world):
    d = refused(world, 5)
    for n in range(1, 3):
        world.fault("portal", kind="backwards", count=1, service="DongBoHoSoMC")
        command(world, "deadletter", "redrive", "portal", "--rounds-max", "2")
        wait_for(f"round {n} to end", lambda: lanes(world).get(d.key, {}).get("redrives") == n, every=0.3)
    r = command(world, "deadletter", "redrive", "portal", "--rounds-max", "2", check=1)
    assert "1 left out" in r.stderr and r.stdout == ""
    assert [(x["redrives"], x["now"]) for x in letters(world, d)] == [("0", "parked"), ("1", "parked"), ("2", "parked")]
    r = command(world, "deadletter", "list", "portal", check=1)
    assert "(parked): " in r.stdout and "3 of them parked still" in r.stderr
    command(world, "parked", "retry", "portal", d.key)
    wait_for("it to go on", lambda: lanes(world) == {} and len(rows(world, d)) == 2)
    assert [x["now"] for x in letters(world, d)] == ["ended"] * 3
    (order,) = {x["order"] for x in letters(world, d)}
    assert "skip" not in {line["code"] for line in history(world, d)} and [x["what"] for x in history(world, d) if str(x["offset"]) == order][-1] == "ok"
    r = command(world, "deadletter", "list", "portal", check=1)
    assert "(parked): " not in r.stdout and "0 of them parked still" in r.stderr


def test_targets_status_tells_an_operators_pause_by_name_and_one_of_the_targets_own(world):
    def status(check=0):
        return json.loads(command(world, "targets", "status", "portal", "--json", check=check).stdout)
    assert (status()["state"], status()["here"], status()["reason"]) == ("active", "running", "")
    command(world, "targets", "pause", "portal", "--who", WHO)
    wait_for("the pause", lambda: world.target("portal").get("reason") == "operator")
    assert (status(1)["state"], status(1)["who"]) == ("paused", WHO)
    command(world, "targets", "resume", "portal", "--who", WHO)
    told = [(r["actor"], r["target"], r["dossier"]) for action in ("delivery-pause", "delivery-resume") for r in audits(world, action) if r["actor"] == WHO]
    assert told == [(WHO, "portal", "*")] * 2  # one record a command, not one a partition
    wait_for("the end of the pause", lambda: "portal       running" in run(LIENTHONG, "targets", "status", "portal", "--config", world.config).stdout, every=0.3)

    world.fault("portal", kind="http401", count=1000)
    d = Dossier(6)
    accept(world, d.received())
    wait_for("the target to pause itself", lambda: world.target("portal").get("reason") == "credential")
    assert status(1)["state"] == "active" and status(1)["reason"] == "credential"
    assert "by itself: credential" in command(world, "targets", "status", "portal", check=1).stdout
    world.fault("portal", kind="http401", count=0)
    command(world, "targets", "resume", "portal")
    wait_for("it to go on", lambda: len(rows(world, d)) == 1)
    assert world.gateway.stop() == 0
    r = command(world, "targets", "status", "portal")
    assert "not paused by anybody" in r.stdout and "no gateway answers" in r.stderr
    without = world.gateway_with("--roles", "ingest,core", name="without").start()
    try:
        wait_for("it to be told", lambda: "not run by the gateway here" in command(world, "targets", "status", "portal").stdout, every=0.5)
    finally:
        without.stop()
