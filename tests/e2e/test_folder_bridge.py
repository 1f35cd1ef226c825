"""The two other ways in, spool folders and foreign topics: same mappings, same answers, nothing lost and nothing doubled when the gateway dies."""

import contextlib
import json
import threading

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.e2e.events import new_code, opencps, xml, xml_item
from tests.e2e.world import fresh_world
from tools.lt.stack import wait_for

BRIDGES = """bridges:
  - {name: h22-xml, topic: h22.su-kien, client: h22, media: application/xml}
  - {name: h22-json, topic: h22.ho-so, client: h22, media: application/json}
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory, pki, bootstrap):
    with fresh_world(tmp_path_factory.mktemp("folder-bridge"), pki, bootstrap) as world:
        world.edit("gateway.yaml", "poll: 2s", "poll: 400ms")
        world.edit("gateway.yaml", "bridges: []\n", BRIDGES)
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for future in admin.create_topics([NewTopic(t, 2, 1) for t in ("h22.su-kien", "h22.ho-so")]).values():
            future.result()
        world.start()
        world.spool = world.folder / "state/spool/h22"
        world.intake, world.deadletters = world.tail("lt.intake"), world.tail("lt.deadletter")
        yield world
        world.intake.close()
        world.deadletters.close()


def put(up, name, text):
    """As a sender should: written under another name, then renamed."""
    part = up.spool / f"{name}.part"
    part.write_text(text)
    part.rename(up.spool / name)


def beside(up, name, kind="receipt"):
    path = up.spool / ("done" if kind == "receipt" else "refused") / f"{name}.{kind}.json"
    wait_for(f"{path.name}", lambda: up.gateway.must_live() and path.exists() and path.with_name(name).exists(), 30)
    return json.loads(path.read_text())


def intake_of(up, code):
    return [r for r in up.intake.read() if code in r[2]]


def routed_of(up, code):
    return [r for r in up.read("lt.population") if code in r[2]]


# ---- bridge ---------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def producing(up):
    producer = Producer({"bootstrap.servers": up.bootstrap, "linger.ms": 0})
    lost = []

    def send(topic, value, headers=(), partition=0):
        producer.produce(topic, value.encode(), partition=partition, headers=list(headers), on_delivery=lambda e, _: lost.append(e) if e else None)

    yield send
    assert producer.flush(30) == 0 and not lost


def wait_intake(up, code, count):
    wait_for(f"{count} records of {code}", lambda: up.gateway.must_live() and len(intake_of(up, code)) >= count, 30)
    records = intake_of(up, code)
    assert len(records) == count
    return records


def bridge(up, name):
    return next(b for b in up.status()["ingest"]["bridges"] if b["name"] == name)


def test_xml_and_json_of_foreign_topics_become_the_events_of_http(up):
    first, second = new_code(), new_code()
    with producing(up) as send:
        send("h22.su-kien", xml(xml_item(first)))
        send("h22.ho-so", json.dumps(opencps(second)), partition=1)
    (one,), (two,) = wait_intake(up, first, 1), wait_intake(up, second, 1)
    assert one[3]["ce_type"] == two[3]["ce_type"] == "vn.lienthong.dossier.received.v1"
    assert one[3]["lt_client"] == two[3]["lt_client"] == "h22"
    status, answer = up.post("h22", xml(xml_item(first)), "application/xml")
    assert status == 202 and answer["id"] == one[3]["ce_id"] and up.verdict("h22", answer["receipt"]) == "duplicate"


def test_lt_and_ce_headers_of_a_foreign_record_are_stripped(up):
    code = new_code()
    forged = {"lt_client": "h29", "lt_digest": "0" * 64, "lt_replay": "r1", "lt_decision": "d1", "lt_path": "portal", "lt_hop": "1", "lt_effects": "portal",
              "lt_origin": "0/0/0", "ce_id": "0" * 32, "ce_type": "vn.lienthong.dossier.returned.v1", "ce_province": "H40", "x_own": "1"}
    with producing(up) as send:
        send("h22.su-kien", xml(xml_item(code)), forged.items())
    (record,) = wait_intake(up, code, 1)
    headers = record[3]
    assert not {"lt_replay", "lt_decision", "lt_path", "lt_hop", "lt_effects", "lt_origin", "x_own"} & set(headers)
    assert (headers["lt_client"], headers["ce_province"], headers["ce_type"]) == ("h22", "H22", "vn.lienthong.dossier.received.v1")
    assert headers["ce_id"] != forged["ce_id"] and headers["lt_digest"] != forged["lt_digest"]
    wait_for("the event to go on", lambda: routed_of(up, code), 30)


def test_re_sends_on_a_foreign_topic_are_duplicates(up):
    code = new_code()
    event = xml(xml_item(code))
    before = up.verdicts()
    with producing(up) as send:
        for _ in range(3):
            send("h22.su-kien", event)
    wait_intake(up, code, 3)
    wait_for("three verdicts", lambda: sum(up.verdicts().values()) == sum(before.values()) + 3, 30)
    after = up.verdicts()
    assert {k: after[k] - before[k] for k in after if after[k] != before[k]} == {"new": 1, "duplicate": 2}
    assert len(routed_of(up, code)) == 1


def test_a_bad_foreign_record_is_a_dead_letter_with_its_place_and_the_next_goes_on(up):
    bad, good = new_code(), new_code()
    with producing(up) as send:
        send("h22.su-kien", xml(xml_item(bad, unit="H22.ZZ9")))
        send("h22.su-kien", xml(xml_item(good)))
        send("h22.su-kien", "")
    wait_intake(up, good, 1)
    letter = wait_for("the dead letter", lambda: [r for r in up.deadletters.read() if bad.encode() in r[4]], 30)[0]
    assert (letter[3]["lt_reason"], letter[3]["lt_source"], letter[3]["lt_client"]) == ("unknown-unit", "bridge:h22-xml", "h22")
    assert letter[3]["lt_position"].startswith("h22.su-kien/0/")
    assert not intake_of(up, bad)


# ---- folder -------------------------------------------------------------------------------------------------------------


def test_a_file_is_taken_and_its_receipt_lies_beside_it(up):
    code = new_code()
    put(up, "a.xml", xml(xml_item(code)))
    answer = beside(up, "a.xml")
    assert answer["status"] == "accepted" and up.verdict("h22", answer["receipt"]) == "new"
    assert (up.spool / "done/a.xml").read_text() == xml(xml_item(code)) and not (up.spool / "a.xml").exists()
    (record,) = intake_of(up, code)
    assert record[3]["lt_client"] == "h22"


def test_a_json_file_and_a_file_of_lines_are_taken_by_their_endings(up):
    one, two, three = new_code(), new_code(), new_code()
    put(up, "b.json", json.dumps(opencps(one)))
    put(up, "b.ndjson", json.dumps(opencps(two)) + "\n" + json.dumps(opencps(three)) + "\n")
    assert up.verdict("h22", beside(up, "b.json")["receipt"]) == "new"
    assert [up.verdict("h22", i["receipt"]) for i in beside(up, "b.ndjson")["items"]] == ["new", "new"]


@pytest.mark.parametrize("name", ["c.xml.part", "c.tmp", ".c.xml", "c.txt"])
def test_a_file_under_a_half_written_name_is_not_taken(up, name):
    code = new_code()
    (up.spool / name).write_text(xml(xml_item(code)))
    put(up, "z.xml", xml(xml_item(new_code())))  # later in name order: when it is done, the other was seen and left
    beside(up, "z.xml")
    assert (up.spool / name).exists() and not intake_of(up, code)
    left = up.status()["ingest"]["folders"][0]["left"]
    assert left == (name == "c.txt") and (f"{name} is not taken: its name must end in" in up.gateway.log.read_text()) == (name == "c.txt")
    (up.spool / name).rename(up.spool / f"c-{code}.XML")
    assert up.verdict("h22", beside(up, f"c-{code}.XML")["receipt"]) == "new"
    (up.spool / "done/z.xml").unlink()
    (up.spool / "done/z.xml.receipt.json").unlink()


def test_a_file_that_still_grows_is_not_taken_until_it_is_whole(up):
    code, stop = new_code(), threading.Event()
    text = xml(xml_item(code, note="x" * 4000))
    start, end = text.index("xxxx"), text.index("</NoiDung>")
    path = up.spool / "growing.xml"

    def grow():
        with open(path, "w") as f:
            f.write(text[:start])
            f.flush()
            while not stop.wait(0.01):
                f.write("x")
                f.flush()
            f.write(text[end:])

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        wait_for("the file to begin", path.exists, 10)
        put(up, "zz.xml", xml(xml_item(new_code())))  # taken at its second look: then the growing one was looked at twice, too
        beside(up, "zz.xml")
        assert path.exists() and not intake_of(up, code)
    finally:
        stop.set()
        writer.join()
    assert up.verdict("h22", beside(up, "growing.xml")["receipt"]) == "new"
    assert len(intake_of(up, code)) == 1
    assert not [r for r in up.deadletters.read() if code.encode() in r[4]], "never read half"


def test_a_refused_file_is_kept_with_its_reason_and_a_dead_letter(up):
    code = new_code()
    text = xml(xml_item(code, unit="H22.ZZ9"))
    put(up, "d.xml", text)
    reason = beside(up, "d.xml", "reason")
    assert (reason["status"], reason["code"], reason["field"], reason["line"]) == (422, "unknown-unit", "unit", 8)
    assert (up.spool / "refused/d.xml").read_text() == text and not (up.spool / "done/d.xml").exists()
    (letter,) = [r for r in up.deadletters.read() if code.encode() in r[4]]
    assert (letter[3]["lt_source"], letter[3]["lt_position"], letter[3]["lt_reason"]) == ("folder:h22-spool", "d.xml", "unknown-unit")
    put(up, "e.xml", xml(xml_item(new_code())))
    assert up.verdict("h22", beside(up, "e.xml")["receipt"]) == "new"


def test_a_file_with_one_bad_item_is_kept_and_says_which_were_accepted(up):
    good, bad = new_code(), new_code()
    put(up, "f.xml", xml(xml_item(good), xml_item(bad, procedure="9.999999")))
    answer = beside(up, "f.xml", "reason")
    accepted, refused = answer["items"]
    assert (answer["accepted"], answer["refused"], answer["not_attempted"], answer["unavailable"]) == (1, 1, 0, 0)
    (line,) = [x for x in (up.spool / "refused/f.xml.reason.json").read_text().splitlines() if '"status":"refused"' in x]
    assert bad not in line and '"code":"unknown-procedure"' in line  # one line each, to be found with an editor
    assert (accepted["status"], refused["status"], refused["problem"]["code"]) == ("accepted", "refused", "unknown-procedure")
    assert up.verdict("h22", accepted["receipt"]) == "new" and not intake_of(up, bad)


def test_a_file_of_another_province_is_refused(up):
    code = new_code(unit="H40.13738")
    put(up, "g.xml", xml(xml_item(code, unit="H40.13738")))
    assert beside(up, "g.xml", "reason")["code"] == "other-province"
    assert not intake_of(up, code)


def test_an_empty_file_and_one_above_the_limit_are_refused(up):
    put(up, "h.xml", "")
    assert beside(up, "h.xml", "reason")["code"] == "xml-syntax"
    put(up, "i.xml", xml(xml_item(new_code(), note="x" * (5 << 20))))
    reason = beside(up, "i.xml", "reason")
    assert (reason["status"], reason["code"]) == (413, "body-too-large")


def test_a_second_file_of_the_same_name_keeps_the_first(up):
    event = xml(xml_item(new_code()))
    put(up, "j.xml", event)
    first = beside(up, "j.xml")["receipt"]
    put(up, "j.xml", event)
    wait_for("the second to be done", lambda: (up.spool / "done/j~2.xml").exists(), 30)
    second = json.loads((up.spool / "done/j~2.xml.receipt.json").read_text())["receipt"]
    assert (up.verdict("h22", first), up.verdict("h22", second)) == ("new", "duplicate")


# ---- ended and started again ---------------------------------------------------------------------------------------------


def test_a_claimed_file_that_a_crash_left_is_sent_at_the_next_start(up):
    assert up.gateway.stop() == 0
    code = new_code()
    claimed = up.spool / ".claimed/gateway-1/k.xml"
    claimed.write_text(xml(xml_item(code)))
    up.start_gateway()
    assert up.verdict("h22", beside(up, "k.xml")["receipt"]) == "new"
    assert not claimed.exists() and len(intake_of(up, code)) == 1


def test_a_gateway_killed_after_the_claim_loses_nothing_and_doubles_nothing(up):
    code = new_code()
    codes = [f"{code}-{n}" for n in range(600)]
    before = up.verdicts()["new"]
    put(up, "l.xml", xml(*(xml_item(c) for c in codes)))
    wait_for("the claim", lambda: not (up.spool / "l.xml").exists(), 30, every=0.001)
    up.gateway.kill()
    wait_for("the end of the gateway", lambda: not up.gateway.alive(), 10)
    assert (up.spool / ".claimed/gateway-1/l.xml").exists() != (up.spool / "done/l.xml").exists(), "the file is in one place"
    up.start_gateway()
    items = beside(up, "l.xml")["items"]
    assert len(items) == len(codes) and {i["status"] for i in items} == {"accepted"}
    assert {up.verdict("h22", i["receipt"], 60) for i in (items[0], items[-1])} <= {"new", "duplicate"}
    wait_for("every event to be judged", lambda: up.verdicts()["new"] == before + len(codes), 60)
    assert {r[2] for r in intake_of(up, code)} == {f"H22/{c}" for c in codes}
    routed = [r[2] for r in routed_of(up, code)]
    assert sorted(routed) == sorted(f"H22/{c}" for c in codes), "each went on once"


def test_a_bridge_of_a_killed_gateway_goes_on_and_doubles_nothing(up):
    code = new_code()
    codes = [f"{code}-{n}" for n in range(400)]
    before = up.verdicts()["new"]
    with producing(up) as send:
        for n, c in enumerate(codes):
            send("h22.su-kien", xml(xml_item(c)), partition=n % 2)
    wait_for("the first to arrive", lambda: intake_of(up, code), 30, every=0.001)
    up.gateway.kill()
    wait_for("the end of the gateway", lambda: not up.gateway.alive(), 10)
    up.start_gateway()
    wait_for("every event to be judged", lambda: up.verdicts()["new"] == before + len(codes), 60)
    assert sorted(r[2] for r in routed_of(up, code)) == sorted(f"H22/{c}" for c in codes), "each went on once"


def test_a_restarted_bridge_reads_nothing_twice(up):
    code = new_code()
    with producing(up) as send:
        send("h22.ho-so", json.dumps(opencps(code)))
    wait_intake(up, code, 1)
    wait_for("the bridge to be done", lambda: bridge(up, "h22-json")["records"] >= 1, 30)
    assert up.gateway.stop() == 0
    up.start_gateway()
    later = new_code()
    with producing(up) as send:
        send("h22.ho-so", json.dumps(opencps(later)))
    wait_intake(up, later, 1)
    assert len(intake_of(up, code)) == 1
