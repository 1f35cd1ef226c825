"""Compares what the mocks saw with the truth: counters, dossier by dossier creates, updates and progress rows in order, and what provinces were told."""
import http.client
import json
import os
import sys
import time
import urllib.parse

from . import net, send, told


def _row_differs(want, got):
    """The first field of the truth that the row has otherwise; rows may carry more."""
    for k, v in want.items():
        if got.get(k) != v:
            return k
    return None


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, want, got):
        self.rows.append((what, want, got, want == got))

    def ok(self):
        return all(r[3] for r in self.rows)

    def print(self):
        w = max(len(r[0]) for r in self.rows)
        print(f"{'':{w}}  {'expected':>10}  {'found':>10}")
        for what, want, got, ok in self.rows:
            print(f"{what:{w}}  {want!s:>10}  {got!s:>10}  {'ok' if ok else 'DIFFERS'}")


def _settled(portal, population, province, want, wait):
    """Poll the counters until all that must arrive has, or nothing moves any more."""
    deadline, last, still = time.monotonic() + wait, None, time.monotonic()
    while True:
        p = portal.get_json("/oracle/counters")
        q = population.get_json("/oracle/counters") if population else {}
        r = province.get_json("/oracle/counters") if province else {}
        done = (p["creates"] >= want["portal_creates"] and p.get("updates", 0) >= want["portal_updates"]
                and p.get("progress", 0) >= want["portal_progress"]
                and (not population or q.get("match", 0) + q.get("no_match", 0) >= want["population_requests"])
                and (not province or r["taken"] >= want["told"]))
        now = time.monotonic()
        if (p, q, r) != last:
            last, still = (p, q, r), now
        if sys.stderr.isatty():
            sys.stderr.write(f"\x1b[2Kwaiting: {p.get('creates', 0)}/{want['portal_creates']} creates, {p.get('updates', 0)}/"
                             f"{want['portal_updates']} updates, {p.get('progress', 0)}/{want['portal_progress']} progress rows"
                             + ("\n" if done else "\r"))
            sys.stderr.flush()
        if done or now > deadline or now - still > max(20, wait / 4):
            return p, q
        time.sleep(0.5)


def _codes(portal):
    """MaHoSo of every dossier at the portal, page by page."""
    out = []
    while True:
        page = portal.get_json(f"/oracle/dossiers?offset={len(out)}&limit=1000")
        out += [d["MaHoSo"] for d in page["dossiers"]]
        if not page["dossiers"] or len(out) >= page["total"]:
            return out


def _dossier(portal, code):
    """{"creates":[…],"updates":[…],"progress":[…]}: items in arrival order, out of their {"seq","at","item"} rows."""
    d = portal.get_json("/oracle/dossiers/" + urllib.parse.quote(code, safe=""))
    rows = sorted(d["creates"] + d["updates"], key=lambda r: r["seq"])
    return {"creates": len(d["creates"]), "updates": len(d["updates"]), "last": rows[-1]["item"] if rows else {},
            "progress": [r["item"] for r in d["progress"]]}


def verify(o):
    with open(os.path.join(o.dir, "truth.json"), encoding="utf-8") as f:
        truth = json.load(f)
    want = truth["totals"]
    context = net.contexts(o.pki, [o.oracle_client])[o.oracle_client]
    portal = net.Client(o.portal_oracle, context)
    population = net.Client(o.population_oracle, context) if o.population_oracle else None
    province = net.Client(o.province_oracle, context) if o.province_oracle else None
    table, found, sent = Table(), [], None
    sent_path = os.path.join(o.dir, "sent.json")
    if os.path.exists(sent_path):
        with open(sent_path, encoding="utf-8") as f:
            sent = json.load(f)
        for k in ("sent", "accepted", "refused"):
            table.add("events " + k, want[k], sent["totals"][k])
        seen = [i.get("verdict") for s in sent["requests"] for i in s["items"]]
        if any(seen) and not sent["totals"]["resent"]:
            for v in ("new", "duplicate", "conflict"):
                table.add(f"verdict {v}", want[v], seen.count(v))
    try:
        p, q = _settled(portal, population, province, want, o.wait)
        for k in ("creates", "updates", "progress"):
            table.add(f"portal {k}", want[f"portal_{k}"], p.get(k, 0))
        if population:
            table.add("population match", want["population_match"], q.get("match", 0))
            table.add("population no match", want["population_no_match"], q.get("no_match", 0))
        there = set(_codes(portal))
        table.add("dossiers at the portal", len(truth["dossiers"]), len(there))
        right = 0
        for code, life in truth["dossiers"].items():
            if code not in there:
                found.append(f"{code}: not at the portal")
                continue
            d, before = _dossier(portal, code), len(found)
            for k in ("creates", "updates"):
                if d[k] != life[k]:
                    found.append(f"{code}: {k}: expected {life[k]}, found {d[k]}")
            if len(d["progress"]) != len(life["progress"]):
                found.append(f"{code}: progress rows: expected {len(life['progress'])}, found {len(d['progress'])}")
            for n, (w, g) in enumerate(zip(life["progress"], d["progress"])):
                k = _row_differs(w, g)
                if k:
                    found.append(f"{code}: progress row {n + 1}: {k} differs")
                    break
            k = _row_differs(life["last"] or {}, d["last"])
            if k:
                found.append(f"{code}: last snapshot: {k} differs")
            if bool(d["last"].get("DSKetNoiCSDL")) != (life["citizen"] == "match"):
                found.append(f"{code}: DSKetNoiCSDL of the last snapshot: expected {'one' if life['citizen'] == 'match' else 'none'}")
            right += len(found) == before
        for code in sorted(there - truth["dossiers"].keys()):
            found.append(f"{code}: at the portal, never sent as new")
        table.add("dossiers exactly right", len(truth["dossiers"]), right)
        if province and not sent:
            found.append(f"{sent_path}: not there: what provinces are told is compared with the receipts they got (tools/loadgen send)")
        elif province:
            told.compare(province, send.load(o.dir), sent, truth, table, found)
    except (OSError, http.client.HTTPException, ValueError) as e:
        print(f"loadgen: oracle: {e}", file=sys.stderr)
        return 69
    ok = table.ok() and not found
    if o.json:
        print(json.dumps({"ok": ok, "rows": [{"what": r[0], "expected": r[1], "found": r[2], "ok": r[3]} for r in table.rows],
                          "differences": found}, ensure_ascii=False))
    else:
        table.print()
    for line in found[:20]:
        print(f"loadgen: {line}", file=sys.stderr)
    if len(found) > 20:
        print(f"loadgen: … and {len(found) - 20} more", file=sys.stderr)
    return 0 if ok else 1
