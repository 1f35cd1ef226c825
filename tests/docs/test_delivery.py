"""What delivery shows stands in docs/operations.md: every metric and every stop, each with what to do. (Its log: test_log.py.)"""

import re

from tools.lt.stack import ROOT

MANUAL = (ROOT / "docs/operations.md").read_text()
SOURCES = [p for d in ("gateway/delivery", "adapters") for p in sorted((ROOT / d).rglob("*.c")) if "/mock" not in str(p)]
TEXT = "\n".join(p.read_text() for p in SOURCES)
JOINED = re.sub(r'"\s*\n\s*"', "", TEXT)


def rows(first):
    """Rows of the manual's tables whose first cell holds this word, with something in every other cell."""
    return [line for line in MANUAL.splitlines() if line.startswith("|") and re.search(first, line.split("|")[1]) and all(c.strip() for c in line.split("|")[2:-1])]


def test_every_metric_is_explained_with_when_to_alarm():
    names = set(re.findall(r"lienthong_delivery_([a-z_]+)", JOINED)) | set(re.findall(r'metric\(e, out, "([a-z_]+)"', JOINED))
    names = {n for n in names if n != "" and not n.endswith("_")}
    assert {"breaker", "in_flight", "lag_records", "oldest_unfinished_ms", "outcomes_total", "repeats_total", "ledger_total"} <= names
    missing = sorted(n for n in names if not rows(rf"lienthong_delivery_{n}\b"))
    assert not missing


def test_every_stop_of_a_partition_has_its_row():
    names = set(re.findall(r'lt_part_stop\(\s*[^"]*"([A-Z-]+)"', JOINED)) | {"FETCH-FAILED"}
    assert len(names) >= 10
    missing = sorted(n for n in names if not rows(rf"\b{n}\b"))
    assert not missing


def test_every_place_where_an_adapter_is_named_stands_in_the_document_about_adding_one():
    document = (ROOT / "docs/adding-a-target.md").read_text()
    words = re.compile(r'adapters/provincial|\blt_provincial(\b|_adapter)|"provincial"')
    files = [ROOT / "CMakeLists.txt", *(p for d in ("gateway", "adapters", "cmake") for p in (ROOT / d).rglob("*") if p.suffix in (".c", ".cmake", ".txt"))]
    found = [str(f.relative_to(ROOT)) for f in files if f.parent.name != "provincial" and words.search(f.read_text())]
    missing = [f for f in [*found, "adapters/NAME/CMakeLists.txt"] if f"| {f} |" not in document]
    assert len(found) >= 4 and not missing
