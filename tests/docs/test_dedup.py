"""docs/internals/dedup.md names tests and files as its proofs: they are there, and the formats are those of the code."""

import re

from tools.lt.stack import ROOT

TEXT = (ROOT / "docs/internals/dedup.md").read_text()
CORE = ROOT / "gateway/core"


def test_every_test_it_names_is_one_that_runs():
    named = {n for n in re.findall(r"`([a-z]+(?:_[a-z0-9]+){4,})`", TEXT)}
    assert len(named) > 30
    sources = "\n".join(p.read_text() for p in (ROOT / "tests/unit").glob("test_core_*.c"))
    missing = sorted(n for n in named if not re.search(rf"(?:cmocka_unit_test\w*|IN_A_WORLD)\(\s*{n}\b", sources))
    assert not missing


def test_every_file_it_names_exists():
    named = set(re.findall(r"`(\w+\.(?:c|h|\*))`", TEXT))
    assert {"index.c", "load.c", "build.c", "index_files.c"} <= named
    missing = sorted(n for n in named if not list(CORE.glob(n)) and not list((ROOT / "tests/unit").glob(n)))
    assert not missing


def test_the_formats_it_names_are_the_codes():
    (magic,) = re.findall(r"#define FILE_MAGIC 0x([0-9a-f]+)", (CORE / "index_files.c").read_text())
    name = bytes.fromhex(magic)[::-1].decode()
    (position,) = re.findall(r'#define LT_POSITION_FORMAT "(\w+)"', (CORE / "position.h").read_text())
    assert f"({position}, {name})" in TEXT
