"""Call-backs to the provinces and notifications, on the whole path: what a province is told, once, also when its endpoint fails."""

import json
import re
from xml.etree import ElementTree

import pytest

from tests.e2e.events import JSON, new_code, opencps
from tests.e2e.world import LIENTHONG, fresh_world, run
from tools.lt.stack import ROOT, Process, free_ports, wait_for

NOTIFY = ROOT / "config/examples/targets/notify.yaml"


class Inbox:
    """A mock that takes messages."""

    def __init__(self, world, name, port):
        self.world, self.url = world, f"https://127.0.0.1:{port}"
        self.process = Process(name, world.folder, [world.mock("portal", port)[0], name] + world.mock("portal", port)[2:] + ["--id-field", "maThongBao"])

    def start(self):
        self.process.start()
        wait_for(f"the mock at {self.url}", lambda: self.process.must_live() and self.world.operator.request(f"{self.url}/oracle/counters")[0] == 200)

    def messages(self):
        return self.world.operator.json(f"{self.url}/oracle/messages")["messages"]

    def counters(self):
        return self.world.operator.json(f"{self.url}/oracle/counters")

    def fault(self, **body):
        answer = self.world.operator.request(f"{self.url}/control/faults", json.dumps(body).encode(), "application/json")
        assert answer[0] == 200, answer


def switch_on_notify(world, inbox):
    """As docs/adding-a-target.md does it: the example's file and a route."""
    text = NOTIFY.read_text().replace("../../var/pki", str(world.pki)).replace("https://127.0.0.1:18447", inbox.url)
    (world.config.parent / "targets/notify.yaml").write_text(text)
    world.edit("routes/main.yaml", "routes:\n", "routes:\n  - name: notify\n    when: {type: vn.lienthong.dossier.received.v1}\n    to: notify\n")


@pytest.fixture(scope="module")
def told(tmp_path_factory, pki, bootstrap):
    """A gateway with the population database knowing nobody, a province and a message gateway."""
    ports = free_ports(2)
    with fresh_world(tmp_path_factory.mktemp("callback"), pki, bootstrap, province=ports[0]) as world:
        province, notify = Inbox(world, "province", ports[0]), Inbox(world, "notify", ports[1])
        world.others += [province.process, notify.process]
        switch_on_notify(world, notify)
        for target in ("province", "notify"):
            world.edit(f"targets/{target}.yaml", "settle: 30s", "settle: 1s\nretry: {min: 50ms, max: 500ms}")
        province.start()
        notify.start()
        world.start()
        yield world, province, notify


def received(world, code):
    """A dossier whose citizen the population database does not know."""
    body = json.dumps(opencps(code, applicantBirthday="12/05/1990")).encode()
    answer = world.post("h22", body, JSON)
    assert answer[0] in (200, 202), answer


def about(inbox, code, what="population.mismatch"):
    return [m for m in inbox.messages() if code in m["body"] and what in m["body"]]


def test_a_province_hears_of_a_mismatch_and_a_receiver_of_the_event(told):
    world, province, notify = told
    code = new_code()
    received(world, code)
    (m,) = wait_for("the call-back", lambda: about(province, code))
    body = json.loads(m["body"])
    assert (m["path"], body["type"], body["data"]["outcome"]) == ("/callback/h22", "vn.lienthong.population.mismatch.v1", "no-match")
    (n,) = wait_for("the notification", lambda: about(notify, code, "dossier.received"))
    assert json.loads(n["body"])["event"] == "vn.lienthong.dossier.received.v1"


def sent(world, code, name):
    """The same event with this applicant; its receipt."""
    status, answer = world.post("h22", opencps(code, applicantName=name), JSON)
    assert status in (200, 202), answer
    return answer.get("receipt") or answer["results"][0]["receipt"]


def test_a_province_hears_what_the_portal_answered_step_by_step_in_its_own_names(told):
    world, province, _ = told
    for client, unit, media, operation in (("h22", "H22.00847", "application/json", r'^{"id":.*"data":{.*"operation":"(\w+)"'),
                                           ("h40", "H40.13738", "application/xml", r'<ThongBao xmlns="urn:h40:thong-bao:1"><maThongBao>.*<operation>(\w+)</operation>'),
                                           ("h29", "H29.27139", "application/json", r'^{"maThongBao":.*"chiTiet":{.*"operation":"(\w+)"')):
        code = new_code(unit)
        event = opencps(code, systemCode=f"motcua.{client}", govAgencyCode=unit, serviceCode="1.001193")
        answer = world.post(client, json.dumps(event).encode(), JSON)
        assert answer[0] in (200, 202), answer

        def answers():
            return about(province, code, "portal.answer")
        wait_for("both of the portal's answers", lambda: len(answers()) >= 2)
        assert [(m["path"], m["media"].split(";")[0], re.search(operation, m["body"], re.S)[1]) for m in answers()] == [
            (f"/callback/{client}", media, "create"), (f"/callback/{client}", media, "progress")]


def test_a_province_hears_of_a_conflict_once_with_both_receipts_and_never_of_a_duplicate(told):
    world, province, _ = told
    code = new_code()
    first, other, _, again = (sent(world, code, name) for name in ("VÀNG THỊ MẪU", "VÀNG THỊ KHÁC", "VÀNG THỊ MẪU", "VÀNG THỊ KHÁC"))
    assert [world.verdict("h22", r) for r in (first, other, again)] == ["new", "conflict", "duplicate"]
    # What the core tells stands there with the verdict, in one transaction.
    assert [h.get("lt_verdict") for _, _, key, h, _ in world.read("lt.province") if key.endswith(code) and h["ce_source"] == "urn:lienthong:core"] == ["conflict"]
    (body,) = wait_for("the call-back", lambda: [json.loads(m["body"]) for m in about(province, code, "verdict")])
    assert (body["type"], body["data"]["verdict"], body["data"]["MaHoSo"]) == ("vn.lienthong.verdict.conflict.v1", "conflict", code)
    assert other.startswith(body["data"]["receipt"] + ".") and first.startswith(body["data"]["first"] + ".")
    assert "VÀNG" not in json.dumps(body, ensure_ascii=False), "codes and places only"


def test_a_province_hears_what_the_portal_took_and_once_what_it_refused(told):
    world, province, _ = told
    code = new_code()
    received(world, code)
    put, row = wait_for("the portal's answers", lambda: len(about(province, code, "portal.answer")) == 2 and about(province, code, "portal.answer"))
    assert [(json.loads(m["body"])["data"]["operation"], json.loads(m["body"])["data"]["outcome"]) for m in (put, row)] == [("create", "ok"), ("progress", "ok")]

    code = new_code()
    world.fault("portal", kind="backwards", service="DongBoHoSoMC")
    received(world, code)
    (m,) = wait_for("the refusal", lambda: about(province, code, "refus"))
    body = json.loads(m["body"])
    assert (body["type"], body["data"]["error_code"], body["data"]["outcome"]) == ("vn.lienthong.portal.refusal.v1", "01", "reject")
    wait_for("the dossier to be parked", lambda: world.target("portal")["ledger"]["lanes_parked"] == 1)
    run(LIENTHONG, "deadletter", "redrive", "portal", "--config", world.config, check=0)
    wait_for("the portal to have it", lambda: len(about(province, code, "portal.answer")) == 2)
    assert len(about(province, code, "refus")) == 1, "one fact, one event"


def test_a_province_that_wants_xml_gets_its_own_form_at_its_own_address(told):
    world, province, _ = told
    code = new_code(unit="H40.01")
    body = opencps(code, systemCode="motcua.h40", serviceCode="1.001193.000.00.00.H40", govAgencyCode="H40.01", applicantBirthday="12/05/1990")
    answer = world.post("h40", body, JSON)
    assert answer[0] in (200, 202), answer
    (m,) = wait_for("the call-back", lambda: about(province, code))
    form = ElementTree.fromstring(m["body"])
    ns = "{urn:h40:thong-bao:1}"
    assert (m["path"], form.tag, form.findtext(f"{ns}maHoSo"), form.findtext(f"{ns}ketQua")) == ("/callback/h40", f"{ns}ThongBao", code, "no-match")


def test_a_call_back_that_was_cut_is_sent_again_under_its_id_and_taken_once(told):
    world, province, _ = told
    code = new_code()
    before = province.counters()["repeats"]
    province.fault(kind="drop-after-apply", service="h22")
    received(world, code)
    wait_for("the repeat", lambda: province.counters()["repeats"] == before + 1)
    wait_for("all there is to tell", lambda: len(about(province, code, "")) >= 3)
    told_of = [json.loads(m["body"])["data"] for m in about(province, code, "")]
    assert [d.get("operation", d["outcome"]) for d in told_of] == ["no-match", "create", "progress"]


def test_a_province_that_is_away_stops_neither_itself_for_good_nor_the_portal(told):
    world, province, _ = told
    code = new_code()
    province.fault(kind="http503", service="h22", count=3)
    received(world, code)
    shown = wait_for("status to name it", lambda: re.search("^ +H22 (?:paused|probing): .*", run(LIENTHONG, "status", "--config", world.config).stdout, re.M))
    assert "http-503" in shown[0] and "so far" in shown[0]
    wait_for("the portal to have it", lambda: any(d["MaHoSo"] == code for d in world.operator.json(f"{world.portal_url}/oracle/dossiers?limit=100000")["dossiers"]))
    wait_for("the call-back", lambda: about(province, code))
    wait_for("the province to run again",
             lambda: next(p for p in world.target("province")["details"]["provinces"] if p["province"] == "H22")["state"] == "running")
