"""The comparison of what provinces were told with the truth (tools/lt_loadgen/told.py) finds what is missing, doubled, of another event or elsewhere."""

import json
import sys

import pytest

from tools.lt.stack import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from lt_loadgen import told, verify  # noqa: E402

A, B, C = ("0" * 31 + x for x in "abc")
PORTAL, CONFLICT, MISMATCH = "vn.lienthong.portal.answer.v1", "vn.lienthong.verdict.conflict.v1", "vn.lienthong.population.mismatch.v1"
ROWS = [{"seq": 1, "items": [{"dossier": "H22/D", "told": ["no-match", "create", "progress"]}, {"dossier": "H40/E", "told": ["create"]}]},
        {"seq": 2, "items": [{"dossier": "H22/D", "told": ["conflict"]}, {"dossier": "H29/F"}]}]
SENT = {"requests": [{"seq": 1, "resent": False, "items": [{"receipt": f"0.1.{A}.mac"}, {"receipt": f"0.2.{B}.mac"}]},
                     {"seq": 2, "resent": False, "items": [{"receipt": f"0.3.{A}.mac"}, {"receipt": f"0.4.{C}.mac"}]}]}
TRUTH = {"totals": {"told": 5}, "told": {"no-match": 1, "create": 2, "progress": 1, "conflict": 1}}


def h22(n, kind, event, **data):
    return {"path": "/callback/h22", "media": "application/json; charset=utf-8",
            "body": json.dumps({"id": f"i{n}", "type": kind, "MaHoSo": "D", "data": {"event": event, **data}})}


def h40(n, event, operation):
    return {"path": "/callback/h40", "media": "application/xml; charset=utf-8",
            "body": f'<ThongBao xmlns="urn:h40:thong-bao:1"><maThongBao>i{n}</maThongBao><loai>{PORTAL}</loai><maHoSo>E</maHoSo><thoiDiem/>'
                    f"<suKien>{event}</suKien><noiDung><operation>{operation}</operation></noiDung></ThongBao>"}


def right():
    return [h22(1, MISMATCH, A, outcome="no-match"), h40(2, B, "create"), h22(3, PORTAL, A, operation="create"),
            h22(4, CONFLICT, A, verdict="conflict", receipt=f"0.3.{A}"), h22(5, PORTAL, A, operation="progress")]


class Oracle:
    def __init__(self, messages, repeats=0):
        self.list, self.repeats = [{"seq": i + 1, **m} for i, m in enumerate(messages)], repeats

    def get_json(self, path):
        if path == "/oracle/counters":
            return {"repeats": self.repeats}
        offset = int(path.split("offset=")[1].split("&")[0])
        return {"total": len(self.list), "messages": self.list[offset: offset + 2]}


def compare(messages, **kw):
    table, found = verify.Table(), []
    told.compare(Oracle(messages, **kw), ROWS, SENT, TRUTH, table, found)
    return table.ok() and not found


def test_what_must_be_told_is_accepted():
    assert compare(right())


@pytest.mark.parametrize("what", ["missing", "twice", "of-a-duplicate", "of-another-event", "to-another-province", "wrong-order", "wrong-receipt", "unreadable", "repeat"])
def test_what_is_wrong_is_found(what):
    m = right()
    if what == "missing":
        del m[1]
    elif what == "twice":
        m.append(h22(6, PORTAL, A, operation="progress"))
    elif what == "of-a-duplicate":
        m.append(h22(6, CONFLICT, C, verdict="duplicate", receipt=f"0.4.{C}"))
    elif what == "of-another-event":
        m[4] = h22(5, PORTAL, B, operation="progress")
    elif what == "to-another-province":
        m[0]["path"] = "/callback/h29"
    elif what == "wrong-order":
        m[2], m[4] = m[4], m[2]
    elif what == "wrong-receipt":
        m[3] = h22(4, CONFLICT, A, verdict="conflict", receipt=f"0.1.{A}")
    elif what == "unreadable":
        m[1]["body"] = "<ThongBao>"
    assert not compare(m, repeats=what == "repeat")
