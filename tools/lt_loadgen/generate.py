"""
DIR/events/: inputs, manifest.ndjson: one line per sending, in order; truth.json: what each must become; citizens.json: the
population database's content. The same seed and options give the same bytes. `told` of an item: what its province must be told of it,
in the order of each teller; it supposes config/ (conflicts, every answer of the portal, no refusals).
"""
import copy
import json
import os
import random
import shutil
import sys

from . import canonical, dialects, scenario
from .tables import Tables

HOME = {"h22": "onegate-xml", "h40": "opencps-json", "h29": "igate-json"}
REFUSED = ["unknown-procedure", "unknown-unit", "abolished-unit", "missing-field", "unknown-field", "wrong-type", "bad-date", "syntax",
           "other-province"]
ALONE = {"syntax", "other-province"}    # not one item's fault among others
# What config/routes/main.yaml makes of accepted events; --route for other configurations.
ROUTES = [("lt.population", "all"), ("lt.events.land", "sector:dat-dai")]
# Event types whose step is a check (schemas/canonical/steps.yaml): all but a bare step.
CHECKED = set(dialects.WORDS) - {"progressed"}


def _drop(tree, name):
    return (tree[0], [c for c in tree[1] if c[0] != name])


def _swap(tree, name, value):
    return (tree[0], [(c[0], value) if c[0] == name else c for c in tree[1]])


def refused(kind, dialect, facts, tables, other):
    """(tree or None, text or None, status, code): a wrong version of these facts in this dialect."""
    f = copy.deepcopy(facts)
    xml = dialect == "onegate-xml"
    schema = "xml-schema" if xml else "json-schema"
    if kind == "unknown-procedure":
        f["procedure"] = "9.999999"
        return dialects.build(dialect, f), 422, "unknown-procedure"
    if kind == "unknown-unit":
        f["unit"] = f["unit"][:3] + ".ZZ9" if f["unit"][0].isalpha() else "000.00.99." + f["unit"][-3:]
        return dialects.build(dialect, f), 422, "unknown-unit"
    if kind == "abolished-unit":
        f["unit"] = tables.ended[f["unit"][:3] if f["unit"][0].isalpha() else f["unit"][-3:]]
        return dialects.build(dialect, f), 422, "unit-abolished"
    if kind == "other-province":
        f["unit"] = other
        return dialects.build(dialect, f), 403, "forbidden"
    tree = dialects.build(dialect, f)
    if kind == "syntax":
        text = dialects.write(dialect, [tree])[1]
        return text[: len(text) * 2 // 3], 400, "xml-syntax" if xml else "json-syntax"
    if xml:
        if kind == "missing-field":
            tree = _drop(tree, "MaHoSo")
        elif kind == "unknown-field":
            tree = (tree[0], tree[1] + [("GhiChuNoiBo", "không có trong lược đồ")])
        elif kind == "wrong-type":
            tree = _swap(tree, "LoaiSuKien", "DA_XONG")
        else:
            tree = _swap(tree, "ThoiDiem", facts["time"][:4] + "0230" + facts["time"][8:])
            return tree, 422, "bad-date"
        return tree, 422, schema
    d = tree
    if kind == "missing-field":
        del d["dossierNo" if dialect == "opencps-json" else "nationCode"]
    elif kind == "unknown-field":
        d["internalNote"] = "không có trong lược đồ"
    elif kind == "wrong-type":
        d["serviceCode" if dialect == "opencps-json" else "nationCode"] = 1001193
    elif dialect == "opencps-json":
        d["applicantBirthday"] = "30/02/1990"
        return d, 422, "bad-date"
    else:
        d["task"]["completedDate"] = facts["time"][:4] + "-02-30T08:00:00.000+07:00"
        return d, 422, "bad-date"
    return d, 422, schema


def changed(rng, facts):
    """Another content under the same identity."""
    f = copy.deepcopy(facts)
    if "HoSo" in f and rng.random() < 0.5:
        f["HoSo"]["SoDienThoai"] = "0888" + f["HoSo"].get("SoDienThoai", "0900000000")[4:]
    else:
        f["TienDo"]["NoiDungXuLy"] = "Nội dung đã sửa: " + f["TienDo"].get("NoiDungXuLy", "")
    return f


class Plan:
    """Collects sendings and the truth."""

    def __init__(self, rng, tables, folder, routes):
        self.rng, self.tables, self.folder, self.routes = rng, tables, folder, routes
        self.routed = {topic: 0 for topic, _ in routes}
        self.manifest = open(os.path.join(folder, "manifest.ndjson"), "w", encoding="utf-8")
        self.seq = 0
        self.kinds = {k: 0 for k in ("new", "duplicate", "conflict", "refused")}
        self.codes, self.by_province, self.by_type, self.by_sector, self.by_dialect = {}, {}, {}, {}, {}
        self.dossiers = {}
        self.population = {"requests": 0, "match": 0, "no_match": 0, "pass": 0}
        self.told = {}
        self.sendings = self.batches = 0

    def send(self, client, dialect, items, respell=False, text=None):
        """items: [{tree, facts, expect, status, code}] in order; one sending."""
        self.seq += 1
        self.sendings += 1
        batch = len(items) > 1
        lines = batch and dialect != "onegate-xml" and self.rng.random() < 0.4
        media = dialects.MEDIA[dialect]
        if text is None:
            media, text = dialects.write(dialect, [i["tree"] for i in items], self.rng if respell else None, lines)
        self.batches += batch
        ext = "xml" if media.endswith("xml") else "ndjson" if lines else "json"
        name = f"events/{self.seq // 1000:03d}/{self.seq:06d}.{ext}"
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        row = {"seq": self.seq, "client": client, "province": client.upper(), "dialect": dialect, "media": media, "path": name,
               "batch": batch, "items": []}
        for i in items:
            f = i["facts"]
            told = self._count(client, dialect, i)
            for what in told:
                self.told[what] = self.told.get(what, 0) + 1
            row["items"].append({k: v for k, v in {
                "dossier": f"{client.upper()}/{f['MaHoSo']}", "type": f["type"], "time": f["time"], "expect": i["expect"],
                "status": i.get("status"), "code": i.get("code"), "told": told or None}.items() if v is not None})
        self.manifest.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")

    def _count(self, client, dialect, i):
        """Book what must become of an item. Returns what its province must be told of it."""
        f, kind = i["facts"], i["expect"]
        self.kinds[kind] += 1
        self.by_dialect[dialect] = self.by_dialect.get(dialect, 0) + 1
        p = self.by_province.setdefault(client.upper(), {k: 0 for k in self.kinds})
        p[kind] += 1
        if kind == "refused":
            self.codes[i["code"]] = self.codes.get(i["code"], 0) + 1
        if kind != "new":
            return ["conflict"] if kind == "conflict" else []
        told = []
        self.by_type[f["type"]] = self.by_type.get(f["type"], 0) + 1
        sector = self.tables.procedures[f["procedure"]]["sector"]
        self.by_sector[sector] = self.by_sector.get(sector, 0) + 1
        for topic, when in self.routes:
            self.routed[topic] += when in ("all", f"sector:{sector}", f"type:{f['type']}", f"province:{client.upper()}")
        d = self.dossiers.setdefault(f["MaHoSo"], {
            "province": client.upper(), "events": 0, "creates": 0, "updates": 0, "progress": [], "citizen": i["citizen"], "last": None})
        d["events"] += 1
        if "HoSo" in f:
            if f["type"] != "progressed" or not d["creates"]:
                told.append("update" if d["creates"] else "create")
                d[f"{told[-1]}s"] += 1
                h = canonical.ho_so(f, self.tables)
                d["last"] = {k: h[k] for k in ("MaTTHC", "ChuHoSo", "TrangThaiHoSo", "NgayTiepNhan", "DonViXuLy", "TrichYeuHoSo")}
        if "TienDo" in f:
            told.append("progress")
            d["progress"].append(canonical.tien_do(f))
        if f["type"] in CHECKED:
            key = "pass" if "CongDan" not in f else "match" if i["citizen"] == "match" else "no_match"
            self.population[key] += 1
            self.population["requests"] += key != "pass"
            if key == "no_match":
                told.insert(0, "no-match")
        return told


def _wrong(rng, citizen, seen):
    """The citizen as the population database has them, when the dossier says something else; None: not there at all."""
    kind = rng.randrange(3)
    if kind == 0:
        return {**citizen, "HoVaTen": "TRẦN " + citizen["HoVaTen"].split(" ", 1)[1] + " KHÁC"}
    if kind == 1:
        year = int(citizen["NgayThangNamSinh"][:4])
        return {**citizen, "NgayThangNamSinh": f"{year - 1}{citizen['NgayThangNamSinh'][4:]}"}
    return None


def generate(o):
    names = [p.strip().lower() for p in o.provinces.split(",") if p.strip()]
    unknown = [p for p in names if p not in HOME]
    if unknown or not names:
        sys.exit(f"loadgen: --provinces: expected some of {','.join(HOME)}, got {o.provinces!r}")
    for part in ("events", "manifest.ndjson", "truth.json", "citizens.json", "sent.json"):
        path = os.path.join(o.out, part)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.remove(path)
    os.makedirs(os.path.join(o.out, "events"), exist_ok=True)
    tables = Tables(o.tables)
    tables.ended = {p.upper(): sorted(u["code"] for u in tables.units if u.get("successor") and p.upper() in u["code"])[0] for p in names}
    rng = random.Random(o.seed)
    plan = Plan(rng, tables, o.out, o.route or ROUTES)
    seen, citizens, lives = set(), [], []
    for n in range(o.dossiers):
        client = names[n % len(names)]
        facts, citizen = scenario.dossier(rng, tables, client.upper(), n + 1, seen, f"motcua.{client}")
        state = "none"
        if citizen:
            wrong = rng.random() < o.wrong_citizens
            state = "no_match" if wrong else "match"
            record = _wrong(rng, citizen, seen) if wrong else dict(citizen)
            if not wrong and rng.random() < 0.15:      # the year is all that is known, here or there
                year = citizen["NgayThangNamSinh"][:4]
                if rng.random() < 0.5:
                    record["NgayThangNamSinh"] = year
                else:
                    for f in facts:
                        if "CongDan" in f:
                            f["CongDan"]["NgayThangNamSinh"] = year
            if record:
                citizens.append(record)
        lives.append({"client": client, "facts": facts, "citizen": state, "next": 0})

    # One province's system works many dossiers at once: take the next event of a random open dossier, and gather some into batches.
    open_lives = list(range(len(lives)))
    again = []                                        # (client, facts, citizen, tree text of the first sending)

    def item(life, facts, expect, dialect, status=None, code=None, tree=None, form=None):
        form = rng.randrange(3) if form is None else form
        return {"tree": tree or dialects.build(dialect, facts, form, tables), "facts": facts, "expect": expect, "status": status,
                "code": code, "citizen": life["citizen"], "form": form}

    while open_lives:
        window = open_lives[:60]
        life = lives[rng.choice(window)]
        client = life["client"]
        home = HOME[client]
        dialect = home
        if rng.random() < o.alternate_dialect:
            dialect = rng.choice([d for d in HOME.values() if d != home])
        picked = [life]
        if rng.random() < o.batches:
            mates = [lives[i] for i in window if lives[i]["client"] == client and lives[i] is not life]
            rng.shuffle(mates)
            picked += mates[: rng.randint(1, 7)]
        items = []
        for one in picked:
            facts = one["facts"][one["next"]]
            if rng.random() < o.refused:
                kind = rng.choice(REFUSED if len(picked) == 1 else [k for k in REFUSED if k not in ALONE])
                if kind == "bad-date" and dialect == "opencps-json" and "CongDan" not in facts:
                    kind = "unknown-unit"
                if kind == "abolished-unit" and facts.get("HoSo", {}).get("NgayTiepNhan", facts["time"])[:8] < "20250701":
                    kind = "unknown-procedure"
                if kind == "abolished-unit" and "HoSo" not in facts:
                    kind = "unknown-unit"              # without a snapshot the date in MaHoSo decides; keep the truth simple
                other = rng.choice([u["code"] for u in tables.units if u["level"] == "department"
                                    and client.upper() not in u["code"] and u["code"][0].isalpha()])
                bad, status, code = refused(kind, dialect, facts, tables, other)
                row = item(one, facts, "refused", dialect, status, code, bad if not isinstance(bad, str) else ("SuKien", []))
                if len(picked) == 1:
                    plan.send(client, dialect, [row], text=bad if isinstance(bad, str) else None)
                else:
                    items.append(row)
                    continue                           # the good one comes with a later sending
            row = item(one, facts, "new", dialect)
            items.append(row)
            one["next"] += 1
            if rng.random() < o.conflicts:
                other = changed(rng, facts)
                again.append((plan.seq + rng.randint(1, 40), one, item(one, other, "conflict", dialect), dialect))
            if rng.random() < o.duplicates:
                kind = rng.choice(["bytes", "respelled", "respelled", "dialect"] if o.alternate_dialect else ["bytes", "respelled"])
                if kind == "dialect":
                    alt = rng.choice([d for d in HOME.values() if d != dialect])
                    dup, where = item(one, facts, "duplicate", alt), alt
                else:
                    dup, where = item(one, facts, "duplicate", dialect, form=row["form"] if kind == "bytes" else None), dialect
                dup["respell"] = kind == "respelled"
                again.append((plan.seq + rng.randint(1, 200), one, dup, where))
        plan.send(client, dialect, items)
        open_lives = [i for i in open_lives if lives[i]["next"] < len(lives[i]["facts"])]
        due = [a for a in again if a[0] <= plan.seq or not open_lives]
        again = [a for a in again if a not in due]
        for _, one, row, where in due:
            plan.send(one["client"], where, [row], respell=row.get("respell", False))
    plan.manifest.close()
    citizens.sort(key=lambda c: c["SoDinhDanh"])
    _dump(os.path.join(o.out, "citizens.json"), citizens)
    new = plan.kinds["new"]
    _dump(os.path.join(o.out, "truth.json"), {
        "seed": o.seed,
        "totals": {
            "dossiers": o.dossiers, "requests": plan.sendings, "batches": plan.batches, "sent": sum(plan.kinds.values()),
            "accepted": new + plan.kinds["duplicate"] + plan.kinds["conflict"], **plan.kinds,
            "routed": {topic: plan.routed[topic] for topic in sorted(plan.routed)},
            "portal_creates": sum(d["creates"] for d in plan.dossiers.values()),
            "portal_updates": sum(d["updates"] for d in plan.dossiers.values()),
            "portal_progress": sum(len(d["progress"]) for d in plan.dossiers.values()),
            **{f"population_{k}": v for k, v in plan.population.items()}, "told": sum(plan.told.values())},
        "told": plan.told,
        "refused_by_code": plan.codes, "by_province": plan.by_province, "new_by_type": plan.by_type, "new_by_sector": plan.by_sector,
        "by_dialect": plan.by_dialect, "dossiers": plan.dossiers})
    print(f"loadgen: {plan.sendings} sendings ({plan.batches} batches) with {sum(plan.kinds.values())} events of {o.dossiers} dossiers: "
          + ", ".join(f"{v} {k}" for k, v in plan.kinds.items()) + f"; {len(citizens)} citizens; {o.out}", file=sys.stderr)
    return 0


def _dump(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, indent=1)
        f.write("\n")
