"""The main job on a generated load, looked at from outside: Kafka by a consumer of our own, the targets by the mocks' memory."""

import json
import re

import pytest
import yaml
from confluent_kafka import Consumer, TopicPartition

from tests.e2e.load import Load, by_key, event_id, first_of_each
from tests.e2e.world import World, fresh_world, positions
from tools.lt.stack import ROOT, get

OUTPUTS = ["lt.population", "lt.portal", "lt.events.land", "lt.events.unrouted", "lt.quarantine", "lt.deadletter", "lt.answers", "lt.province",
           "lt.audit"]
VERDICTS = ["new", "duplicate", "conflict", "replay", "invalid"]


class Flow:
    """A World after the whole load went through it, and what Kafka held then."""

    def __init__(self, world, load):
        self.world, self.load = world, load
        load.send(world, "--verdicts")
        self.verified = load.verify(world)
        self.topics = {t: world.read(t) for t in ["lt.intake", "lt.position", *OUTPUTS]}
        self.position = positions(world, "lt.core", "lt.intake")


@pytest.fixture(scope="module")
def flow(tmp_path_factory, pki, bootstrap):
    folder = tmp_path_factory.mktemp("flow")
    load = Load(folder / "load", 11, 60, "--conflicts", "0.05", "--refused", "0.06", "--wrong-citizens", "0.2")
    with fresh_world(folder, pki, bootstrap, citizens=load.citizens) as world:
        world.start()
        yield Flow(world, load)


def ends(world, topics):
    """(topic, partition) -> end of the log, control records included: it moves when anything at all is written."""
    consumer = Consumer({"bootstrap.servers": world.bootstrap, "group.id": "oracle-ends", "isolation.level": "read_uncommitted"})
    try:
        known = consumer.list_topics(timeout=10).topics
        return {(t, p): consumer.get_watermark_offsets(TopicPartition(t, p), timeout=10)[1] for t in topics for p in known[t].partitions}
    finally:
        consumer.close()


def counters_of(metadata):
    """The core's metadata, by its documented fields: c2 incarnation partitions G K clock anchor sum new … holes."""
    fields = metadata.split()
    assert fields[0] == "c2" and len(fields) == 15, metadata
    return dict(zip([*VERDICTS, "undeliverable", "holes"], map(int, fields[8:])))


def personal_words(load):
    """Numbers, names, telephones and addresses of the load's citizens, as they were sent."""
    words = set()
    for c in json.loads(load.citizens.read_text()):
        words |= {c["SoDinhDanh"], c["HoVaTen"]}
    for path in (load.folder / "events").rglob("*.*"):
        text = path.read_text()
        words |= set(re.findall(r"[>\"](\d{12})[<\"]", text))
        words |= set(re.findall(r"congdan\d+@thu\.example", text))
        words |= set(re.findall(r"<(?:\w+:)?(?:ChuHoSo|HoVaTen)>([^<]+)<", text))
        words |= set(re.findall(r"\"(?:applicantName|fullname)\":\s?\"([^\"\\]+)\"", text))
    return {w for w in words if not w.startswith("Công ty")}


def test_everything_at_the_portal_and_the_population_database_is_what_the_generator_knows(flow):
    code, text = flow.verified
    assert code == 0, text


def test_the_intake_records_are_the_sum_of_the_verdicts_in_the_committed_metadata(flow):
    totals = flow.load.totals
    assert len(flow.topics["lt.intake"]) == totals["accepted"]
    summed = dict.fromkeys(VERDICTS, 0)
    for partition, (offset, metadata) in flow.position.items():
        counters = counters_of(metadata)
        assert sum(counters[v] for v in VERDICTS) == offset - counters["holes"]
        assert offset == sum(r[0] == partition for r in flow.topics["lt.intake"])
        for v in VERDICTS:
            summed[v] += counters[v]
    assert summed == {"new": totals["new"], "duplicate": totals["duplicate"], "conflict": totals["conflict"], "replay": 0, "invalid": 0}


def test_the_position_topic_tells_the_same_as_the_committed_offset(flow):
    last = {}
    for _, _, key, _, value in flow.topics["lt.position"]:
        last[key] = value.decode()
    moved = {p: at for p, at in flow.position.items() if at[0] > 0}
    assert moved
    for partition, (_, metadata) in moved.items():
        assert metadata in last[str(partition)]


def test_every_new_event_is_once_in_the_first_queue_and_once_in_the_second_in_intake_order(flow):
    wanted = first_of_each(flow.topics["lt.intake"])
    assert sum(map(len, wanted.values())) == flow.load.totals["new"]
    assert by_key(flow.topics["lt.population"]) == wanted
    assert by_key(flow.topics["lt.portal"]) == wanted


def test_a_dossier_stays_on_one_partition_of_each_queue(flow):
    for topic in ("lt.intake", "lt.population", "lt.portal"):
        places = {}
        for partition, _, key, _, _ in flow.topics[topic]:
            places.setdefault(key, set()).add(partition)
        assert all(len(p) == 1 for p in places.values()), topic


def test_only_land_procedures_stand_in_the_topic_of_land(flow):
    land = flow.topics["lt.events.land"]
    assert 0 < len(land) == flow.load.totals["routed"]["lt.events.land"] < flow.load.totals["new"]
    assert len({r[3]["ce_id"] for r in land}) == len(land)
    assert flow.topics["lt.events.unrouted"] == []


def test_the_portal_queue_differs_from_the_first_only_by_the_hop_and_the_result_of_the_check(flow):
    sent = {r[3]["ce_id"]: r for r in flow.topics["lt.population"]}
    for _, _, _, headers, value in flow.topics["lt.portal"]:
        before = sent[headers["ce_id"]]
        assert {**headers, "lt_hop": "0"} == before[3] and headers["lt_hop"] == "1"
        data = json.loads(value)
        data.get("HoSo", {}).pop("DSKetNoiCSDL", None)
        assert data == json.loads(before[4])


def test_conflicts_are_quarantined_with_both_references(flow):
    intake = {(p, o): (key, headers, value) for p, o, key, headers, value in flow.topics["lt.intake"]}
    quarantined = flow.topics["lt.quarantine"]
    assert 0 < len(quarantined) == flow.load.totals["conflict"]
    for _, _, key, headers, value in quarantined:
        at, first = (tuple(map(int, headers[name].split("/")[1:])) for name in ("lt_origin", "lt_first"))
        other_key, other, other_value = intake[first]
        assert intake[at][2] == value
        assert (other_key, other["ce_id"]) == (key, headers["ce_id"]) and other["lt_digest"] != headers["lt_digest"]
        assert other_value != value and headers["lt_reason"] == "conflict"


def test_the_province_is_told_of_each_conflict_once_and_of_nothing_else_the_core_decided(flow):
    told = [(key, headers, json.loads(value)) for _, _, key, headers, value in flow.topics["lt.province"] if headers["ce_source"] == "urn:lienthong:core"]
    quarantined = {h["lt_origin"]: (key, h) for _, _, key, h, _ in flow.topics["lt.quarantine"]}
    assert len(told) == len(quarantined) and {h["lt_origin"] for _, h, _ in told} == set(quarantined)
    for key, headers, data in told:
        of_key, of = quarantined[headers["lt_origin"]]
        assert (key, headers["ce_type"], headers["lt_cause"]) == (of_key, "vn.lienthong.verdict.conflict.v1", of["ce_id"])
        places = [".".join(of[name].split("/")[1:]) + "." + of["ce_id"] for name in ("lt_origin", "lt_first")]
        assert (data["verdict"], data["MaHoSo"], [data["receipt"], data["first"]]) == ("conflict", key.split("/")[1], places)
    assert len({h["ce_id"] for _, h, _ in told}) == len(told)


def test_refused_inputs_are_dead_letters_with_their_raw_bytes_and_their_reason(flow):
    dead = [(headers, value) for _, _, _, headers, value in flow.topics["lt.deadletter"]]
    wanted = {"other-province" if code == "forbidden" else code: n for code, n in flow.load.truth["refused_by_code"].items()}
    found = {}
    for headers, _ in dead:
        found[headers["lt_reason"]] = found.get(headers["lt_reason"], 0) + 1
    assert found == wanted and sum(wanted.values()) > 5
    values = [value for _, value in dead]
    for row in flow.load.rows():
        if len(row["items"]) == 1 and row["items"][0]["expect"] == "refused":
            raw = (flow.load.folder / row["path"]).read_bytes()
            assert raw in values, f"{row['path']} ({row['items'][0]['code']}) is not in lt.deadletter as it was sent"


def test_submissions_for_another_province_are_audited(flow):
    forbidden = flow.load.truth["refused_by_code"].get("forbidden", 0)
    assert forbidden > 0
    refusals = [r for r in flow.topics["lt.audit"] if json.loads(r[4]).get("action") == "submission-refused"]
    assert len(refusals) == forbidden


def test_every_applied_call_is_an_answer_event(flow):
    totals = flow.load.totals
    applied = {"create": 0, "update": 0, "progress": 0}
    seen = set()
    for _, _, key, headers, value in flow.topics["lt.answers"]:
        if headers["ce_source"] != "urn:lienthong:target:portal":
            continue
        data = json.loads(value)
        applied[data["operation"]] += 1
        seen.add(headers["ce_id"])
        assert key.endswith("/" + data["MaHoSo"]) and headers["lt_cause"] == data["event"]
    assert applied == {"create": totals["portal_creates"], "update": totals["portal_updates"], "progress": totals["portal_progress"]}
    assert len(seen) == sum(applied.values())


def test_mismatches_are_told_to_the_province_without_citizen_data(flow):
    told = [r for r in flow.topics["lt.province"] if r[3]["ce_source"] == "urn:lienthong:target:population"]
    assert 0 < len(told) == flow.load.totals["population_no_match"]
    causes = {r[3]["ce_id"] for r in flow.topics["lt.population"]}
    words = personal_words(flow.load)
    for _, _, key, headers, value in told:
        code = key.split("/")[1]
        assert flow.load.truth["dossiers"][code]["citizen"] == "no_match" and headers["lt_cause"] in causes
        text = value.decode()
        assert not any(w in text for w in words), "an event to the province holds citizen data"
        assert "CongDan" not in text and "SoDinhDanh" not in text


def test_the_check_result_is_in_a_portal_item_exactly_when_the_population_database_matched(flow):
    seen = {"match": 0, "no_match": 0, "none": 0}
    for code, life in flow.load.truth["dossiers"].items():
        dossier = flow.world.dossier(code)
        for row in dossier["creates"] + dossier["updates"]:
            assert bool(row["item"].get("DSKetNoiCSDL")) == (life["citizen"] == "match"), code
            seen[life["citizen"]] += 1
    assert all(seen.values()), seen


def test_neither_logs_nor_status_nor_metrics_hold_personal_data(flow):
    words = personal_words(flow.load)
    assert len(words) > 60
    for what, text in {"log": flow.world.gateway.log.read_text(), "status": get(f"{flow.world.admin}/status")[1].decode(),
                       "metrics": get(f"{flow.world.admin}/metrics")[1].decode()}.items():
        assert text and not [w for w in words if w in text], what
        assert "CongDan" not in text and "SoDinhDanh" not in text, what


def test_the_portal_is_never_sent_a_field_that_it_does_not_know(flow):
    counters = flow.world.counters()
    assert counters["rejected"] == 0 and counters["errors"] == 0
    for code in flow.load.truth["dossiers"]:
        dossier = flow.world.dossier(code)
        for row in dossier["creates"] + dossier["updates"] + dossier["progress"]:
            assert not {"CongDan", "CanBo"} & row["item"].keys()


def test_sending_all_accepted_events_again_changes_no_output_topic_and_no_mock_counter(flow, tmp_path):
    again = Load.__new__(Load)
    again.folder = flow.load.folder / "again"
    again.folder.mkdir()
    (again.folder / "events").symlink_to(flow.load.folder / "events")
    events = 0
    with open(again.folder / "manifest.ndjson", "w", encoding="utf-8") as f:
        for row in flow.load.rows():
            if any(i["expect"] == "refused" for i in row["items"]):
                continue
            for item in row["items"]:
                item["expect"] = "duplicate"
            events += len(row["items"])
            f.write(json.dumps(row) + "\n")
    world = flow.world
    before = (ends(world, OUTPUTS), world.counters(), world.counters("population"))
    verdicts = world.verdicts()
    again.send(world)
    world.wait_judged(sum(verdicts.values()) + events)
    assert (ends(world, OUTPUTS), world.counters(), world.counters("population")) == before
    assert world.verdicts() == {**verdicts, "duplicate": verdicts["duplicate"] + events}
    assert events > 200


def test_the_same_event_in_another_dialect_is_a_duplicate(flow):
    """The pairs that the mappings' examples claim to be the same."""
    world, folder = flow.world, ROOT / "config/mappings/examples"
    pairs = [(folder / "opencps-json", e["in"], e["same-as"])
             for e in yaml.safe_load((ROOT / "config/mappings/opencps-json.yaml").read_text())["examples"] if "same-as" in e]
    assert len(pairs) >= 4
    for _, other, first in pairs:
        receipts = []
        for name, media in ((first, "application/xml"), (other.removeprefix("examples/"), "application/json")):
            status, answer = world.post("h22", (folder / name).read_bytes(), media=media)
            assert status == 202, answer
            receipts.append(answer["receipt"])
        assert event_id(receipts[0]) == event_id(receipts[1])
        assert [world.verdict("h22", r) for r in receipts] == ["new", "duplicate"], other
