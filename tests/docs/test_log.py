"""Every event of level warning and above that the log may show has a row in docs/operations.md that says what to do; every event of those tables is one of the program's."""

import re

from tools.lt.stack import ROOT

MANUAL = (ROOT / "docs/operations.md").read_text()
OF_TARGETS = re.search(r"^What the log says of a target.*?\n\n((?:\|.*\n)+)", MANUAL, re.M)[1]
OF_THE_REST = MANUAL.replace(OF_TARGETS, "")
EVENT = r"[a-z]+(?:-[a-z]+)*"


def arguments(text, start):
    """Those of the call whose parenthesis opens before start, split at its own commas."""
    found, depth, at = [""], 1, start
    for part in re.finditer(r'"(?:\\.|[^"\\])*"|.', text[start:], re.S):
        depth += {"(": 1, ")": -1}.get(part[0], 0)
        if depth == 0:
            return [a.strip() for a in found]
        if part[0] == "," and depth == 1:
            found.append("")
        else:
            found[-1] += part[0]
    raise AssertionError(text[at:at + 80])


def words(argument, text):
    """The events an argument may be: literals, a choice of them, or a function of the same file over a table of them."""
    table = re.fullmatch(r"(\w+)\(\w+\)", argument)
    if table:
        argument = re.search(rf"^static const char \*{table[1]}\(.*?^}}", text, re.M | re.S)[0]
    found = re.findall(f'"({EVENT})"', argument)
    assert found, argument
    return found


def said():
    """(event, is it a target's, is it a warning or worse) of each line that the program may write."""
    for source in sorted(p for d in ("gateway", "adapters") for p in (ROOT / d).rglob("*.c")):
        text = source.read_text()
        of_target = source.is_relative_to(ROOT / "gateway/delivery") or source.is_relative_to(ROOT / "adapters")
        for call in re.finditer(r"\b(?:lt_(debug|info|warn|error)|lt_log)\(", text):
            args = arguments(text, call.end())
            level, event = (call[1], args[1]) if call[1] else (args[0], args[2])
            for word in words(event, text):
                yield word, of_target, level not in ("debug", "info", "LT_LOG_DEBUG", "LT_LOG_INFO")


SAID = set(said())


def rows(manual):
    """Cells of each row of a table."""
    return [re.split(r"(?<!\\) \| ", line[2:-2]) for line in re.findall(r"^\| .* \|$", manual, re.M)]


def listed(manual):
    """(event, is its row whole) of the tables that have a column of that name."""
    for table in re.findall(r"^(?:\|.*\n)+", manual, re.M):
        head, *body = rows(table)
        column = next((n for n, cell in enumerate(head) if cell in ("event", "log event")), None)
        if column is not None:
            for cells in body:
                yield from ((word, all(cell.strip() for cell in cells)) for word in re.findall(f"`({EVENT})`", re.sub(r"\(.*?\)", "", cells[column])))


def explained(manual):
    """Those with a meaning and something to do, and the alarms that bear the name of their event."""
    alarms = {cells[0].split("`")[1] for cells in rows(manual) if re.match(f"`{EVENT}`", cells[0]) and all(cell.strip() for cell in cells)}
    return alarms | {word for word, is_whole in listed(manual) if is_whole}


def test_what_the_program_may_say_is_found():
    assert {("topic-refused", False, True), ("kafka-away", False, True), ("target-paused", True, True), ("province-paused", True, True), ("stopped", False, True)} <= SAID
    assert ("reloading", False, False) in SAID and len([1 for _, _, bad in SAID if bad]) > 60


def test_every_warning_of_the_log_has_a_row_that_says_what_to_do():
    missing = [(word, "of a target" if of_target else "of the rest") for word, of_target, bad in sorted(SAID)
               if bad and word not in explained(OF_TARGETS if of_target else OF_THE_REST)]
    assert not missing


def test_every_event_of_the_tables_is_one_of_the_program():
    for manual, side in (OF_TARGETS, True), (OF_THE_REST, False):
        told = {word for word, _ in listed(manual)}
        assert len(told) > 20 and not told - {word for word, of_target, _ in SAID if of_target == side}
