"""Records in lt.intake that the gateway did not write, or that do not fit: each has a named outcome, and what comes after goes on."""

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from tests.e2e.intake import Core, NO_ROUTE
from tests.e2e.world import LIENTHONG, run
from tools.lt.stack import wait_for


@pytest.fixture
def core(world):
    c = Core(world)
    world.topics()
    return c


def limit(core, topic, size):
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    for future in core.admin.incremental_alter_configs([resource]).values():
        future.result()


def dead_letters(core):
    """offset in intake -> headers and value"""
    return {int(h["lt_origin"].rpartition("/")[2]): (h, value) for _, _, _, h, value in core.world.read("lt.deadletter")}


def test_records_that_are_no_events_are_dead_letters_with_their_reason_and_the_next_goes_on(core):
    core.start()
    core.append(0)
    strange = {"no ce_id": {"ce_id": None}, "a ce_id of another length": {"ce_id": "abc123"}, "a digest of another length": {"lt_digest": "00"},
               "capitals": {"ce_id": "A" * 32}, "a key of another dossier": {"ce_subject": "HS-9999"}, "no version": {"lt_digest_v": None},
               "a version that is none": {"lt_digest_v": "99"}, "another specification": {"ce_specversion": "0.3"},
               "a hundred headers": {f"x{i}": "y" for i in range(100)},
               "most of a megabyte of headers": {f"x{i}": "y" * 9000 for i in range(100)}}
    for n, changes in enumerate(strange.values(), 1):
        core.append(n, **changes)
    core.append("a key of most of a megabyte", key="K" * 1_000_000)
    strange["a key of most of a megabyte"] = {}
    core.append("somebody else's", value=b"\x00\xff\xfe", key="?", **dict.fromkeys(("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject",
                "ce_time", "ce_province", "lt_digest", "lt_digest_v", "lt_time")))
    core.append(50)
    core.wait_judged()
    letters = dead_letters(core)
    assert sorted(letters) == list(range(1, len(strange) + 2))
    for h, _ in letters.values():
        assert h["lt_reason"] == "invalid" and h["lt_detail"], h
    assert letters[len(strange) + 1][1] == b"\x00\xff\xfe", "the raw bytes are kept"
    report = core.command("status", "--partition", "0")["partitions"][0]
    assert (report["new"], report["invalid"], report["adds_up"]) == (2, len(strange) + 1, True)
    assert core.partitions()[0]["state"] == "running"


def test_an_event_with_most_of_a_megabyte_in_one_header_is_an_event(core):
    core.start()
    core.append(0, x="y" * 900_000)
    core.append(1)
    core.wait_judged()
    core.must_be_exactly_once()
    assert core.command("status", "--partition", "0")["partitions"][0]["new"] == 2


def test_a_megabyte_of_headers_does_not_enter_and_where_somebody_raised_the_limit_it_stops_nothing(core):
    core.start()
    core.append(0)
    with pytest.raises(AssertionError, match="MSG_SIZE_TOO_LARGE"):
        core.append(1, x="y" * (1 << 20))
    assert core.ends()[1] == 1
    limit(core, "lt.intake", 4_000_000)
    core.append(1, x="y" * (1 << 20))  # an event, but for no output
    core.append(2, **{f"x{i}": "y" * 1000 for i in range(1100)})  # none
    core.append_range(3, 5)
    core.append(1)
    core.wait_judged()
    letters = {offset: (h["lt_reason"], h.get("lt_topic")) for offset, (h, _) in dead_letters(core).items()}
    assert set(letters) == {1, 2} and letters[2] == ("invalid", None) and letters[1][0] == "undeliverable" and letters[1][1] in core.outputs()
    report = core.command("status", "--partition", "0")["partitions"][0]
    assert (report["new"], report["duplicate"], report["invalid"], report["undeliverable"], report["adds_up"]) == (4, 1, 1, 1, True)
    verified = core.command("verify", "--partition", "0")["partitions"][0]
    assert (verified["lost"], verified["doubled"], verified["wrong_verdict"]) == (0, 0, 0)


def test_a_copy_over_the_limit_of_its_topic_is_a_dead_letter_and_the_other_copies_stay(core):
    core.start()
    core.append(0)
    core.wait_judged()
    (topic,) = [t for t in core.outputs() if t not in NO_ROUTE and core.world.count(t)][:1]
    limit(core, topic, 4000)
    core.append(1, value=b'{"HoSo":{"TrichYeuHoSo":"' + b"x" * 6000 + b'"}}')
    core.append(2)
    core.wait_judged()
    (letter,) = dead_letters(core).values()
    assert (letter[0]["lt_reason"], letter[0]["lt_topic"]) == ("undeliverable", topic)
    assert core.copies()[topic] == {(0, 0): 1, (0, 2): 1}
    report = core.command("status", "--partition", "0")["partitions"][0]
    assert (report["new"], report["undeliverable"]) == (3, 1)
    verified = core.command("verify", "--partition", "0")["partitions"][0]
    assert (verified["lost"], verified["doubled"], verified["wrong_verdict"]) == (0, 0, 0)


def test_a_routed_topic_that_is_missing_stops_and_is_never_made_or_left_out(core):
    core.start()
    core.append(0)
    core.wait_judged()
    core.stop()
    for future in core.admin.delete_topics(["lt.quarantine"]).values():
        future.result()
    core.append(1)
    core.start(ready=False)
    stop = core.stop_of("TOPIC-MISSING")
    assert "lt.quarantine" in stop["text"] and stop["command"] == "lienthong topics create"
    assert "lt.quarantine" not in core.admin.list_topics(timeout=10).topics and core.committed() == 1
    run(LIENTHONG, "topics", "create", "--config", core.world.config, check=0)
    core.command("rebuild", "--partition", "0")
    core.wait_judged()
    core.must_be_exactly_once()


def test_two_gateways_of_one_name_do_not_both_decide(core):
    core.start()
    core.append(0)
    core.wait_judged()
    second = core.world.twin("gateway-2", "--roles", "core")
    path = second.config
    path.write_text(path.read_text().replace("instance: gateway-2", "instance: gateway-1"))
    second.start()
    try:
        wait_for("one of the two to end", lambda: not (second.alive() and core.world.gateway.alive()), 60)
        ended = core.world.gateway if not core.world.gateway.alive() else second
        assert ended.popen.wait(10) == 78
        said = ended.log.read_text()
        assert all(part in said for part in ("another process runs under the instance name gateway-1", "nothing is in danger", "its own `instance:`")), said
        core.append_range(0, 4)
        core.wait_judged()
        core.must_be_exactly_once()
    finally:
        second.stop()
