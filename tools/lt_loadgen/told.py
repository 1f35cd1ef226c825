"""What the provinces were told, read as their own systems would read it, against what the truth says they must be told."""
import json
import xml.etree.ElementTree as ElementTree

CONFLICT, MISMATCH, ANSWER = "vn.lienthong.verdict.conflict.v1", "vn.lienthong.population.mismatch.v1", "vn.lienthong.portal.answer.v1"
PAGE = 1000


def _from_json(body):
    """The form of the gateway's own names (H22) and that of config/targets/province.yaml with names of the province's (H29)."""
    m = json.loads(body)
    own = "maThongBao" not in m
    data = m["data" if own else "chiTiet"]
    return {"id": m["id" if own else "maThongBao"], "type": m["type" if own else "loai"], "dossier": m["MaHoSo" if own else "nationCode"],
            "event": data["event"] if own else m["suKien"], "data": data}


def _from_xml(body):
    """That of H40."""
    root = ElementTree.fromstring(body)
    space = root.tag[: root.tag.index("}") + 1]
    field = {e.tag.removeprefix(space): e for e in root}
    data = {e.tag.removeprefix(space): e.text or "" for e in field["noiDung"]}
    text = {k: field[k].text or "" for k in ("maThongBao", "loai", "maHoSo", "suKien")}
    return {"id": text["maThongBao"], "type": text["loai"], "dossier": text["maHoSo"], "event": text["suKien"], "data": data}


def read(message):
    """A message of the mock's list as {province, id, type, dossier, event, what, receipt}; ValueError or KeyError when it cannot be read."""
    m = (_from_xml if message["media"].startswith("application/xml") else _from_json)(message["body"])
    m["province"] = message["path"].rsplit("/", 1)[-1].upper()
    data = m["data"]
    m["what"] = {CONFLICT: data.get("verdict"), MISMATCH: data.get("outcome"), ANSWER: data.get("operation")}.get(m["type"]) or m["type"]
    m["receipt"] = data.get("receipt")
    return m


def messages(oracle):
    out = []
    while True:
        page = oracle.get_json(f"/oracle/messages?offset={len(out)}&limit={PAGE}")
        out += page["messages"]
        if not page["messages"] or len(out) >= page["total"]:
            return out


def _wanted(rows, sent):
    """{(province/dossier, type): [(event, what, receipt or None), …] in order}: who sent what is known by the receipts it was given."""
    want, by_seq = {}, {s["seq"]: s for s in sent["requests"]}
    for row in rows:
        s = by_seq.get(row["seq"], {"items": [], "resent": False})
        for item, answer in zip(row["items"], s["items"]):
            receipt = answer.get("receipt", "")
            event = receipt.split(".")[2] if receipt.count(".") >= 2 else None
            for what in item.get("told", []):
                kind = {"conflict": CONFLICT, "no-match": MISMATCH}.get(what, ANSWER)
                of_this = receipt if kind == CONFLICT and not s["resent"] else None
                want.setdefault((item["dossier"], kind), []).append((event, what, of_this))
    return want


def compare(oracle, rows, sent, truth, table, found):
    """Rows into table, differences into found. Every event is told as often as it must be: none twice, none missing, nobody else's."""
    want, got = _wanted(rows, sent), {}
    list_, counters = messages(oracle), oracle.get_json("/oracle/counters")
    ids, count, unread = set(), {}, 0
    for message in list_:
        try:
            m = read(message)
        except (ValueError, KeyError, ElementTree.ParseError) as e:
            unread += 1
            found.append(f"call-back {message['seq']} at {message['path']}: not what the province's mapping says: {type(e).__name__} {e}")
            continue
        ids.add(m["id"])
        count[m["what"]] = count.get(m["what"], 0) + 1
        got.setdefault((f"{m['province']}/{m['dossier']}", m["type"]), []).append((m["event"], m["what"], m["receipt"]))
    right, all_ = 0, 0
    for key in sorted(want.keys() | got.keys()):
        w, g = want.get(key, []), got.get(key, [])
        same = [a[:2] == b[:2] and (a[2] is None or a[2].startswith((b[2] or "?") + ".")) for a, b in zip(w, g)]
        right += sum(same)
        all_ += len(w)
        if len(w) != len(g) or not all(same):
            found.append(f"{key[0]}: told of {key[1]}: expected {[x[1] for x in w]}, found {[x[1] for x in g]}"
                         + ("" if [x[1] for x in w] != [x[1] for x in g] else ", of other events"))
    for what, n in sorted(truth["told"].items()):
        table.add(f"told: {what}", n, count.pop(what, 0))
    table.add("told: anything else", 0, sum(count.values()) + unread)
    table.add("told once more", 0, counters["repeats"] + len(list_) - unread - len(ids))
    table.add("told exactly right", truth["totals"]["told"], right if all_ == truth["totals"]["told"] else f"{right} of {all_}")
