"""A receipt tells its sender, and nobody else, what became of the event."""

import json

import pytest

from tests.e2e.events import JSON, XML, new_code, opencps, xml, xml_item
from tests.e2e.world import fresh_world
from tools.lt.stack import get, wait_for


@pytest.fixture(scope="module")
def up(tmp_path_factory, pki, bootstrap):
    with fresh_world(tmp_path_factory.mktemp("receipts"), pki, bootstrap) as world:
        world.start()
        yield world


def accept(up, body, media=XML, who="h22"):
    status, answer = up.post(who, body, media)
    assert status == 202, answer
    return answer["receipt"]


def ask(up, receipt, who="h22", url=None):
    status, headers, body = up.client(who).request(f"{url or up.url}/v1/receipts/{receipt}")
    return status, headers, json.loads(body)


def decided(up, receipt, who="h22"):
    up.verdict(who, receipt)
    status, headers, answer = ask(up, receipt, who)
    assert status == 200 and answer["status"] == "decided" and headers["Retry-After"] is None
    return answer


def test_a_first_event_is_new(up):
    receipt = accept(up, xml(xml_item(new_code())))
    partition, offset, identity, _ = receipt.split(".")
    answer = decided(up, receipt)
    assert (answer["verdict"], answer["id"], answer["partition"], answer["offset"]) == ("new", identity, int(partition), int(offset))


def test_the_same_event_again_is_a_duplicate_of_the_first(up):
    event = xml(xml_item(new_code()))
    first, second = accept(up, event), accept(up, event)
    assert decided(up, first)["verdict"] == "new"
    answer = decided(up, second)
    assert (answer["verdict"], answer["first_offset"]) == ("duplicate", int(first.split(".")[1]))
    assert decided(up, first)["verdict"] == "new", "the first stays what it was"


def test_the_same_event_in_another_dialect_is_a_duplicate(up):
    code = new_code()
    more = "<CongDan><SoDinhDanh>002090000123</SoDinhDanh><HoVaTen>VÀNG THỊ MẪU</HoVaTen></CongDan>"
    as_xml = xml_item(code, more=more).replace("CONG_DAN</LoaiDoiTuong>", "CONG_DAN</LoaiDoiTuong><SoGiayTo>002090000123</SoGiayTo>")
    first, second = accept(up, xml(as_xml)), accept(up, opencps(code), JSON)
    assert first.split(".")[2] == second.split(".")[2], "one event, one id"
    assert (decided(up, first)["verdict"], decided(up, second)["verdict"]) == ("new", "duplicate")


def test_another_content_under_the_same_identity_is_a_conflict_and_both_can_be_sent_again(up):
    code = new_code()
    first, other = xml(xml_item(code)), xml(xml_item(code, note="Nội dung khác"))
    receipts = [accept(up, e) for e in (first, other, other, first)]
    assert len({r.split(".")[2] for r in receipts}) == 1
    assert [decided(up, r)["verdict"] for r in receipts] == ["new", "conflict", "duplicate", "duplicate"]
    (record,) = [r for r in up.read("lt.quarantine") if code in r[2]]
    assert "Nội dung khác" in record[4].decode()
    assert len([r for r in up.read("lt.population") if code in r[2]]) == 1, "a conflict is routed nowhere"


@pytest.mark.parametrize("who", ["h40", "post", "operator", "gateway"])
def test_a_receipt_of_another_client_is_unknown(up, who):
    receipt = accept(up, xml(xml_item(new_code())))
    status, headers, answer = ask(up, receipt, who)
    assert (status, answer["code"], headers["Content-Type"]) == (404, "unknown-receipt", "application/problem+json")
    assert decided(up, receipt)["verdict"] == "new"


def test_a_receipt_with_anything_changed_is_unknown(up):
    partition, offset, identity, mac = accept(up, xml(xml_item(new_code()))).split(".")
    other_identity, other_mac = (("1" if text[0] == "0" else "0") + text[1:] for text in (identity, mac))
    for forged in (f"{int(partition) + 1}.{offset}.{identity}.{mac}", f"-{partition}.{offset}.{identity}.{mac}",
                   f"{partition}.{int(offset) + 1}.{identity}.{mac}", f"{partition}.0{offset}.{identity}.{mac}",
                   f"{partition}.{offset}.{other_identity}.{mac}", f"{partition}.{offset}.{identity}.{other_mac}",
                   f"{partition}.{offset}.{identity}.{mac}0", f"{partition}.{offset}.{identity}.{mac[:-1]}",
                   f"{partition}.{offset}.{identity}", f"{partition}.{offset}.{identity}.{mac}.{mac}", "x", "x" * 127, "x" * 4000):
        status, _, answer = ask(up, forged)
        assert (status, answer["code"]) == (404, "unknown-receipt"), forged


def test_a_receipt_that_is_no_text_is_a_bad_request(up):
    status, _, answer = ask(up, "1%00")
    assert (status, answer["code"]) == (400, "bad-request")


def test_a_receipt_outlives_the_process_that_gave_it(up):
    event = xml(xml_item(new_code()))
    first, second = accept(up, event), accept(up, event)
    assert decided(up, second)["verdict"] == "duplicate"
    assert up.gateway.stop() == 0
    up.start_gateway()
    assert (decided(up, first)["verdict"], decided(up, second)["verdict"]) == ("new", "duplicate")


def test_a_receipt_is_pending_with_retry_after_while_no_core_runs(up):
    assert up.gateway.stop() == 0
    alone = up.gateway_with("--roles", "ingest")
    alone.start()
    try:
        wait_for("the ingest role to be ready", lambda: alone.must_live() and get(f"{up.admin}/ready")[0] == 200, 60)
        receipt = accept(up, xml(xml_item(new_code())))
        status, headers, answer = ask(up, receipt)
        assert (status, answer["status"]) == (200, "pending") and "verdict" not in answer and int(headers["Retry-After"]) >= 1
    finally:
        assert alone.stop() == 0, alone.tail()
        up.start_gateway()
    assert decided(up, receipt)["verdict"] == "new"


def test_an_instance_without_the_core_asks_the_one_that_has_it(up):
    twin = up.twin("gateway-2", "--roles", "ingest")
    receipt = accept(up, xml(xml_item(new_code())))
    assert decided(up, receipt)["verdict"] == "new"
    twin.start()
    try:
        wait_for("the twin to be ready", lambda: twin.must_live() and get(f"{twin.admin}/ready")[0] == 200, 60)

        def told():
            status, _, answer = ask(up, receipt, url=twin.url)
            assert status == 200, answer
            return answer.get("verdict")
        assert wait_for("the twin to tell the verdict", told, 30) == "new"
    finally:
        assert twin.stop() == 0, twin.tail()


def test_an_instance_with_the_core_alone_tells_one_that_only_takes_events(up):
    """Two processes: one with the role ingest, one with core and delivery; the receipt's verdict crosses between them."""
    assert up.gateway.stop() == 0
    core, edge = up.gateway_with("--roles", "core,delivery"), up.twin("gateway-3", "--roles", "ingest")
    core.start()
    edge.start()
    try:
        wait_for("the core to be ready", lambda: core.must_live() and get(f"{up.admin}/ready")[0] == 200, 60)
        wait_for("the edge to be ready", lambda: edge.must_live() and get(f"{edge.admin}/ready")[0] == 200, 60)
        status, _, answer = up.client("h22").request(f"{edge.url}/v1/events", body=xml(xml_item(new_code())).encode(), media=XML, method="POST")
        assert status == 202, answer
        receipt = json.loads(answer)["receipt"]

        def told():
            status, _, answer = ask(up, receipt, url=edge.url)
            assert status == 200, answer
            return answer.get("verdict")
        assert wait_for("the edge to tell the verdict", told, 60) == "new"
        status, _, answer = up.client("h22").request(f"{up.url}/v1/events", body=b"{}", media=JSON, method="POST")
        assert (status, json.loads(answer)["code"]) == (421, "no-ingest"), "the core's listener is for instances"
    finally:
        assert edge.stop() == 0, edge.tail()
        assert core.stop() == 0, core.tail()
        up.start_gateway()


def test_the_question_between_instances_is_for_instances_only(up):
    receipt = accept(up, xml(xml_item(new_code())))
    decided(up, receipt)
    (record,) = [r for r in up.read("lt.intake") if r[3]["ce_id"] == receipt.split(".")[2]]
    url = f"{up.url}/internal/v1/fate?partition={record[0]}&offset={record[1]}&id={record[3]['ce_id']}&digest={record[3]['lt_digest']}"
    for who, status in (("h22", 403), ("operator", 403), ("gateway", 200)):
        assert up.client(who).request(url)[0] == status, who
    assert up.client("gateway").json(url)["verdict"] == "new"
    status, _, answer = up.client("gateway").request(f"{up.url}/internal/v1/fate?partition=0")
    assert (status, json.loads(answer)["code"]) == (400, "bad-query")
