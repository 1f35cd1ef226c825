"""What the program says of a stop stands in docs/operations.md, with its way out."""

import re

from tools.lt.stack import ROOT

SOURCE = (ROOT / "gateway/core/stop.c").read_text()
MANUAL = (ROOT / "docs/operations.md").read_text()


def test_every_stop_has_its_row_in_the_manual():
    names = set(re.findall(r'\{"([A-Z][A-Z-]+)"', SOURCE)) - {"NONE"}
    assert len(names) >= 14
    missing = [n for n in names if not re.search(rf"^\| {n}\b", MANUAL, re.M)]
    assert not missing


def test_every_command_that_a_stop_names_is_explained():
    text = re.sub(r'"\s*\n\s*"', "", SOURCE)
    verbs = set(re.findall(r"lienthong core ([a-z-]+)", text))
    assert verbs == {"position", "accept-hole", "accept-index", "verify"}
    missing = [v for v in verbs if not re.search(rf"^\| `{v}\b", MANUAL, re.M)]
    assert not missing
