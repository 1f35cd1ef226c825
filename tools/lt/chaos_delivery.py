"""`tools/chaos delivery`: the way to the targets as real processes under seeded faults, judged by what the targets say that arrived.

Dossiers stream into lt.intake; the core routes them to the population database and on to one of two portals, one whose policy for a progress
row of unknown outcome is `hold` and one with `resend` (lienthong-mock, over mutual TLS). Each at least once a round the targets do every wrong
that they know, for dossiers, rows, look-ups and identity checks, while gateways are killed, frozen for longer than the session and shorter
than session + settle, stopped and started, and the broker is bounced cleanly and by kill -9. At the end of a round the faults must have been
met (the targets' own lists say so) and every queue must run empty. Then chaos_delivery_check.py compares the portals' lists of calls with
lt.intake and the ledgers.

The last round is beyond the limits of promise P5: rows applied later than settle, and a gateway frozen for longer than session + settle while
its calls are out. There rows may stand twice; every one of them must be listed. It fails when none could be seen.
"""

import collections
import io
import json
import random
import shutil
import socket
import struct
import threading
import time

from tools.lt.chaos_core import INTAKE, Load, hash_of
from tools.lt.chaos_delivery_check import COUNTS, MUST_BE_ZERO, PROGRESS, SYNC, Facts, Judge, position_of
from tools.lt.chaos_world import World, read, say, schedule, topics
from tools.lt.stack import ROOT, Failure, Https, Process, wait_for

MOCK = ROOT / "build/release/lienthong-mock"
HOLD, RESEND, CHECK = "portal", "portal-resend", "population"
PROVINCES = {HOLD: "H22", RESEND: "H40"}
TARGETS = (CHECK, HOLD, RESEND)
TIMEOUT_MS, SETTLE_MS, SESSION_S = 3000, 3000, 10
FROZEN_S = 11.5           # longer than the session, shorter than session + settle
FROZEN_BEYOND_S = 18      # longer than session + settle
LATE_MS = 4500            # applied after the caller gave up, before it is settled
LATE_BEYOND_MS = TIMEOUT_MS + SETTLE_MS + 4000
RECOVER_S, EMPTY_S = 600, 600  # a broker that starts on a busy machine has taken a minute, and the groups another
ACTIVE = 40               # dossiers that events come for at the same time
BEYOND = 99               # the number of the round beyond the limits

# kind -> milliseconds that the fault lasts; 0 where it has no length.
PORTAL_FAULTS = {"delay": 800, "drop-after-apply": 0, "drop-before": 0, "timeout-after-apply": 4000, "apply-late": LATE_MS, "http500": 0,
                 "http401": 0, "http429": 1000, "http503": 0, "html200": 0, "half-body": 0, "slow-body": 6000, "reset": 0, "reset-after-apply": 0,
                 "busy": 0, "session-expired": 0}
LOOKUP_FAULTS = ("http500", "html200", "drop-before")
CHECK_FAULTS = {"delay": 800, "drop-after-apply": 0, "apply-late": LATE_MS, "http500": 0, "http401": 0, "http429": 1000, "html200": 0, "half-body": 0,
                "reset": 0, "soap-fault": 0}
MAINTENANCE_MS = 1500


def faults_of(target, rng):
    """[(kind, service, ms)] of a round in the order of the draw: every fault for every service that it can meet."""
    if target == CHECK:
        out = [(kind, "", ms) for kind, ms in CHECK_FAULTS.items()]
    else:
        out = [(kind, service, ms) for kind, ms in PORTAL_FAULTS.items() for service in (SYNC, PROGRESS)]
        out += [(kind, "TraCuuHoSo", 0) for kind in LOOKUP_FAULTS]
        out.append(("backwards", rng.choice((SYNC, PROGRESS)), 0))
    out.append(("maintenance", "", MAINTENANCE_MS))
    rng.shuffle(out)
    return out


def committed(bootstrap, group, topic, partitions):
    """The metadata of a group's committed offsets, by OffsetFetch (version 1, from the one broker): the client library hands metadata on
    without its length, and what stands behind it in memory with it."""
    def text(s):
        return struct.pack(">h", len(s)) + s.encode()

    body = struct.pack(">hhi", 9, 1, 1) + text("chaos") + text(group) + struct.pack(">i", 1) + text(topic)
    body += struct.pack(f">i{partitions}i", partitions, *range(partitions))
    host, _, port = bootstrap.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as s, s.makefile("rb") as f:
        s.sendall(struct.pack(">i", len(body)) + body)
        answer = io.BytesIO(f.read(*struct.unpack(">i", f.read(4))))

    def take(form):
        return struct.unpack(form, answer.read(struct.calcsize(form)))

    take(">ii")  # correlation, one topic
    answer.read(*take(">h"))
    out = []
    for _ in range(*take(">i")):
        partition, _, size = take(">iqh")
        out.append(answer.read(max(size, 0)).decode())
        error, = take(">h")
        if error or not out[-1]:
            raise Failure(f"group {group} has no position on partition {partition} of {topic} (error {error})")
    return out


class Dossiers(Load):
    """Dossiers as they live: received, some steps, completed; now and then an event is sent again. Every event carries a mark that the portals
    show again. `round` numbers the dossiers begun from now on; while `flowing` is clear nothing is sent."""

    def __init__(self, bootstrap, partitions, seed, rate):
        super().__init__(bootstrap, partitions, seed, rate)
        self.sample = json.loads((ROOT / "schemas/canonical/valid/received.json").read_text())
        self.open, self.sent = [], collections.deque(maxlen=200)
        self.round, self.begun = 0, 0
        self.flowing = threading.Event()

    def begin_round(self, number):
        self.round, self.open = number, []
        self.flowing.set()

    def end_round(self):
        """Everything sent so far is acknowledged when this returns."""
        self.flowing.clear()
        if self.failure:
            raise Failure(f"the load ended: {self.failure}")
        wait_for("the broker to acknowledge the last events", lambda: len(self.producer) == 0, RECOVER_S)

    def run(self):
        try:
            due = time.monotonic()
            while not self.ending.is_set():
                if self.flowing.is_set() and time.monotonic() >= due:
                    self.send()
                    due = max(due + 1 / self.rate, time.monotonic() - 1)  # what a wait held up comes in a burst of a second
                self.producer.poll(0.005)
        except Exception as e:  # told by whoever waits
            self.failure = e

    def begin_dossier(self):
        province = self.rng.choice(list(PROVINCES.values()))
        self.begun += 1
        code = f"{province}.00847-25{self.round:02d}02-{self.begun:05d}"
        return {"province": province, "code": code, "at": 0, "words": ["received", *["progressed"] * self.rng.randint(1, 3), "completed"]}

    def event(self):
        rng = self.rng
        if self.sent and rng.random() < 0.05:
            return rng.choice(self.sent)
        if len(self.open) < ACTIVE:
            self.open.append(self.begin_dossier())
        d = rng.choice(self.open)
        event = self.write(d, d["words"][d["at"]])
        d["at"] += 1
        if d["at"] == len(d["words"]):
            self.open.remove(d)
        self.sent.append(event)
        self.events += 1
        return event

    def write(self, d, word):
        data = json.loads(json.dumps(self.sample))
        mark = f"{d['code']} {d['at']}"
        status = {"received": "2", "progressed": "4", "completed": "9"}[word]
        data["TienDo"] |= {"MaHoSo": d["code"], "NoiDungXuLy": mark, "TrangThai": status}
        data["HoSo"] |= {"MaHoSo": d["code"], "TrichYeuHoSo": mark, "TrangThaiHoSo": status}
        if d["at"] % 2:  # somebody whom the population database does not know
            data["CongDan"]["SoDinhDanh"] = "002090000999"
        if word == "progressed":
            del data["HoSo"], data["CongDan"]
        value = json.dumps(data, ensure_ascii=False).encode()
        headers = {"content-type": "application/json", "ce_specversion": "1.0", "ce_id": hash_of(mark)[:32], "ce_source": "urn:chaos",
                   "ce_type": f"vn.lienthong.dossier.{word}.v1", "ce_subject": d["code"], "ce_time": "2025-09-02T08:30:00+07:00",
                   "ce_province": d["province"], "ce_unit": f"{d['province']}.00847", "ce_procedure": "1.001193.000.00.00.H22", "ce_channel": "1",
                   "lt_digest": hash_of(value.decode()), "lt_digest_v": "1", "lt_time": str(time.time_ns() // 1000000)}
        return f"{d['province']}/{d['code']}", value, list(headers.items())


class Mock:
    """A target as a process. It lives as long as the run, for its memory is the judge."""

    def __init__(self, world, target, port, more):
        kind = "population" if target == CHECK else "portal"
        self.target, self.url, self.arrivals = target, f"https://127.0.0.1:{port}", []
        self.ask = Https(world.pki, "operator")
        self.process = Process(f"mock-{target}", world.folder, [
            MOCK, kind, "--listen", f"127.0.0.1:{port}", "--cert", world.pki / f"{kind}.crt", "--key", world.pki / f"{kind}.key",
            "--ca", world.pki / "ca.crt", *more])

    def start(self):
        self.process.start()
        wait_for(f"the mock at {self.url}", lambda: self.process.must_live() and self.rules() == [])

    def rules(self):
        return self.ask.json(f"{self.url}/control/faults")["rules"]

    def injected(self):
        return self.ask.json(f"{self.url}/control/faults")["injected"]

    def fault(self, kind, service, ms, count=1):
        body = {"kind": kind, "count": count} | ({"service": service} if service else {}) | ({"ms": ms} if ms else {})
        status, _, answer = self.ask.request(f"{self.url}/control/faults", body=json.dumps(body).encode(), media="application/json", method="POST")
        if status != 200:
            raise Failure(f"{self.target} takes no fault {body}: HTTP {status} {answer!r}")

    def look(self):
        """The list of calls, read on from where it was read to."""
        while True:
            page = self.ask.json(f"{self.url}/oracle/arrivals?offset={len(self.arrivals)}&limit=10000")
            self.arrivals += page["arrivals"]
            if len(self.arrivals) >= page["total"]:
                return self.arrivals


class Wrongs(threading.Thread):
    """The faults of one target over one round, one after the other with pauses."""

    def __init__(self, mock, faults, every_s):
        super().__init__(daemon=True)
        self.mock, self.faults, self.every_s = mock, faults, every_s
        self.ending, self.failure = threading.Event(), None
        self.before = len(mock.look()) if mock.target != CHECK else mock.injected()

    def run(self):
        try:
            for kind, service, ms in self.faults:
                if self.ending.wait(self.every_s):
                    return
                self.mock.fault(kind, service, ms)
        except Exception as e:  # told by whoever waits
            self.failure = e

    def met(self):
        """Every fault of the round is spent: a rule goes when its call came, and the portals' lists show each by name. Maintenance is the only
        one that passes without a call; it begins again then."""
        if self.failure:
            raise Failure(f"faults of {self.mock.target}: {self.failure}")
        if self.is_alive() or self.mock.rules():
            return False
        if not self.missing():
            return True
        self.mock.fault("maintenance", "", MAINTENANCE_MS)
        return False

    def missing(self):
        if self.mock.target == CHECK:
            n = len(self.faults) - (self.mock.injected() - self.before)
            return [f"{n} of its {len(self.faults)} faults"] if n > 0 else []
        got = {(c["fault"], c["service"]) for c in self.mock.look()[self.before:]}
        kinds = {fault for fault, _ in got}
        return [f"{kind} of {service}" for kind, service, _ in self.faults if ((kind, service) not in got if service else kind not in kinds)]


class Chaos:
    def __init__(self, a, folder):
        self.a = a
        self.world = World(folder, a.port, roles="core,delivery", more=len(TARGETS), adapt=self.adapt)
        self.ports = dict(zip(TARGETS, self.world.ports))
        for gateway in self.world.gateways:
            self.adapt_ports(gateway.config)
        citizens = folder / "citizens.json"
        citizens.write_text(json.dumps([{"SoDinhDanh": "002090000123", "HoVaTen": "VÀNG THỊ MẪU", "NgayThangNamSinh": "19900512"}]))
        password = ["--password-file", self.world.pki / "portal.password"]
        self.mocks = {t: Mock(self.world, t, self.ports[t], ["--citizens", citizens] if t == CHECK else password) for t in TARGETS}
        self.load = None
        self.partitions = 0
        self.wrongs = []
        self.spent = collections.Counter()  # faults of the targets that were met

    # ---- one installation ----

    @staticmethod
    def adapt(_, config):
        """Two portals of two policies, and times short enough for a round; what the protocol says of them stays."""
        def change(file, *pairs):
            path = config.parent / file
            text = path.read_text()
            for old, new in pairs:
                if old not in text:
                    raise Failure(f"{file} does not hold {old!r}")
                text = text.replace(old, new)
            path.write_text(text)

        times = [("retry: {min: 1s, max: 5m}", "retry: {min: 100ms, max: 500ms}")]
        change("targets/portal.yaml", *times, ("settle: 2m", f"settle: {SETTLE_MS}ms"),
               ("timeout: 30s\nconnect_timeout: 5s", f"timeout: {TIMEOUT_MS}ms\nconnect_timeout: 2s"))
        change("targets/population.yaml", *times, ("settle: 30s", f"settle: {SETTLE_MS}ms"),
               ("timeout: 20s\nconnect_timeout: 5s", f"timeout: {TIMEOUT_MS}ms\nconnect_timeout: 2s"))
        shutil.copy(config.parent / "targets/portal.yaml", config.parent / f"targets/{RESEND}.yaml")
        change(f"targets/{RESEND}.yaml", ("target: portal\n", f"target: {RESEND}\n"), ("options:\n", "options:\n  on_unknown_progress: resend\n"))
        (config.parent / "routes").joinpath(f"{RESEND}.yaml").write_text(
            f'routes:\n  - name: {RESEND}\n    when: {{type: "vn.lienthong.dossier.*", province: {PROVINCES[RESEND]}}}\n'
            f"    via: [population]\n    to: {RESEND}\n")
        for path in (config.parent / "routes").glob("*.yaml"):
            path.write_text(path.read_text().replace('when: {type: "vn.lienthong.dossier.*"}',
                                                     f'when: {{type: "vn.lienthong.dossier.*", province: {PROVINCES[HOLD]}}}'))

    def adapt_ports(self, config):
        for target, old in ((CHECK, 18445), (HOLD, 18444), (RESEND, 18444)):
            path = config.parent / f"targets/{target}.yaml"
            path.write_text(path.read_text().replace(f"127.0.0.1:{old}", f"127.0.0.1:{self.ports[target]}"))

    def start(self):
        world = self.world
        for mock in self.mocks.values():
            mock.start()
        world.start_kafka()
        self.partitions = topics(world.kafka.bootstrap)[INTAKE]
        self.load = Dossiers(world.kafka.bootstrap, self.partitions, self.a.seed, self.a.rate)
        for gateway in world.gateways[:2]:
            world.begin(gateway)
        self.settle("the first start")
        self.load.start()

    def stop(self):
        for wrongs in self.wrongs:
            wrongs.ending.set()
        if self.load:
            self.load.ending.set()
        self.world.stop()
        for mock in self.mocks.values():
            mock.process.stop()

    def healthy(self):
        """Together the living run every partition of the core and of every target, and each some of them."""
        self.world.must_live()
        for mock in self.mocks.values():
            mock.process.must_live()
        states = [self.world.status(g) for g in self.world.alive]
        if any(p == [] for s in states for p in (s["core"]["partitions"], *(t["partitions"] for t in s["targets"]))):
            return False
        owned = {"core": [p["state"] for s in states for p in s["core"]["partitions"]]}
        for s in states:
            for t in s["targets"]:
                owned.setdefault(t["target"], []).extend(p["state"] for p in t["partitions"])
        return set(owned) == {"core", *TARGETS} and all(o == ["running"] * self.partitions for o in owned.values())

    def settle(self, what):
        self.world.wait_through(f"every partition running after {what}", self.healthy, RECOVER_S)

    # ---- a round ----

    def fault(self, kind, place):
        world, victim, began = self.world, self.world.victim(place), time.monotonic()
        if kind == "freeze":
            world.freeze(victim, FROZEN_S)
        elif kind == "start":
            victim = world.one_more()
        elif kind == "stop":
            world.stop_one(victim)
        elif kind.startswith("broker"):
            victim = None
            world.broker(kind)
        else:
            getattr(world, kind)(victim)
        self.settle(kind)
        if kind == "kill_stay":
            world.begin(victim)
            self.settle("starting it again")
        say(f"  {kind:13} {victim.name if victim else '':10} over after {time.monotonic() - began:6.2f} s")

    def begin_faults(self, number):
        """The targets' faults of a round are spread over about the time that the others take."""
        for mock in self.mocks.values():
            faults = faults_of(mock.target, random.Random(f"faults {self.a.seed} {number} {mock.target}"))
            self.wrongs.append(Wrongs(mock, faults, 45 / len(faults)))
            self.wrongs[-1].start()

    def end_faults(self):
        for wrongs in self.wrongs:
            try:
                wait_for(f"every fault of {wrongs.mock.target} to be met", wrongs.met, RECOVER_S, every=0.3)
            except Failure as e:
                raise Failure(f"{e}; missing: {wrongs.missing()}") from None
            self.spent.update(kind for kind, _, _ in wrongs.faults)
        self.wrongs = []

    def round(self, number, faults):
        self.load.begin_round(number)
        self.begin_faults(number)
        for kind, place, pause in faults:
            time.sleep(pause)  # where in its work a fault meets a gateway is part of the schedule
            self.fault(kind, place)
        self.end_faults()
        self.load.end_round()
        self.run_empty()
        self.world.must_have_met(number)

    def positions(self):
        """target -> sums over its group's committed positions, from Kafka itself."""
        out = {}
        for target in TARGETS:
            sums = collections.Counter()
            for metadata in committed(self.world.kafka.bootstrap, f"lt.{target}", f"lt.{target}", self.partitions):
                sums.update(position_of(metadata))
            out[target] = {name: sums[name] for name in (*COUNTS, "open")}
        return out

    def run_empty(self):
        """Until every accepted event is finished or parked at every target that it is bound for."""
        accepted = {h["ce_id"]: h["ce_province"] for _, _, _, h, _ in read(self.world.kafka.bootstrap, INTAKE)}
        wanted = {CHECK: len(accepted), **{t: sum(p == province for p in accepted.values()) for t, province in PROVINCES.items()}}
        left = {}

        def empty():
            self.world.must_live()
            for target, c in self.positions().items():
                left[target] = wanted[target] - (c["ok"] + c["exists"] + c["pass"] + c["skipped"] + c["parked"] - c["unparked"]), c["open"]
            return all(n == (0, 0) for n in left.values())
        try:
            wait_for("every queue to run empty", empty, EMPTY_S, every=0.3)
        except Failure as e:
            raise Failure(f"{e}; left (events, open deliveries): {left}") from None

    # ---- beyond the limits ----

    def beyond(self):
        """Rows applied later than settle, then a gateway frozen for longer than session + settle with rows out. Both must show repeats; the
        calls that the two faults met."""
        mock = self.mocks[RESEND]
        self.load.begin_round(BEYOND)
        before = len(mock.look())
        mock.fault("apply-late", PROGRESS, LATE_BEYOND_MS, count=4)
        wait_for("rows applied later than settle", lambda: sum(c["late"] for c in mock.look()[before:]) == 4, RECOVER_S, every=0.3)
        self.settle("late rows")
        for _ in range(3):
            if self.freeze_with_rows_out(mock):
                break
        else:
            raise Failure("a gateway that was frozen beyond the limits with rows out: three times nothing of it was sent again")
        self.load.end_round()
        self.run_empty()

    def freeze_with_rows_out(self, mock):
        """Did another gateway send rows again that the frozen one had out? It does so only when they can no longer be at work: session,
        timeout and settle after it took them over."""
        before = len(mock.look())
        mock.fault("delay", PROGRESS, TIMEOUT_MS - 200, count=20)

        def busy():
            """A gateway that has several calls out, once rows are held."""
            calls = {t["in_flight"]: g for g in self.world.alive for t in self.world.status(g)["targets"] if t["target"] == RESEND}
            return max(calls) >= 4 and sum(c["fault"] == "delay" for c in mock.look()[before:]) >= 8 and calls[max(calls)]
        victim = wait_for("rows to be out", busy, RECOVER_S, every=0.02)
        self.world.freeze(victim, FROZEN_BEYOND_S)
        mock.fault("delay", PROGRESS, 0, count=0)
        self.settle("the frozen one")

        def twice():
            rows = collections.Counter(c["note"] for c in mock.look()[before:] if c["service"] == PROGRESS and c["applied"])
            return max(rows.values()) > 1
        try:
            return wait_for("rows sent again", twice, SESSION_S + (TIMEOUT_MS + SETTLE_MS) / 1000 + 15, every=0.3)
        except Failure:
            self.world.must_live()
            return False

    # ---- the end ----

    def facts(self):
        bootstrap = self.world.kafka.bootstrap
        return Facts(intake=read(bootstrap, INTAKE), queues={t: read(bootstrap, f"lt.{t}") for t in TARGETS},
                     ledgers={t: read(bootstrap, f"lt.ledger.{t}") for t in TARGETS},
                     histories={t: read(bootstrap, f"lt.history.{t}") for t in TARGETS}, letters=read(bootstrap, "lt.deadletter"),
                     arrivals={t: self.mocks[t].look() for t in PROVINCES}, positions=self.positions(), acknowledged=self.load.acknowledged,
                     placeless=self.load.placeless, provinces=PROVINCES, policies={HOLD: "hold", RESEND: "resend"},
                     beyond=lambda dossier: f"-25{BEYOND}02-" in dossier)


def options(parser):
    parser.add_argument("--rate", type=int, default=40, help="events a second (40)")
    parser.add_argument("--minutes", type=int, help="no round begins later than that; `rounds` of the result says how many there were")


def judged(chaos, counts):
    facts = chaos.facts()
    found, repeats, examples = Judge(facts).judge()
    for text in examples:
        say(text)
    say(f"  so far: {', '.join(f'{k} {found[k]}' for k in MUST_BE_ZERO)}, {repeats[False]['counted']} repeats listed")
    counts.update(found=found, repeats=repeats, facts=facts)
    return not any(found.values())


def run(a, folder):
    if a.rounds >= BEYOND:
        raise Failure(f"--rounds: expected fewer than {BEYOND}")
    began, chaos, counts, done = time.monotonic(), Chaos(a, folder), {}, 0
    try:
        chaos.start()
        for number, faults in enumerate(schedule(a.rounds, a.seed), 1):
            at = time.monotonic()
            if a.minutes and at - began > 60 * a.minutes:
                break
            say(f"round {number}, {len(chaos.world.alive)} gateways, {chaos.load.events} events of {chaos.load.begun} dossiers")
            chaos.round(number, faults)
            done = number
            say(f"  round {number} took {time.monotonic() - at:.0f} s")
            if number & (number - 1) == 0 and not judged(chaos, counts):  # the 1st, 2nd, 4th …: a long run tells early
                break
        if not counts or not any(counts["found"].values()):
            say("beyond the limits")
            chaos.beyond()
            judged(chaos, counts)
            if not counts["repeats"][True]["seen"]:
                raise Failure("beyond the limits no repeat was seen: the run proves less than it says")
    finally:
        chaos.stop()
    facts = counts["facts"]
    within, over = counts["repeats"][False], counts["repeats"][True]
    return {"chaos": "delivery", "rounds": done, "seed": a.seed, **counts["found"], "repeats_counted": within["counted"],
            "repeats_seen": within["seen"], "repeats_unseen": within["unseen"], "rows_doubled": within["rows_doubled"],
            "beyond": {f"repeats_{k}" if k != "rows_doubled" else k: over[k] for k in ("counted", "seen", "unseen", "rows_doubled")},
            "events": chaos.load.events, "dossiers": chaos.load.begun, "records": len(facts.intake),
            "calls": {t: len(c) for t, c in facts.arrivals.items()}, "outcomes": facts.positions, "dead_letters": len(facts.letters),
            "target_faults": dict(sorted(chaos.spent.items())), "process_faults": dict(sorted(chaos.world.met.items())),
            "coordinator_restarts": chaos.world.coordinator_restarts, "rate": a.rate,
            "seconds": round(time.monotonic() - began)}
