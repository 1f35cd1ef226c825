"""The commands that speak with the portal themselves: the catalogue of procedures, ratings."""

import json

import pytest

from tests.e2e.world import LIENTHONG, World, fresh_world, run


@pytest.fixture(scope="module")
def portal(tmp_path_factory, pki, bootstrap):
    """The mock of the portal alone, and the topics for the audit."""
    with fresh_world(tmp_path_factory.mktemp("commands"), pki, bootstrap) as world:
        world.topics()
        world.start_mock("portal")
        yield world


@pytest.fixture
def without_kafka(tmp_path, pki):
    world = World(tmp_path, pki, "127.0.0.1:1")
    try:
        world.start_mock("portal")
        yield world
    finally:
        world.stop()


def audited(world, action):
    return [r for r in (json.loads(value) for _, _, _, _, value in world.read("lt.audit")) if r["action"] == action]


def procedures(world, table, *switches, check=0):
    return run(LIENTHONG, "procedures", "pull", "--config", world.config, "--table", table, *switches, check=check, timeout=60).stdout


def test_a_pull_shows_the_difference_then_writes_a_table_that_check_takes(portal, tmp_path):
    table = portal.config.parent / "tables/portal-procedures.yaml"
    shown = procedures(portal, table, "--dry-run", check=1)
    assert "added    1.001193 Đăng ký khai sinh" in shown and not table.exists()
    assert "26 differences, written" in procedures(portal, table)
    text = table.read_text()
    assert 'code: "1.001193"' in text and 'time-3: "3 Ngày làm việc"' in text
    assert "0 differences" in procedures(portal, table)
    assert run(LIENTHONG, "check", "--config", portal.config, check=0, timeout=60).stdout.strip().endswith("ok")
    table.write_text(text.replace("Đăng ký khai sinh\"", "Khai sinh\"") + '  - {code: "9.999999", value: "9.999999", name: "Thủ tục cũ"}\n')
    changes = json.loads(procedures(portal, table, "--json"))["changes"]
    assert {(c["what"], c["code"], c.get("before")) for c in changes} == {("changed", "1.001193", "Khai sinh"), ("vanished", "9.999999", None)}
    assert "to: " in table.read_text()
    run(LIENTHONG, "check", "--config", portal.config, check=0, timeout=60)
    table.unlink()


def test_who_changed_the_table_and_who_sent_ratings_stands_in_the_audit(portal, tmp_path):
    table, file = tmp_path / "t.yaml", tmp_path / "ratings.json"
    before = len(audited(portal, "procedures-pull"))
    procedures(portal, table, "--dry-run", check=1)
    procedures(portal, table, "--who", "lan")
    procedures(portal, table, "--who", "nobody")  # no difference: nothing was done
    records = audited(portal, "procedures-pull")[before:]
    assert [(r["actor"], r["target"], r["table"], r["added"], r["vanished"], r["forced"]) for r in records] == [("lan", "portal", str(table), 26, 0, False)]
    file.write_text(json.dumps({"NgayTongHop": "8-2025", "TongSoNguoiDanhGia": 7}))
    run(LIENTHONG, "ratings", "send", file, "--config", portal.config, "--dry-run", check=0, timeout=60)
    run(LIENTHONG, "ratings", "send", file, "--config", portal.config, "--who", "lan", check=0, timeout=60)
    sent = [r for r in audited(portal, "ratings-send") if r["NgayTongHop"] == "8-2025"]
    assert [(r["actor"], r["target"], len(r["sha256"])) for r in sent] == [("lan", "portal", 64)]


def test_what_cannot_be_audited_is_not_done(without_kafka, tmp_path):
    table, file = tmp_path / "t.yaml", tmp_path / "ratings.json"
    r = run(LIENTHONG, "procedures", "pull", "--config", without_kafka.config, "--table", table, check=69, timeout=90)
    assert "nothing written" in r.stdout and not table.exists()
    file.write_text(json.dumps({"NgayTongHop": "9-2025", "TongSoNguoiDanhGia": 120}))
    r = run(LIENTHONG, "ratings", "send", file, "--config", without_kafka.config, check=69, timeout=90)
    assert "nothing was sent" in r.stderr and without_kafka.counters()["ratings"] == 0


def test_a_pull_that_fails_half_way_or_loses_half_of_the_table_changes_nothing(portal, tmp_path):
    table = tmp_path / "t.yaml"
    portal.fault("portal", kind="http500", service="LayThuTuc", count=1)
    r = run(LIENTHONG, "procedures", "pull", "--config", portal.config, "--table", table, check=69, timeout=60)
    assert "the table is as it was" in r.stderr and not table.exists()
    old = "".join(f'  - {{code: "8.{n:06}", value: "8.{n:06}", name: "Cũ"}}\n' for n in range(60))
    table.write_text("table: portal-procedures\nkind: codes\nentries:\n" + old)
    before = table.read_text()
    r = run(LIENTHONG, "procedures", "pull", "--config", portal.config, "--table", table, check=1, timeout=60)
    assert "--force" in r.stderr and table.read_text() == before
    assert "written" in procedures(portal, table, "--force")
    # What has ended long ago is no part of the half.
    ended = "".join(f'  - {{code: "7.{n:06}", value: "7.{n:06}", name: "Hết", to: 2020-01-01}}\n' for n in range(90))
    table.write_text("table: portal-procedures\nkind: codes\nentries:\n" + old + ended)
    before = table.read_text()
    r = run(LIENTHONG, "procedures", "pull", "--config", portal.config, "--table", table, check=1, timeout=60)
    assert "--force" in r.stderr and table.read_text() == before


def test_a_session_that_ends_in_the_midst_of_a_pull_is_renewed(portal, tmp_path):
    portal.fault("portal", kind="session-expired", service="LayThuTuc", count=1)
    assert "written" in procedures(portal, tmp_path / "t.yaml")


def test_ratings_of_a_month_are_sent_and_a_wrong_file_is_told(portal, tmp_path):
    file = tmp_path / "ratings.json"
    file.write_text(json.dumps({"NgayTongHop": "9-2025", "TongSoNguoiDanhGia": 120, "PhanTramHaiLong": "96.5"}))
    before = portal.counters()["ratings"]
    assert run(LIENTHONG, "ratings", "send", file, "--config", portal.config, check=0, timeout=60).stdout == "sent\n"
    assert portal.counters()["ratings"] == before + 1
    for wrong, says in (({"NgayTongHop": "2025-09"}, "M-yyyy"), ({"NgayTongHop": "9-2025", "session": "x"}, "fills it itself"), ([1], "an object")):
        file.write_text(json.dumps(wrong))
        assert says in run(LIENTHONG, "ratings", "send", file, "--config", portal.config, check=1, timeout=60).stderr
