"""schemas/api/openapi.yaml names every answer that the listener gives of itself; those of an event are the mapping language's."""

import re

from tools.lt.stack import ROOT

API = (ROOT / "schemas/api/openapi.yaml").read_text()
TEXT = "\n".join(p.read_text() for d in ("gateway/ingest", "gateway/http") for p in sorted((ROOT / d).glob("*.c")))


def test_every_status_and_code_of_the_listener_stands_in_the_api():
    answers = re.findall(r'lt_http_(?:problem|input_refuse)\([^,]+, (\d{3}),\s*"([a-z-]+)"', TEXT)
    assert {("503", "too-many-connections"), ("421", "no-ingest"), ("404", "unknown-receipt")} <= set(answers)
    assert not sorted({status for status, _ in answers if f'"{status}": ' not in API})
    assert not sorted({code for _, code in answers if not re.search(rf"\b{code}\b", API)})


def test_its_address_is_the_shipped_one():
    (shipped,) = re.findall(r"^  listen: (127\.0\.0\.1:\d+)$", (ROOT / "config/gateway.yaml").read_text().split("\nadmin:")[0], re.M)
    assert f"url: https://{shipped}\n" in API
