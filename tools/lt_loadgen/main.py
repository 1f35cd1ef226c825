"""The command line."""
import argparse
import copy
import os
import random
import sys

from . import dialects, generate, people, scenario, send, verify
from .tables import Tables


def _share(text):
    v = float(text)
    if not 0 <= v <= 1:
        raise argparse.ArgumentTypeError(f"expected a share between 0 and 1, got {text}")
    return v


def _positive(text):
    v = int(text)
    if v < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text}")
    return v


def _route(text):
    topic, eq, which = text.partition("=")
    if not topic or not eq or which.split(":")[0] not in ("all", "sector", "type", "province"):
        raise argparse.ArgumentTypeError(f"expected TOPIC=all, sector:X, type:WORD or province:H22, got {text}")
    return topic, which


def sample(o):
    """One representative event of about --bytes bytes: an upsert with person, papers, fee and a step."""
    tables = Tables(o.tables)
    rng = random.Random(o.seed)
    client = {v: k for k, v in generate.HOME.items()}[o.dialect]
    for n in range(1, 2000):
        facts, citizen = scenario.dossier(rng, tables, client.upper(), n, set(), f"motcua.{client}")
        f = copy.deepcopy(facts[0])
        f["HoSo"]["TaiLieuNop"] = []

        def text():
            return dialects.write(o.dialect, [dialects.build(o.dialect, f, 0, tables)])[1].replace("\n  ", "\n")

        if citizen and "DanhSachLePhi" in f["HoSo"] and "GhiChu" not in f["HoSo"] and len(text().encode()) < max(o.bytes, 1450):
            break

    n = 0
    while len(text().encode()) + 260 < o.bytes:
        n += 1
        ten, part = people.GIAY_TO[n % len(people.GIAY_TO)]
        f["HoSo"]["TaiLieuNop"].append({"TepDinhKemId": f"T{n}", "TenTepDinhKem": f"{ten}.pdf", "IsDeleted": "False", "MaThanhPhanHoSo": part,
                                        "DuongDanTaiTepTin": f"https://tep.motcua.example/{f['MaHoSo']}/{n}.pdf"})
    short = o.bytes - len(text().encode())
    if short > 0:
        f["HoSo"]["GhiChu"] = ""
        short = o.bytes - len(text().encode())
        f["HoSo"]["GhiChu"] = ("Đã đối chiếu bản chính. " * (short // 20 + 1))[: max(short * 3 // 4, 1)].strip()
    sys.stdout.write(text())
    return 0


def parser():
    p = argparse.ArgumentParser(prog="loadgen", description="Seeded provincial events: make them, send them, compare what became of them.")
    sub = p.add_subparsers(dest="command", required=True, metavar="generate|send|verify|sample")
    g = sub.add_parser("generate", help="write events, truth and the population database's content into a folder")
    g.add_argument("--seed", type=int, default=1)
    g.add_argument("--dossiers", type=_positive, default=500)
    g.add_argument("--out", required=True, metavar="DIR")
    g.add_argument("--provinces", default="h22,h40,h29")
    g.add_argument("--duplicates", type=_share, default=0.1, help="share of events sent again (default 0.1)")
    g.add_argument("--conflicts", type=_share, default=0.01, help="share sent again with other content (0.01)")
    g.add_argument("--refused", type=_share, default=0.02, help="share with a wrong version before them (0.02)")
    g.add_argument("--wrong-citizens", type=_share, default=0.03, help="share of persons whom the population database knows otherwise (0.03)")
    g.add_argument("--alternate-dialect", type=_share, default=0.02, help="share first sent in another province's dialect (0.02)")
    g.add_argument("--batches", type=_share, default=0.1, help="share of sendings with several events (0.1)")
    g.add_argument("--route", type=_route, action="append", metavar="TOPIC=WHICH",
                   help="count in the truth what the core must route to TOPIC: all, sector:X, type:WORD or province:H22; may be repeated "
                        "(default: as config/routes/main.yaml)")
    g.add_argument("--tables", metavar="DIR", help="code tables (default config/tables of this checkout)")
    g.set_defaults(run=generate.generate)
    s = sub.add_parser("send", help="send them over mutual TLS; exit 1 when an answer differs from the truth")
    s.add_argument("--dir", required=True)
    s.add_argument("--base-url", required=True, metavar="URL")
    s.add_argument("--pki", required=True, metavar="DIR")
    s.add_argument("--workers", type=_positive, default=4)
    s.add_argument("--rate", type=float, default=0, help="requests a second, 0 = as fast as it goes")
    s.add_argument("--timeout", type=float, default=30, help="seconds for one answer")
    s.add_argument("--patience", type=float, default=120, help="seconds for one request with all its retries, and for the verdicts")
    s.add_argument("--verdicts", action="store_true", help="afterwards ask every receipt for its verdict and compare")
    s.set_defaults(run=send.send)
    v = sub.add_parser("verify", help="compare the mocks' oracles with the truth; exit 1 when they differ")
    v.add_argument("--dir", required=True)
    v.add_argument("--portal-oracle", required=True, metavar="URL")
    v.add_argument("--population-oracle", metavar="URL")
    v.add_argument("--province-oracle", metavar="URL", help="where all provinces are called back: what they were told is compared too")
    v.add_argument("--pki", required=True, metavar="DIR")
    v.add_argument("--oracle-client", default="operator", help="whose certificate asks the oracles (default operator)")
    v.add_argument("--wait", type=float, default=0, help="seconds to wait until everything has arrived")
    v.add_argument("--json", action="store_true")
    v.set_defaults(run=verify.verify)
    m = sub.add_parser("sample", help="print one representative event")
    m.add_argument("--dialect", required=True, choices=sorted(dialects.MEDIA))
    m.add_argument("--bytes", type=_positive, default=1500)
    m.add_argument("--seed", type=int, default=1)
    m.add_argument("--tables", metavar="DIR")
    m.set_defaults(run=sample)
    return p


def main():
    o = parser().parse_args()
    try:
        return o.run(o)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        return 130
    except OSError as e:
        print(f"loadgen: {e.filename or o.command}: {e.strerror or e}", file=sys.stderr)
        return 73
