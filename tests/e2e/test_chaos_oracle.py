"""tools/chaos: exact outputs pass, each way of being wrong is counted under its name, and a fault that did not happen fails the run."""

import collections
import signal

import pytest

from tools.lt import chaos_world
from tools.lt.chaos_core import PROCEDURE, ROUTED, TOLD, Oracle
from tools.lt.chaos_world import GATEWAYS, KINDS, Progress, World, schedule, state_of
from tools.lt.stack import Failure, Process, wait_for

KEY = b"H22/HS-1"


def record(offset, identity, digest, version="1"):
    return 0, offset, KEY, {"ce_id": identity * 32, "lt_digest": digest, "lt_digest_v": version, "ce_procedure": PROCEDURE}, f"{identity}{digest}".encode()


INTAKE = [record(0, "a", "one"), record(1, "a", "one"), record(2, "a", "two"), record(3, "b", "one"), record(4, "b", "two", "2"), record(5, "a", "two")]
COUNTED = {"new": 2, "duplicate": 2, "conflict": 2}


def copy(of, offset, **headers):
    _, _, key, h, value = INTAKE[of]
    return 0, offset, key, {**h, "lt_origin": f"1f/0/{of}", **headers}, value


def told(of, offset, verdict):
    return 0, offset, KEY, {"ce_id": f"{of:032x}", "lt_origin": f"1f/0/{of}", "lt_cause": INTAKE[of][3]["ce_id"], "lt_verdict": verdict}, b"{}"


def exact():
    return {TOLD: [told(2, 0, "conflict"), told(4, 1, "conflict")],
            ROUTED: [copy(0, 0), copy(3, 1)], "lt.quarantine": [copy(2, 0, lt_reason="conflict"), copy(4, 1, lt_reason="remapped")], "lt.deadletter": []}


def judge(outputs, acknowledged=()):
    counted = {"invalid": 0, "replay": 0, **COUNTED}
    found, _ = Oracle(INTAKE).judge(outputs, counted, dict(acknowledged))
    return {k: v for k, v in found.items() if v}


def test_exact_outputs_pass():
    assert judge(exact(), {(0, 1): b"aone"}) == {}


@pytest.mark.parametrize("change, found", [
    (lambda o: o[ROUTED].pop(), {"lost": 1}),
    (lambda o: o["lt.quarantine"].pop(0), {"lost": 1}),
    (lambda o: o[ROUTED].append(copy(3, 2)), {"doubled": 1}),
    (lambda o: o[ROUTED].append(copy(5, 2)), {"wrong_verdict": 1}),
    (lambda o: o[ROUTED].append(copy(0, 2, lt_origin="1f/0/9")), {"wrong_verdict": 1}),
    (lambda o: o.update({"lt.quarantine": [copy(2, 0, lt_reason="remapped"), copy(4, 1, lt_reason="remapped")]}), {"wrong_verdict": 1}),
    (lambda o: o.update({ROUTED: [copy(0, 0, lt_digest="two"), copy(3, 1)]}), {"wrong_verdict": 1}),
    (lambda o: o.update({ROUTED: [copy(0, 0), copy(3, 1, ce_procedure="another")]}), {"wrong_verdict": 1}),
    (lambda o: o[ROUTED].append((0, 2, KEY, {"ce_id": "a" * 32}, b"from elsewhere")), {"wrong_verdict": 1}),
    (lambda o: o.update({"lt.events.unrouted": [copy(0, 0)]}), {"wrong_verdict": 1}),
    (lambda o: o.update({ROUTED: [copy(0, 0), copy(3, 1, lt_origin="2e/0/3")]}), {"wrong_verdict": 1}),
    (lambda o: o.update({ROUTED: [copy(3, 0), copy(0, 1)]}), {"out_of_order": 1}),
    (lambda o: o.update({ROUTED: [copy(0, 0), (1, *copy(3, 0)[1:])]}), {"out_of_order": 1}),
    (lambda o: o[TOLD].pop(), {"lost": 1}),
    (lambda o: o[TOLD].append(told(4, 2, "conflict")), {"doubled": 1}),
    (lambda o: o[TOLD].append(told(5, 2, "duplicate")), {"wrong_verdict": 1}),
    (lambda o: o.update({TOLD: [told(2, 0, "invalid"), told(4, 1, "conflict")]}), {"wrong_verdict": 1}),
], ids=["routed copy missing", "quarantined copy missing", "copy twice", "duplicate routed", "unknown origin", "reason", "content", "another header",
        "no origin", "another topic", "another incarnation", "order", "two partitions",
        "province not told", "told twice", "told of a duplicate", "told another verdict"])
def test_each_wrong_is_counted(change, found):
    outputs = exact()
    change(outputs)
    assert judge(outputs) == found


def test_an_acknowledged_record_that_the_log_lacks_is_lost():
    assert judge(exact(), {(0, 6): b"x"}) == {"lost": 1}


def test_one_acknowledged_without_its_place_must_stand_beside_those_whose_place_is_known():
    value = Oracle(INTAKE).at[0, 1][2]
    counted, known = {"replay": 0, **COUNTED}, {(0, 1): value}
    assert Oracle(INTAKE).judge(exact(), counted, {}, [(0, value)])[0]["lost"] == 0
    assert Oracle(INTAKE).judge(exact(), counted, known, [(0, value)] * len(INTAKE))[0]["lost"] > 0


def test_statistics_that_differ_from_the_log_are_wrong_verdicts():
    found, _ = Oracle(INTAKE).judge(exact(), {**COUNTED, "new": 3, "invalid": 0}, {})
    assert found["wrong_verdict"] == 1


def test_every_fault_comes_once_a_round_and_a_seed_gives_one_schedule():
    for seed in range(50):
        for order in schedule(3, seed):
            assert sorted(kind for kind, _, _ in order) == sorted(KINDS)
        assert schedule(3, seed) == schedule(3, seed)
    assert GATEWAYS == 3 and schedule(3, 1) != schedule(3, 2)


def test_a_stall_is_the_longest_stand_of_the_partition_that_stood_longest():
    progress = object.__new__(Progress)
    progress.advances = [[0.0, 10.0, 11.0, 12.0], [0.0, 10.5, 13.0]]
    assert progress.stall(10.0, 13.0) == 2.5
    assert progress.stall(10.0, 20.0) == 8.0
    assert progress.stall(11.5, 12.5) == 1.0, "one that does not advance at all stood all the time"


# ---- faults, upon processes that only sleep ----

@pytest.fixture
def sleeper(tmp_path):
    world = object.__new__(World)
    world.met = collections.Counter()
    process = Process("sleeper", tmp_path, ["sleep", "600"]).start()
    world.alive = [process]
    yield world, process
    process.kill()
    process.stop()


def test_a_round_without_one_of_the_faults_fails():
    world = object.__new__(World)
    world.met = collections.Counter(dict.fromkeys(KINDS, 2))
    world.must_have_met(2)
    world.met["freeze"] -= 1
    with pytest.raises(Failure, match="freeze"):
        world.must_have_met(2)


def test_killing_what_had_ended_by_itself_is_no_fault(sleeper):
    world, process = sleeper
    process.kill(signal.SIGTERM)
    process.popen.wait()
    with pytest.raises(Failure, match="ended by itself"):
        world.kill_stay(process)
    assert not world.met


def test_a_killed_one_counts_once_it_is_gone_and_a_restarted_one_once_it_is_another(sleeper):
    world, process = sleeper
    before = process.pid()
    world.kill_restart(process)
    assert world.met == {"kill_restart": 1} and process.pid() not in (None, before)
    world.kill_stay(process)
    assert world.met["kill_stay"] == 1 and not process.alive() and not world.alive


def test_a_stop_that_is_no_clean_one_fails(sleeper):
    world, process = sleeper
    with pytest.raises(Failure, match="did not stop cleanly"):  # sleep dies of SIGTERM
        world.stop_one(process)
    assert not world.met


def test_a_freeze_counts_when_it_lasted(sleeper, monkeypatch):
    world, process = sleeper
    world.freeze(process, 0.2)
    assert world.met == {"freeze": 1} and state_of(process.pid()) != "T"
    seen = []

    def somebody_thaws_it(pid):
        if "T" in seen:
            process.kill(signal.SIGCONT)
            wait_for("it to go on", lambda: state_of(pid) != "T", 10)
        seen.append(state_of(pid))
        return seen[-1]
    monkeypatch.setattr(chaos_world, "state_of", somebody_thaws_it)
    with pytest.raises(Failure, match="was to be frozen"):
        world.freeze(process, 30)
    assert world.met == {"freeze": 1}
