"""Every metric that the program shows stands in docs/operations.md, and every one that stands there is shown; so with alarms and reasons."""

import re

from tools.lt.stack import ROOT

MANUAL = (ROOT / "docs/operations.md").read_text()
SOURCES = [p for d in ("gateway", "adapters/population", "adapters/portal", "adapters/provincial", "adapters/notify") for p in sorted((ROOT / d).rglob("*.c"))]
TEXT = re.sub(r'"\s*\n\s*"', "", "\n".join(p.read_text() for p in SOURCES)).replace("\\n", "\n")
OWN = r"\b(lt_(?:info|ingest|core|topic|tables)(?:_[a-z]+)*|lienthong_delivery(?:_[a-z]+)+)"


def shown():
    """Names in texts that are written as a metric: with labels, with a value, or as a row of a table of metrics."""
    direct = set(re.findall(OWN + r'(?:\{|(?: %|\\")|", "(?:counter|gauge)")', TEXT))
    return direct | {f"lienthong_delivery_{n}" for n in re.findall(r'metric\(e, out, "([a-z_]+)"', TEXT)}


def test_every_metric_has_a_place_in_the_manual():
    names = shown()
    assert {"lt_info", "lt_ingest_http_busy_total", "lt_core_index_bytes", "lt_topic_trouble", "lt_tables_kept", "lienthong_delivery_lag_records"} <= names
    missing = sorted(n for n in names if not re.search(rf"`{n}[`{{]", MANUAL))
    assert not missing


def test_every_metric_of_the_manual_is_shown():
    told = set(re.findall(f"`{OWN}", MANUAL))
    assert len(told) > 40 and not told - shown()


def test_every_stop_and_alarm_of_the_manual_is_one_of_the_program():
    told = set(re.findall(r"^\| ([A-Z]+(?:-[A-Z]+)+)\b", MANUAL, re.M))
    assert len(told) > 20
    assert not sorted(n for n in told if f'"{n}"' not in TEXT)
