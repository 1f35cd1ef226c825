"""The commands that speak with the portal themselves: the catalogue of procedures, ratings."""

import json

import pytest

from tests.e2e.world import LIENTHONG, World, run


@pytest.fixture(scope="module")
def portal(tmp_path_factory, pki):
    """The mock of the portal alone."""
    world = World(tmp_path_factory.mktemp("commands"), pki, "127.0.0.1:1")
    try:
        world.start_mock("portal")
        yield world
    finally:
        world.stop()


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
