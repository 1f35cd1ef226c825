"""docs/protocol.md and docs/domain.md: what comments cite is there, and what they name exists."""

import re

from tools.lt.stack import ROOT

TEXT = (ROOT / "docs/protocol.md").read_text()
SECTIONS = {int(part[0]): part for part in re.split(r"^## ", TEXT, flags=re.M)[1:]}
RULES = {n: {int(rule) for rule in re.findall(r"^\| (\d+) \|", part, re.M)} for n, part in SECTIONS.items()}
NUMBERS = r"rules? (\d+(?:(?:, | and |-|–| to | or )\d+)*)"


def sources():
    for folder in ("gateway", "adapters", "schemas", "config", "tests", "tools"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".c", ".cc", ".h", ".py", ".md", ".json", ".xsd", ".yaml") and path.name != "test_protocol.py":
                yield path


def words(path):
    """The file in one line: a comment may break within a citation."""
    return re.sub(r"\s+(?:\* |// |# )?\s*", " ", path.read_text())


def numbers(text):
    return {int(n) for n in re.findall(r"\d+", text)}


def test_the_rules_are_numbered_without_a_gap():
    assert RULES[2] == set(range(1, 18)) and RULES[3] == set(range(1, 14))


def test_every_section_and_rule_that_is_cited_is_there():
    cited, missing = 0, []
    for path in sources():
        text = words(path)
        for m in re.finditer(r"\bprotocol (\d)(?:,? " + NUMBERS + ")?", text):
            cited += 1
            section = int(m.group(1))
            if section not in SECTIONS or not numbers(m.group(2) or "") <= RULES[section]:
                missing.append(f"{path.relative_to(ROOT)}: {m.group()}")
        inside = RULES[3] if "gateway/delivery" in str(path) or "adapters/" in str(path) else RULES[2] | RULES[3]
        for m in re.finditer(r"(protocol \d,? |core )?\b" + NUMBERS, text, re.I):
            if not m.group(1) and not numbers(m.group(2)) <= inside:
                missing.append(f"{path.relative_to(ROOT)}: {m.group()}")
    assert cited > 50 and not missing, "\n".join(missing)


def test_every_fact_of_the_domain_that_is_cited_is_there():
    there = set(re.findall(r"^#+ (\d(?:\.\d+)?)", (ROOT / "docs/domain.md").read_text(), re.M))
    cited = {(path.relative_to(ROOT), n) for path in sources() for more in re.findall(r"\bdomain (\d(?:\.\d+)?(?:, \d\.\d+)*)", words(path)) for n in more.split(", ")}
    assert len(cited) > 20 and not [c for c in cited if c[1] not in there]


def test_every_file_that_it_names_exists():
    named = set(re.findall(r"`((?:gateway|adapters|tests)/[\w./]+)`", TEXT))
    links = set(re.findall(r"\]\(([^)]+)\)", TEXT))
    assert len(named) > 50
    assert not [n for n in named if not (ROOT / n).exists()]
    assert not [n for n in links if not (ROOT / "docs" / n).exists()]


def test_every_rule_has_its_place_and_its_test():
    for section in (2, 3):
        for row in re.findall(r"^\| \d+ \|.*$", SECTIONS[section], re.M):
            kept, shown = row.split(" | ")[-2:]
            assert "`" in kept and "tests/" in shown, row
