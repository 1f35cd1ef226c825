"""`tools/chaos WHAT`: faults against real gateways on a real Kafka. Each WHAT is a module that says what it runs and what must be 0:

    MUST_BE_ZERO           names of counts in the result
    options(parser)        adds its own options
    run(a, folder)         the result as a dict; Failure when something did not recover. Whatever it starts, it stops
"""

import argparse
import json
import sys
import xml.etree.ElementTree as ET

from tools.lt import chaos_core, chaos_delivery
from tools.lt.chaos_world import say
from tools.lt.stack import ROOT, Failure, stop_on_signals

WHAT = {"core": chaos_core, "delivery": chaos_delivery}


def junit(path, what, result, failure):
    """One test case for each count that must be 0."""
    suite = ET.Element("testsuite", name="chaos")
    for name in WHAT[what].MUST_BE_ZERO:
        case = ET.SubElement(suite, "testcase", classname=f"chaos.{what}", name=name)
        if failure or result[name]:
            ET.SubElement(case, "failure", message=failure or f"{name} is {result[name]}")
    ET.ElementTree(suite).write(path)


def main():
    parser = argparse.ArgumentParser(prog="tools/chaos", description="Faults against real gateways on a real Kafka; exit 0 when every count "
                                     "that must be 0 is, 1 when one is not, 2 when something did not recover.")
    parts = parser.add_subparsers(dest="what", required=True)
    for name, module in WHAT.items():
        part = parts.add_parser(name, help=module.__doc__.splitlines()[0].partition(": ")[2])
        part.add_argument("--rounds", type=int, default=3, help="each has every kind of fault once (3)")
        part.add_argument("--seed", type=int, default=1, help="of the schedule and the events (1)")
        part.add_argument("--port", type=int, help="Kafka's port, all others above it (free ones)")
        part.add_argument("--json", action="store_true", help="the result as one line of JSON")
        part.add_argument("--junit", help="also write a JUnit file")
        module.options(part)
    a = parser.parse_args()
    if a.rounds < 1:
        parser.error("--rounds must be 1 or more")
    stop_on_signals()
    folder = ROOT / "var/chaos" / a.what
    result, failure = None, None
    try:
        result = WHAT[a.what].run(a, folder)
    except Failure as e:
        failure = str(e)
        say(f"tools/chaos: {failure}\n  logs are in {folder.relative_to(ROOT)}")
    if a.junit:
        junit(a.junit, a.what, result, failure)
    if failure:
        return 2
    print(json.dumps(result) if a.json else json.dumps(result, indent=2))
    return 1 if any(result[name] for name in WHAT[a.what].MUST_BE_ZERO) else 0


if __name__ == "__main__":
    sys.exit(main())
