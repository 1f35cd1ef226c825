"""The judge of tools/chaos delivery: exact facts pass, and each way of being wrong is counted under its name."""

import copy
import json

import pytest

from tools.lt.chaos_delivery_check import COUNTS, PROGRESS, SYNC, Facts, Judge, position_of

WORDS = ("received", "progressed", "completed")


def event(dossier, n, word=None):
    """(key, headers, value) of the n-th event of a dossier."""
    word = word or WORDS[n]
    headers = {"ce_id": f"{dossier}-{n}", "ce_type": f"vn.lienthong.dossier.{word}.v1", "ce_province": dossier[:3]}
    return f"{dossier[:3]}/{dossier}".encode(), headers, json.dumps({"TienDo": {"NoiDungXuLy": f"{dossier} {n}"}}).encode()


def records(*events):
    return [(0, offset, *e) for offset, e in enumerate(events)]


def call(dossier, n, service=PROGRESS, what="", fault="none", applied=True, late=False):
    return {"subject": dossier, "note": f"{dossier} {n}", "service": service, "what": what, "fault": fault, "applied": applied, "late": late}


def whole(dossier):
    """The calls of a dossier without any trouble."""
    return [call(dossier, 0, SYNC, "create"), call(dossier, 0), call(dossier, 1), call(dossier, 2, SYNC, "update"), call(dossier, 2)]


def numbered(calls):
    return [{"seq": seq, **c} for seq, c in enumerate(calls, 1)]


def intent(dossier, n, state="intent"):
    """Of the row of the n-th event, which stands at that offset of its portal's queue."""
    value = {"state": state, "step": "progress", "offset": n}
    return f"I/{dossier[:3]}/{dossier}/{dossier}-{n}/-/progress/{n}".encode(), {}, json.dumps(value).encode()


def counts(**of):
    return {**dict.fromkeys((*COUNTS, "open"), 0), **of}


A, B = "H22-A", "H40-B"  # A's portal holds, B's sends again


def exact():
    events = {d: [event(d, n) for n in range(3)] for d in (A, B)}
    intake = [events[A][0], events[B][0], events[A][1], events[A][0], events[B][1], events[A][2], events[B][2]]  # one is a duplicate
    return Facts(intake=records(*intake), queues={"population": records(*events[A], *events[B]), "hold": records(*events[A]), "again": records(*events[B])},
                 ledgers={"population": [], "hold": records(*(intent(A, n) for n in range(3))), "again": records(*(intent(B, n) for n in range(3)))},
                 histories={"population": [], "hold": [], "again": []}, letters=[],
                 arrivals={"hold": numbered(whole(A)), "again": numbered(whole(B))},
                 positions={"population": counts(ok=4, **{"pass": 2}), "hold": counts(ok=3), "again": counts(ok=3)},
                 acknowledged={(0, 0): events[A][0][2]}, provinces={"hold": "H22", "again": "H40"}, policies={"hold": "hold", "again": "resend"})


def judge(facts):
    found, repeats, examples = Judge(facts).judge()
    assert bool(examples) == any(found.values())
    return {k: v for k, v in found.items() if v}, repeats


def parked(facts, target, dossier, *events, reason="unknown"):
    """These events stand in the ledger, the last of the queue."""
    n = len(facts.ledgers[target])
    key = f"{dossier[:3]}/{dossier}"
    facts.ledgers[target] += [(0, n, f"L/{key}".encode(), {}, json.dumps({"reason": reason, "code": "x"}).encode())]
    facts.ledgers[target] += [(0, n + 1 + i, f"P/{key}/{e:020d}".encode(), {"ce_id": f"{dossier}-{e}"}, b"{}") for i, e in enumerate(events)]
    facts.positions[target].update(ok=3 - len(events), parked=len(events), unknowns=int(reason == "unknown"), rejects=int(reason == "rejected"))
    if reason == "rejected":
        facts.letters.append((0, 0, key.encode(), {"lt_target": target}, b""))


def repeat(facts, target, offset):
    """One is listed and counted."""
    facts.histories[target].append((0, len(facts.histories[target]), b"", {}, json.dumps({"what": "repeat", "offset": offset}).encode()))
    facts.positions[target]["repeats"] += 1


def sent_again(facts, target, dossier, n, fault="drop-after-apply", applied=True):
    """The row was sent before with this fault; an intent more."""
    calls = facts.arrivals[target]
    at = next(i for i, c in enumerate(calls) if c["note"] == f"{dossier} {n}" and c["service"] == PROGRESS)
    calls.insert(at, call(dossier, n, fault=fault, applied=applied))
    facts.arrivals[target] = numbered(calls)
    facts.ledgers[target].append((0, len(facts.ledgers[target]), *intent(dossier, n)))


def test_exact_facts_pass():
    found, repeats = judge(exact())
    assert found == {} and not repeats[False]["counted"] and not repeats[False]["seen"]


def test_a_repeat_that_is_listed_passes_where_the_policy_allows_it_and_is_told():
    facts = exact()
    sent_again(facts, "again", B, 1)
    repeat(facts, "again", 1)
    found, repeats = judge(facts)
    assert found == {} and repeats[False] == {"counted": 1, "seen": 1, "unseen": 0, "rows_doubled": 1}


def test_parked_dossiers_pass_when_the_portal_shows_why():
    facts = exact()
    facts.arrivals["hold"][2:] = []
    facts.arrivals["hold"] = numbered([*facts.arrivals["hold"], call(A, 1, fault="html200", applied=False)])
    parked(facts, "hold", A, 1, 2)
    assert judge(facts)[0] == {}
    facts = exact()
    facts.arrivals["again"] = numbered([*facts.arrivals["again"][:3], call(B, 2, SYNC, "update", fault="backwards", applied=False)])
    parked(facts, "again", B, 2, reason="rejected")
    assert judge(facts)[0] == {}


def test_a_listed_repeat_that_nobody_saw_passes_with_a_cause_only():
    facts = exact()
    repeat(facts, "again", 1)
    assert judge(facts)[0] == {"unbalanced": 1}
    facts.ledgers["again"].append((0, 9, *intent(B, 1)))  # an intent whose call never arrived: its sender was killed before
    found, repeats = judge(facts)
    assert found == {} and repeats[False]["unseen"] == 1
    facts = exact()
    sent_again(facts, "again", B, 1, fault="busy", applied=False)  # the refusal did not reach its sender
    repeat(facts, "again", 1)
    assert judge(facts)[0] == {}


def test_a_call_that_was_let_in_only_after_a_new_login_is_one_call():
    facts = exact()
    facts.arrivals["hold"].insert(1, call(A, 0, fault="session-expired", applied=False))
    facts.arrivals["hold"] = numbered(facts.arrivals["hold"])
    assert judge(facts)[0] == {}


def test_a_row_applied_late_is_wrong_within_the_limits_only():
    facts = exact()
    facts.arrivals["again"] = numbered([*facts.arrivals["again"], call(B, 1, late=True)])
    repeat(facts, "again", 1)
    facts.ledgers["again"].append((0, 9, *intent(B, 1)))
    assert judge(copy.deepcopy(facts))[0] == {"out_of_order": 1}
    facts.beyond = lambda dossier: dossier.endswith(B)
    found, repeats = judge(facts)
    assert found == {} and repeats[True]["rows_doubled"] == 1 and not repeats[False]["counted"]


def cut(target, at):
    def change(f):
        f.arrivals[target] = numbered(f.arrivals[target][:at] + f.arrivals[target][at + 1:])
    return change


def swap(target, i, j):
    def change(f):
        calls = f.arrivals[target]
        calls[i], calls[j] = calls[j], calls[i]
        f.arrivals[target] = numbered(calls)
    return change


def insert(target, at, added):
    def change(f):
        f.arrivals[target] = numbered([*f.arrivals[target][:at], added, *f.arrivals[target][at:]])
    return change


def queue(target, change):
    def doctor(f):
        events = [r[2:] for r in f.queues[target]]
        change(events)
        f.queues[target] = records(*events)
        f.positions[target]["ok"] += len(events) - (6 if target == "population" else 3)
    return doctor


def unlisted(f):
    sent_again(f, "again", B, 1, fault="html200", applied=False)


def doubled_row(f):
    sent_again(f, "again", B, 1)


def against_policy(f):
    sent_again(f, "hold", A, 1, fault="html200", applied=False)
    repeat(f, "hold", 1)


def parked_for_nothing(f):
    parked(f, "hold", A, 2, reason="rejected")
    cut("hold", 4)(f)
    cut("hold", 3)(f)


def held_where_it_is_sent_again(f):
    parked(f, "again", B, 2)


def ahead_of_parked(f):
    parked(f, "hold", A, 1)
    cut("hold", 2)(f)


@pytest.mark.parametrize("change, found", [
    (lambda f: f.acknowledged.update({(0, 99): b"x"}), {"lost": 1}),
    (lambda f: f.placeless.append((0, b"x")), {"lost": 1}),
    (queue("hold", lambda e: e.pop()), {"lost": 1, "unbalanced": 1}),  # and an intent of no event
    (queue("population", lambda e: e.pop(0)), {"lost": 1}),
    (cut("again", 4), {"lost": 1}),
    (cut("hold", 3), {"lost": 1}),
    (queue("hold", lambda e: e.append(e[2])), {"doubled": 1}),
    (insert("hold", 1, call(A, 0, SYNC, "create", applied=False)), {"doubled": 1}),
    (insert("hold", 1, call(A, 0, SYNC, "create")), {"doubled": 2}),
    (doubled_row, {"doubled": 1, "unlisted": 1}),
    (against_policy, {"doubled": 1}),
    (unlisted, {"unlisted": 1}),
    (queue("again", lambda e: e.reverse()), {"out_of_order": 1}),
    (swap("again", 0, 1), {"out_of_order": 1}),
    (swap("hold", 2, 4), {"out_of_order": 3}),
    (ahead_of_parked, {"out_of_order": 2}),
    (lambda f: f.positions["hold"].update(ok=2), {"unbalanced": 1}),
    (lambda f: f.positions["population"].update(open=2), {"unbalanced": 2}),
    (lambda f: f.positions["again"].update(repeats=1), {"unbalanced": 1}),
    (lambda f: f.positions["again"].update(rejects=1), {"unbalanced": 1}),
    (lambda f: f.positions["hold"].update(unknowns=1), {"unbalanced": 1}),
    (lambda f: f.positions["hold"].update(parked=1), {"unbalanced": 1}),
    (lambda f: f.ledgers["again"].pop(), {"unbalanced": 1}),
    (insert("again", 5, call("H40-C", 0)), {"unbalanced": 1}),
    (lambda f: repeat(f, "again", 77), {"unbalanced": 1}),
    (parked_for_nothing, {"unbalanced": 1}),
    (held_where_it_is_sent_again, {"unbalanced": 1}),
], ids=["acknowledged and not in the log", "acknowledged without a place and not there", "not forwarded", "not routed", "row missing",
        "update missing", "queued twice", "created again", "create applied twice", "row twice and not listed", "repeat against the policy",
        "repeat not listed", "queue in another order", "row before the dossier", "rows in another order", "past a parked event",
        "finished and not counted", "something open", "repeat counted and not listed", "rejects without letters", "unknowns without lanes",
        "parked without events", "call without an intent", "call of no event", "repeat of no event", "parked though nobody refused",
        "held against the policy"])
def test_each_wrong_is_counted(change, found):
    facts = exact()
    facts.placeless = []
    change(facts)
    assert judge(facts)[0] == found


def test_a_parked_target_that_refuses_nobody_and_a_lane_that_is_missing_are_unbalanced():
    facts = exact()
    parked(facts, "population", A, 2)
    facts.positions["population"].update(ok=3, parked=1, **{"pass": 2})
    assert judge(facts)[0] == {"unbalanced": 1}
    facts.ledgers["population"].append((0, 9, f"L/H22/{A}".encode(), {}, None))
    facts.positions["population"].update(unknowns=0)
    assert judge(facts)[0] == {"unbalanced": 1}
    facts.ledgers["population"].append((0, 10, f"P/H22/{A}/{2:020d}".encode(), {}, None))
    facts.positions["population"].update(ok=4, unparked=1)
    assert judge(facts)[0] == {}


def test_a_position_is_read_field_by_field_and_another_format_is_refused():
    assert position_of("d2 00000000000000ff 9 120 0 3 1 2 3 4 5 6 7 8 9") == {"open": 3, **dict(zip(COUNTS, range(1, 10)))}
    with pytest.raises(ValueError):
        position_of("d1 00000000000000ff 9 120 -")
