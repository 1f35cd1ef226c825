"""Refused inputs once more: what was refused for a mistake in a table of ours goes through ingest again when the table is mended."""

import json

import pytest

from tests.e2e.events import JSON, XML, new_code, opencps, xml, xml_item
from tests.e2e.world import LIENTHONG, fresh_world, run
from tools.lt.stack import wait_for

UNIT = "H22.ZZ9"  # not in config/tables/units.yaml
MENDED = f'entries:\n  - {{code: {UNIT}, name: "Ủy ban nhân dân xã Mẫu", level: commune}}\n'


@pytest.fixture(scope="module")
def up(tmp_path_factory, pki, bootstrap):
    with fresh_world(tmp_path_factory.mktemp("deadletter"), pki, bootstrap) as world:
        world.start()
        yield world


def deadletter(up, *argv, check=0, config=None):
    return run(LIENTHONG, "deadletter", *argv, "--config", config or up.config, check=check, timeout=120)


def rows(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def verdicts(up, wanted):
    """Wait until these verdicts came on top of `wanted["from"]`."""
    before = wanted.pop("from")

    def came():
        now = up.verdicts()
        return {k: now[k] - before[k] for k in now if now[k] != before[k]} == wanted
    wait_for(f"the verdicts {wanted}", came, 30)


def test_refused_for_a_table_and_resubmitted_after_it_is_mended_they_are_new_and_a_second_time_duplicates(up):
    one, two, three, strange = (new_code() for _ in range(4))
    before = up.verdicts()
    status, answer = up.post("h22", opencps(one, govAgencyCode=UNIT), JSON)
    assert (status, answer["code"]) == (422, "unknown-unit")
    status, answer = up.post("h22", xml(xml_item(two, unit=UNIT), xml_item(three, unit=UNIT)), XML)
    assert [i["problem"]["code"] for i in answer["items"]] == ["unknown-unit"] * 2
    assert up.post("h22", opencps(strange, serviceCode="9.999999"), JSON)[0] == 422
    assert "unknown-unit" in deadletter(up, "list", "--client", "h22", check=1).stdout

    # Nothing is mended yet: the preview says so, and writes nothing.
    letters, audits = up.count("lt.deadletter"), up.count("lt.audit")
    preview = deadletter(up, "resubmit", "--reason", "unknown-unit", "--dry-run", check=1)
    assert "3 refused inputs chosen: 0 would be accepted, 3 would be refused" in preview.stderr, preview.stderr
    assert (up.count("lt.deadletter"), up.count("lt.audit")) == (letters, audits)

    # Sent all the same, one is refused again: a new letter that counts, and the old one is dealt with.
    first = rows(deadletter(up, "resubmit", "--reason", "unknown-unit", "--dry-run", "--json", check=1))[0]["deadletter"]
    again = rows(deadletter(up, "resubmit", first, "--json", check=1))
    assert [(r["deadletter"], r["result"], r["code"]) for r in again] == [(first, "refused again", "unknown-unit")]
    letter = next(h for *_, h, _ in up.read("lt.deadletter") if h.get("lt_resubmit_of") == first)
    assert (letter["lt_resubmits"], letter["lt_client"], letter["lt_source"]) == ("1", "h22", "http")
    assert "1 left out" in deadletter(up, "resubmit", "--reason", "unknown-unit", "--rounds-max", "1", "--dry-run", check=1).stderr
    assert sum(up.verdicts().values()) == sum(before.values())

    up.edit("tables/units.yaml", "entries:\n", MENDED)
    assert deadletter(up, "resubmit", "--reason", "unknown-unit", "--dry-run").stderr.split("\n")[:2] == [
        "     3 would be accepted", "4 refused inputs chosen: 3 would be accepted, 0 would be refused, 0 left out, 1 dealt with before"]
    done = rows(deadletter(up, "resubmit", "--reason", "unknown-unit", "--province", "H22", "--since", "1h", "--rate", "50", "--who", "lan", "--json"))
    assert [r["result"] for r in done] == ["accepted"] * 3
    verdicts(up, {"from": before, "new": 3})
    keys = {r[2]: r[3] for r in up.read("lt.intake")}
    assert {f"H22/{c}" for c in (one, two, three)} <= set(keys) and f"H22/{strange}" not in keys
    assert all(keys[f"H22/{c}"]["lt_client"] == "h22" for c in (one, two, three))
    audited = [json.loads(v) for _, _, key, h, v in up.read("lt.audit") if key == "lan" and "lt_deadletter" in h]
    assert [(a["action"], a["accepted"], a["refused"]) for a in audited] == [("deadletter-resubmit", 1, 0)] * 3

    # The list says what became of each; the strange one was not sent again.
    listed = deadletter(up, "list", "--client", "h22", "--reason", "unknown-*", check=1)
    of = {line.split()[0]: line for line in listed.stdout.splitlines()}
    assert "unknown-unit (refused again): unit: expected" in of[first] and len(of) == 5 and "4 inputs that were sent again since" in listed.stderr
    assert sum("(accepted since)" in line for line in of.values()) == 3
    assert sum("(" not in line.partition(":")[0] and strange in line for line in of.values()) == 1

    # Dealt with: nothing is sent. Asked for all the same: duplicates, and nothing goes on twice.
    before = up.verdicts()
    assert "4 dealt with before" in deadletter(up, "resubmit", "--reason", "unknown-unit").stderr
    deadletter(up, "resubmit", "--reason", "unknown-unit", "--all")
    verdicts(up, {"from": before, "duplicate": 3})
    routed = [r[2] for r in up.read("lt.population")]
    assert sorted(k for k in routed if k in {f"H22/{c}" for c in (one, two, three)}) == sorted(f"H22/{c}" for c in (one, two, three))


def test_a_resubmitted_input_has_its_clients_rights_and_no_more(up):
    code = new_code(unit="H40.13738")
    status, answer = up.post("h22", opencps(code, govAgencyCode="H40.13738"), JSON)
    assert status == 403, answer
    refused = rows(deadletter(up, "resubmit", "--reason", "other-province", "--json", check=1))
    assert [r["code"] for r in refused] == ["other-province"]
    assert not [r for r in up.read("lt.intake") if code in r[2]]


def test_a_letter_that_was_cut_is_left_out_and_says_why(up):
    status, answer = up.post("h22", xml(xml_item(new_code(), note="x" * (5 << 20))), XML)
    assert status == 413, answer
    result = deadletter(up, "resubmit", "--reason", "body-too-large", check=1)
    assert "64 KiB" in result.stderr and "sender has to send it again" in result.stderr and "truncated" in result.stdout


def test_the_exit_code_tells_usage_configuration_and_kafka_apart(up, tmp_path):
    deadletter(up, "resubmit", "nonsense", check=2)
    deadletter(up, "resubmit", "--rate", "0", check=2)
    assert "choose by --reason, --client" in deadletter(up, "resubmit", "--procedure", "1.001193", check=2).stderr
    assert "is no refused input" in deadletter(up, "resubmit", "0.999999", check=1).stderr
    twin = up.twin("deadletter-without-kafka").config
    text = twin.read_text()
    assert up.bootstrap in text
    twin.write_text(text.replace(up.bootstrap, "127.0.0.1:1"))
    deadletter(up, "resubmit", check=69, config=twin)
    twin.write_text(text + "nonsense: 1\n")
    deadletter(up, "resubmit", check=78, config=twin)
