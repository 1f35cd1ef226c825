"""What a province may have to switch on at its targets: the population database behind X-Road with a signed login and a memory of matches,
dossiers that were born at the portal, texts longer than the portal takes."""

import json
import secrets

import pytest

from tests.e2e.events import JSON, new_code, opencps
from tests.e2e.load import Dossier, accept, hurry
from tests.e2e.world import fresh_world
from tools.lt.stack import get, wait_for

CITIZENS = [{"SoDinhDanh": "002090000123", "HoVaTen": "VÀNG THỊ MẪU", "NgayThangNamSinh": "19900512"},
            {"SoDinhDanh": "002090000456", "HoVaTen": "SÙNG A MẪU", "NgayThangNamSinh": "1958"}]


@pytest.fixture(scope="module")
def world(tmp_path_factory, pki, bootstrap):
    folder = tmp_path_factory.mktemp("variants")
    (folder / "citizens.json").write_text(json.dumps(CITIZENS, ensure_ascii=False))
    secret = folder / "population.secret"
    secret.write_text(secrets.token_hex(16))
    secret.chmod(0o600)
    with fresh_world(folder, pki, bootstrap, citizens=folder / "citizens.json") as w:
        hurry(w, ttkm_codes='["000.00.00.G22-*", "H22.00847-251111-*"]')
        w.edit("targets/population.yaml", "options:\n", f"""options:
  auth: basic-timestamp
  username: lienthong
  secret: {{file: {secret}}}
  service_url: https://csdl.example/dancu
  xroad_client: VN/GOV/H22/GATEWAY
  xroad_service: VN/GOV/BCA/DANCU/TraCuu/v1
  cache: 1h
""")
        w.population.argv += ["--username", "lienthong", "--secret-file", str(secret), "--service-url", "https://csdl.example/dancu", "--xroad", "true"]
        w.start()
        yield w


def at_portal(world, d, what):
    status, _, body = world.operator.request(f"{world.portal_url}/oracle/dossiers/{d.code}")
    return [r["item"] for r in json.loads(body)[what]] if status == 200 else []


def created(world, d):
    return at_portal(world, d, "creates")


def consulted(world, d):
    """What is on record about this dossier, by whom and where the answer came from."""
    records = [(key, json.loads(value)) for _, _, key, h, value in world.read("lt.audit") if h.get("ce_type") == "vn.lienthong.population.consulted.v1"]
    return [(key, r) for key, r in records if r["MaHoSo"] == d.code]


def test_a_citizen_is_asked_about_through_xroad_and_a_match_goes_to_the_portal(world):
    d = Dossier(1, CITIZENS[0])
    accept(world, d.received())
    (item,) = wait_for("the dossier", lambda: created(world, d))
    assert item["DSKetNoiCSDL"] == [{"MaCSDL": "7"}]
    ((officer, record),) = consulted(world, d)
    assert officer == "cb07.h22" and record["result"] == "match"
    assert CITIZENS[0]["SoDinhDanh"] not in json.dumps(record) and "MẪU" not in json.dumps(record, ensure_ascii=False)


def test_a_remembered_match_asks_nobody_and_is_on_record_all_the_same(world):
    first, second = Dossier(2, CITIZENS[0]), Dossier(3, CITIZENS[0])
    accept(world, first.received())
    wait_for("the first", lambda: created(world, first))
    calls = world.counters("population")["calls"]
    accept(world, second.received())
    (item,) = wait_for("the second", lambda: created(world, second))
    assert item["DSKetNoiCSDL"] == [{"MaCSDL": "7"}] and world.counters("population")["calls"] == calls
    ((_, record),) = consulted(world, second)
    assert (record["result"], record["source"]) == ("match", "cache")


def test_somebody_of_whom_only_the_year_is_known_matches_by_it(world):
    d = Dossier(4, {**CITIZENS[1]})
    accept(world, d.received())
    (item,) = wait_for("the dossier", lambda: created(world, d))
    assert item["DSKetNoiCSDL"] == [{"MaCSDL": "7"}]


def test_a_mismatch_is_not_remembered_and_the_dossier_goes_on_without_the_mark(world):
    for number in (5, 6):
        d = Dossier(number, {**CITIZENS[0], "HoVaTen": "VÀNG THỊ KHÁC"})
        calls = world.counters("population")["calls"]
        accept(world, d.received())
        (item,) = wait_for("the dossier", lambda: created(world, d))
        assert not item.get("DSKetNoiCSDL") and world.counters("population")["calls"] == calls + 1


def test_a_dossier_born_at_the_portal_is_told_its_status_and_never_created(world):
    d = Dossier(7)
    d.code = "H22.00847-251111-0007"
    d.key = f"H22/{d.code}"
    before = world.counters()["statuses"]
    accept(world, d.received(), d.progressed())
    wait_for("both to be told", lambda: world.counters()["statuses"] == before + 2)
    assert created(world, d) == [] and at_portal(world, d, "progress") == []


def test_what_is_cut_to_the_portals_length_is_named_to_its_sender_and_counted(world):
    code = new_code()
    status, answer = world.post("h22", opencps(code, dossierActions=[
        {"actionCode": "receive", "actionUser": "Sùng " * 12, "actionNote": "Tiếp nhận hồ sơ", "createDate": 1756776600000}]), JSON)
    assert status == 202, answer
    assert "/TienDo/NguoiXuLy" in answer["truncated"], answer
    metrics = get(f"{world.admin}/metrics")[1].decode()
    assert next(int(line.split()[-1]) for line in metrics.splitlines() if line.startswith("lt_ingest_truncated_fields_total ")) >= 1
    d = Dossier(0)
    d.code = code
    row = wait_for("its row", lambda: created(world, d) and world.dossier(code)["progress"])[0]["item"]
    assert len(row["NguoiXuLy"]) <= 50 and row["NguoiXuLy"].startswith("Sùng Sùng")
