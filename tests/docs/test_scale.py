"""docs/scale.md computed anew: its table of sizes from its constants and formulas, its constants from docs/measurements.md and the shipped settings."""

import re

import pytest

from tools.lt.stack import ROOT

TEXT = (ROOT / "docs/scale.md").read_text()
MEASURED = (ROOT / "docs/measurements.md").read_text()
CONFIG = (ROOT / "config/gateway.yaml").read_text()
UNITS = {"": 1, "million": 1e6, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KB/s": 1e3, "MB/s": 1e6, "s": 1, "min": 60, "h": 3600}
YEAR_S, WINDOW_D, INTAKE_D, QUEUES_D = 31.5e6, 400, 440, 30
BYTES, COPIES, REPLICAS, AGAIN = 1000, 2, 3, 0.1
KEY_BYTES, FILE_BYTES, FILE_S, LOAD_PER_S, CPU_S = 24, 16, 1.22 / 10e6, 400_000, 10e-6


def row(name):
    """The three columns of a row of the table of sizes, as lists of numbers in base units."""
    (line,) = [x for x in TEXT.splitlines() if x.startswith(f"| {name} |")]
    return [numbers(cell) for cell in line.split("|")[2:5]]


def numbers(cell):
    found = re.findall(r"([\d.,]+)", cell)
    unit = re.search(r"[a-zA-Z/]+$", cell.strip())
    return [float(x.replace(",", "")) * UNITS[unit[0] if unit else ""] for x in found]


def constant(name):
    (line,) = [x for x in TEXT.splitlines() if x.startswith(f"| {name} |")]
    return line.split("|")[2]


SIZES = [(e, int(p), int(n)) for (e,), (p,), (n,) in zip(row("events a year, E"), row("partitions of intake"), row("processes"))]


def live(e):
    return e * (1 - AGAIN) * WINDOW_D / 365


FORMULAS = {
    "dossiers a year": lambda e, p, n: [e / 6],
    "mean / peak (×10) events/s": lambda e, p, n: [e / YEAR_S, 10 * e / YEAR_S],
    "index entries live": lambda e, p, n: [live(e)],
    "index memory": lambda e, p, n: [live(e) * KEY_BYTES],
    "index files": lambda e, p, n: [e * WINDOW_D / 365 * FILE_BYTES],
    "disk, three replicas": lambda e, p, n: [e * BYTES * REPLICAS * (INTAKE_D + COPIES * QUEUES_D) / 365],
    "network, mean / peak, with replicas": lambda e, p, n: [x * e / YEAR_S * BYTES * (1 + COPIES) * REPLICAS for x in (1, 10)],
    "index memory a process, one of them away": lambda e, p, n: [live(e) * KEY_BYTES / (n - 1)],
    "start of a process with its files": lambda e, p, n: [e * WINDOW_D / 365 / n * FILE_S],
    "start of a process without files": lambda e, p, n: [e * WINDOW_D / 365 / n / LOAD_PER_S],
    "CPU of the core, whole year's events": lambda e, p, n: [e * CPU_S],
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_row_of_the_sizes_is_what_its_formula_gives(name):
    for size, told in zip(SIZES, row(name)):
        assert told == pytest.approx(FORMULAS[name](*size), rel=0.06), size


def test_every_row_of_the_sizes_is_computed():
    table = TEXT[TEXT.index("| | a province |"):].split("\n\n")[0].splitlines()[2:]
    given = {"events a year, E", "partitions of intake", "processes"}
    assert {x.split("|")[1].strip() for x in table} == set(FORMULAS) | given


def test_partitions_are_at_least_four_for_each_process_and_divide_evenly():
    assert all(p % n == 0 and (p >= 4 * n or n == 2) for _, p, n in SIZES)


def test_the_settings_it_names_are_the_shipped_ones():
    assert constant("window / retention of intake").strip() == f"{WINDOW_D} d / {INTAKE_D} d"
    assert re.search(rf"^window: {WINDOW_D}d", CONFIG, re.M) and re.search(rf"intake: {INTAKE_D}d", CONFIG)
    assert re.search(rf"queues: {QUEUES_D}d", CONFIG) and re.search(rf"events: {QUEUES_D}d", CONFIG)


def test_the_memory_beyond_the_index_is_what_its_formula_gives_for_the_shipped_settings():
    (records, mib), = re.findall(r"commit: {records: (\d+), bytes: (\d+)MiB", CONFIG)
    text = " ".join(TEXT.split())
    told = re.search(r"Shipped settings: (\d+) MiB and ([\d,]+) records: (\d+) MiB \+ (\d+) MiB = (\d+) MiB, (\d+) MB", text)
    given, given_records, queues, tables, both, megabytes = (int(x.replace(",", "")) for x in told.groups())
    assert (given, given_records, queues) == (int(mib), int(records), 9 * int(mib))
    assert tables == pytest.approx(int(records) * 2200 / 2**20, abs=1) and both == queues + tables
    assert megabytes == pytest.approx(both * 2**20 / 1e6, abs=1)


def test_the_bytes_a_key_are_the_measured_ones():
    table = re.findall(r"^\| \d+ M \(\d+\) \| ([\d.]+); ([\d.]+) \|", MEASURED, re.M)
    settled, growing = [float(s) for s, _ in table], [float(g) for _, g in table]
    told = constant("index")
    low, high = (float(x) for x in re.search(r"([\d.]+)–([\d.]+) bytes a key settled", told).groups())
    assert (low, high) == (min(settled), max(settled)) and high <= KEY_BYTES
    assert float(re.search(r"at most ([\d.]+) while", told)[1]) == max(growing)
    assert f"planned with {KEY_BYTES}" in told


def test_the_times_of_a_start_and_the_memory_are_the_measured_ones():
    files = constant("local files")
    assert float(re.search(r"loaded in ([\d.]+) s", files)[1]) == float(re.search(r"10 M keys over 200 generations: \*\*([\d.]+) s", MEASURED)[1]) == FILE_S * 10e6
    assert f"{FILE_BYTES} bytes a key." in MEASURED and f"{FILE_BYTES} bytes a key" in files
    assert numbers(constant("load without files").replace("records/s", "")) == [LOAD_PER_S]
    slowest = min(float(x.replace(",", "")) for x in re.search(r"^\| librdkafka woken.*?\| ([\d,]+) and ([\d,]+)/s \|", MEASURED, re.M).groups())
    assert slowest == pytest.approx(LOAD_PER_S, rel=0.05)
    (beyond,) = re.findall(r"^(\d+) MB at the peak", constant("memory of a worker beyond the index").strip())
    assert f"{beyond} MB since" in MEASURED
