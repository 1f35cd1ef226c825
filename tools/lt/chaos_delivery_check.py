"""The judge of `tools/chaos delivery`: what the targets say that arrived, against what Kafka says that was accepted, parked and counted.

It knows the protocol (section 3, promises P2 and P5, the equation of section 5) and none of the engine's code. The portals' own lists of calls
tell what was sent, in which order, and what was applied; lt.intake tells what had to be; the ledger only what was put aside, what was about to
be sent, and what was counted. A call is known again by the mark that its event carries.

A repeat is a call for a row sent again although a former call for it may have been applied. `counted`: those that lt.history lists. `seen`:
those that arrived at a portal after such a call. A listed repeat that was not seen must have its cause in the portal's list: either an intent
of that row never arrived (its sender was killed or frozen before it sent), or the former answer that got lost was a refusal.
"""

import collections
import dataclasses
import json

MUST_BE_ZERO = ("lost", "doubled", "out_of_order", "unlisted", "unbalanced")
SYNC, PROGRESS = "DongBoHoSoMC", "CapNhatTienDoHoSoMC"
# After these the sender knows that nothing was applied; after all others it may have been.
REFUSED = {"http401", "http429", "http503", "maintenance", "busy", "backwards", "session-expired"}
# Not applied under one of these the call met an ended session: its sender logs in and sends it once more, under the same intent.
ENDED = {"none", "session-expired", "delay"}
COUNTS = ("ok", "exists", "pass", "skipped", "parked", "unparked", "rejects", "unknowns", "repeats")  # of a position, in its order


@dataclasses.dataclass
class Facts:
    """Everything that is judged. Records are (partition, offset, key, headers, value) of read_committed readers."""

    intake: list
    queues: dict          # target -> records of lt.<target>
    ledgers: dict         # target -> every record of lt.ledger.<target>, tombstones with value None
    histories: dict       # target -> records of lt.history.<target>
    letters: list         # lt.deadletter
    arrivals: dict        # portal -> its list of calls
    positions: dict       # target -> sums over the committed positions: COUNTS and "open"
    acknowledged: dict    # (partition, offset) -> value, as the broker told the sender
    provinces: dict       # portal -> province whose dossiers go there
    policies: dict        # portal -> hold or resend
    placeless: list = ()  # (partition, value): acknowledged without a place
    beyond: callable = lambda key: False  # dossiers of the round beyond the limits


def mark_of(value):
    return json.loads(value)["TienDo"]["NoiDungXuLy"]


def position_of(metadata):
    """The counts of a committed position: `d2 incarnation number base control open counters`."""
    fields = metadata.split(" ")
    if fields[0] != "d2" or len(fields) != 6 + len(COUNTS):
        raise ValueError(f"no position of a delivery queue: {metadata!r}")
    return {"open": int(fields[5]), **dict(zip(COUNTS, map(int, fields[6:])))}


class Ledger:
    """What the records of a target's ledger say by now, and how often each row was about to be sent."""

    def __init__(self, records):
        last = {}
        self.intents = collections.Counter()  # place in the queue -> how often its row was about to be sent
        for p, _, key, headers, value in sorted(records, key=lambda r: r[:2]):
            key = key.decode()
            last[key] = (headers, value)
            if key.startswith("I/") and value is not None:
                open_delivery = json.loads(value)
                if open_delivery["step"] == "progress" and open_delivery["state"] == "intent":
                    self.intents[p, open_delivery["offset"]] += 1
        self.parked = {}  # ce_id -> dossier
        self.lanes = {}   # dossier -> L record
        for key, (headers, value) in last.items():
            if value is not None and key.startswith("P/"):
                self.parked[headers["ce_id"]] = key[2:].rpartition("/")[0]
            elif value is not None and key.startswith("L/"):
                self.lanes[key[2:]] = json.loads(value)


class Judge:
    def __init__(self, facts):
        self.facts = facts
        self.found = dict.fromkeys(MUST_BE_ZERO, 0)
        self.repeats = {False: collections.Counter(), True: collections.Counter()}  # of dossiers beyond the limits: True
        self.examples = []
        self.routed = collections.defaultdict(list)  # dossier -> ce_ids, as first accepted
        self.value = {}                              # ce_id -> of its first record
        self.word = {}                               # ce_id -> received, progressed, …
        for _, _, key, headers, value in sorted(facts.intake, key=lambda r: r[:2]):
            identity = headers["ce_id"]
            if identity not in self.value:
                self.routed[key.decode()].append(identity)
                self.value[identity] = value
                self.word[identity] = headers["ce_type"].split(".")[-2]

    def wrong(self, what, text, times=1):
        self.found[what] += times
        if len(self.examples) < 30:
            self.examples.append(f"{what}: {text}")

    def judge(self):
        """(counts, {beyond the limits or not: {counted, seen, unseen}}, examples)"""
        self.check_intake()
        for target in self.facts.queues:
            self.check_queue(target)
            self.check_equation(target)
        for target in self.facts.arrivals:
            self.check_portal(target)
        return self.found, self.repeats, self.examples

    # ---- the log ----

    def check_intake(self):
        at = {(p, o): value for p, o, _, _, value in self.facts.intake}
        for place, value in self.facts.acknowledged.items():
            if at.get(place) != value:
                self.wrong("lost", f"acknowledged at {place} and not in lt.intake")
        others = collections.Counter((place[0], value) for place, value in at.items() if place not in self.facts.acknowledged)
        others.subtract(self.facts.placeless)
        for (p, _), n in others.items():
            if n < 0:
                self.wrong("lost", f"acknowledged in partition {p} and not in lt.intake", -n)

    def dossiers(self, target):
        """{dossier: ce_ids} that must come to this target's queue."""
        province = self.facts.provinces.get(target)
        return {d: ids for d, ids in self.routed.items() if not province or d.startswith(province + "/")}

    def check_queue(self, target):
        """Every accepted event once, in the order of its dossier."""
        queued = collections.defaultdict(list)
        for _, _, key, headers, _ in sorted(self.facts.queues[target], key=lambda r: r[:2]):
            queued[key.decode()].append(headers["ce_id"])
        wanted = self.dossiers(target)
        for dossier in {*wanted, *queued}:
            want, got = wanted.get(dossier, []), queued.get(dossier, [])
            if want == got:
                continue
            missing, more = collections.Counter(want) - collections.Counter(got), collections.Counter(got) - collections.Counter(want)
            if missing:
                self.wrong("lost", f"lt.{target} lacks {sum(missing.values())} events of {dossier}", sum(missing.values()))
            if more:
                self.wrong("doubled", f"lt.{target} has {sum(more.values())} events of {dossier} too many", sum(more.values()))
            if not missing and not more:
                self.wrong("out_of_order", f"lt.{target} has the events of {dossier} in another order")

    def check_equation(self, target):
        """Protocol 5: what came into the queue is what became of it; and the counters are what the topics hold."""
        counts, ledger = self.facts.positions[target], Ledger(self.facts.ledgers[target])
        finished = counts["ok"] + counts["exists"] + counts["pass"] + counts["skipped"]
        letters = sum(h.get("lt_target") == target for _, _, _, h, _ in self.facts.letters)
        listed = sum(json.loads(value)["what"] == "repeat" for _, _, _, _, value in self.facts.histories[target])
        unknown = sum(lane["reason"] == "unknown" for lane in ledger.lanes.values())
        for what, left, right in (("records = finished + parked", len(self.facts.queues[target]), finished + len(ledger.parked)),
                                  ("open deliveries", counts["open"], 0),
                                  ("parked events in the ledger = parked - unparked", len(ledger.parked), counts["parked"] - counts["unparked"]),
                                  ("rejects = dead letters", counts["rejects"], letters),
                                  ("unknowns = lanes held for it", counts["unknowns"], unknown),
                                  ("repeats = repeats listed in lt.history", counts["repeats"], listed)):
            if left != right:
                self.wrong("unbalanced", f"{target}: {what}: {left} and {right}", abs(left - right))
        if target not in self.facts.provinces and ledger.lanes:
            self.wrong("unbalanced", f"{target}: {len(ledger.lanes)} dossiers are parked at a target that refused nobody", len(ledger.lanes))
        for identity, dossier in ledger.parked.items():
            if dossier not in ledger.lanes:
                self.wrong("unbalanced", f"{target}: an event of {dossier} is parked and its lane is not")
            if identity not in self.value:
                self.wrong("unbalanced", f"{target}: what is parked of {dossier} was never accepted")

    # ---- a portal ----

    def check_portal(self, target):
        facts, ledger = self.facts, Ledger(self.facts.ledgers[target])
        ids = self.dossiers(target)
        place = {mark_of(self.value[i]): (dossier, n, i) for dossier, of in ids.items() for n, i in enumerate(of)}
        calls = collections.defaultdict(list)  # dossier -> [(number of the event in its dossier, ce_id, call)]
        for call in facts.arrivals[target]:
            if call["service"] not in (SYNC, PROGRESS):
                continue
            known = place.get(call["note"])
            if not known or known[0].partition("/")[2] != call["subject"]:
                self.wrong("unbalanced", f"{target}: call {call['seq']} about {call['subject']} is of no accepted event: {call['note']!r}")
            else:
                calls[known[0]].append((known[1], known[2], call))
        counted = collections.Counter()
        by_place = {(p, o): headers["ce_id"] for p, o, _, headers, _ in facts.queues[target]}
        intents = collections.Counter()
        for at, n in ledger.intents.items():
            intents[by_place.get(at)] += n
        for p, _, _, _, value in facts.histories[target]:
            entry = json.loads(value)
            if entry["what"] == "repeat":
                counted[by_place.get((p, entry["offset"]))] += 1
        if counted[None]:
            self.wrong("unbalanced", f"{target}: {counted[None]} repeats are listed of places where the queue holds no event", counted[None])
        for dossier, of in ids.items():
            self.check_order(target, dossier, of, calls[dossier])
            self.check_lane(target, dossier, ledger, calls[dossier])
            for identity in of:
                self.check_event(target, dossier, identity, [c for _, i, c in calls[dossier] if i == identity], identity in ledger.parked)
                self.check_repeats(target, dossier, identity, [c for _, i, c in calls[dossier] if i == identity and c["service"] == PROGRESS],
                                   counted[identity], intents[identity])

    def check_order(self, target, dossier, of, calls):
        """Promise P5: a call starts only after everything before it has a definite outcome."""
        last, rows, created = (0, 0), set(), False
        for n, identity, call in calls:
            at = (n, call["service"] == PROGRESS)
            if call["late"]:  # applied after its sender gave up; later than settle only beyond the limits
                if call["applied"] and at < last and not self.facts.beyond(dossier):
                    self.wrong("out_of_order", f"{target}: a late call for event {n} of {dossier} was applied after one for event {last[0]}")
            elif at < last:
                self.wrong("out_of_order", f"{target}: call {call['seq']} for event {n} of {dossier} came after one for event {last[0]}")
            elif any(of[m] not in rows for m in range(n)):
                self.wrong("out_of_order", f"{target}: call {call['seq']} for event {n} of {dossier}: an earlier one has no row yet")
            if call["what"] == "create" and not call["late"] and created:
                self.wrong("doubled", f"{target}: {dossier} is there and call {call['seq']} creates it again")
            created = created or (call["what"] == "create" and call["applied"])
            if call["service"] == PROGRESS and call["applied"]:
                rows.add(identity)
            last = max(last, at)
        creates = sum(c["what"] == "create" and c["applied"] for _, _, c in calls)
        if creates > 1:
            self.wrong("doubled", f"{target}: {dossier} was created {creates} times", creates - 1)

    def check_event(self, target, dossier, identity, calls, parked):
        """Not lost: it is at the portal, or put aside where an operator sees it."""
        applied = {c["service"] for c in calls if c["applied"]}
        wanted = {PROGRESS} if self.word[identity] == "progressed" else {SYNC, PROGRESS}
        if not wanted <= applied and not parked:
            self.wrong("lost", f"{target}: {self.word[identity]} {identity} of {dossier} is neither at the portal ({sorted(applied)}) nor parked")

    def check_lane(self, target, dossier, ledger, calls):
        """Nobody is put aside without a cause that the portal's list shows or the policy wants."""
        lane = ledger.lanes.get(dossier)
        if not lane:
            return
        refused = any(c["fault"] == "backwards" for _, _, c in calls)
        if lane["reason"] == "rejected" and refused or lane["reason"] == "unknown" and self.facts.policies[target] == "hold":
            return
        self.wrong("unbalanced", f"{target}: {dossier} is parked as {lane['reason']} ({lane['code']}) and nothing at the portal says why")

    def check_repeats(self, target, dossier, identity, calls, counted, intents):
        arrived = refused = seen = 0
        doubtful = False
        for call in calls:
            if call["late"]:
                continue
            ended = not call["applied"] and call["fault"] in ENDED
            arrived += not ended
            seen += doubtful and not ended
            certain = ended or call["fault"] in REFUSED
            refused += certain
            doubtful = doubtful or not certain
        rows = sum(c["applied"] for c in calls)
        if rows > 1 + counted:
            self.wrong("doubled", f"{target}: {rows} rows of {identity} of {dossier}, {counted} repeats listed", rows - 1 - counted)
        if counted and self.facts.policies[target] == "hold":
            self.wrong("doubled", f"{target}: a row of {dossier} was sent again although the policy is to hold it", counted)
        if seen > counted:
            self.wrong("unlisted", f"{target}: {seen} repeats of {identity} of {dossier} arrived, {counted} are listed", seen - counted)
        if arrived > intents:
            self.wrong("unbalanced", f"{target}: {arrived} calls for the row of {identity} of {dossier}, {intents} intents in the ledger", arrived - intents)
        if counted > seen and counted - seen > intents - arrived + refused:
            self.wrong("unbalanced", f"{target}: {counted} repeats of {identity} of {dossier} are listed, {seen} arrived, and the portal shows no cause "
                       f"for the others ({intents} intents, {arrived} calls, {refused} refused)", counted - seen - (intents - arrived + refused))
        sums = self.repeats[self.facts.beyond(dossier)]
        sums["counted"] += counted
        sums["seen"] += seen
        sums["unseen"] += max(0, counted - seen)
        sums["rows_doubled"] += max(0, rows - 1)
