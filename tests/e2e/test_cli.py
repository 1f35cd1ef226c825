"""The commands as an operator meets them: exit codes, messages with a place, and what must never happen by mistake."""

import dataclasses
import http.server
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from tests.e2e.events import XML, new_code, xml, xml_item
from tests.e2e.world import LIENTHONG, World, empty_kafka, run
from tools.lt.stack import ROOT, get, wait_for

EXAMPLES = ROOT / "config/mappings/examples"


@pytest.fixture
def place(tmp_path, pki, bootstrap):
    """A configuration; nothing is started, Kafka is left as it is."""
    return World(tmp_path, pki, bootstrap)


def lienthong(*argv, check=None, **kw):
    return run(LIENTHONG, *argv, check=check, timeout=60, **kw)


# ---- check --------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Mistake:
    """`old` becomes `new` in a file of config/; the message must stand where `at` begins in it and say all of `says`. $PKI is the folder of keys."""

    file: str
    old: str
    new: str
    at: str
    says: tuple

    def filled(self, world):
        return [text.replace("$PKI", str(world.pki)) for text in (self.old, self.new, self.at)]

    def make(self, world):
        old, new, _ = self.filled(world)
        assert (world.config.parent / self.file).read_text().count(old) == 1, f"{self.file} must hold {old!r} once"
        world.edit(self.file, old, new)

    def place(self, world):
        """file:line:col of the mistake, as the files are now."""
        _, new, at = self.filled(world)
        path = world.config.parent / self.file
        text = path.read_text()
        offset = text.index(new) + new.index(at)
        return f"{path}:{text.count(chr(10), 0, offset) + 1}:{offset - text.rfind(chr(10), 0, offset)}: "

    def told(self, world, lines):
        """The message about it is among these lines."""
        here = [line for line in lines if line.startswith(self.place(world))]
        assert here, f"nothing at {self.place(world)}\n" + "\n".join(lines)
        words = ("expected", "got", *self.says)
        assert any(all(word in line for word in words) for line in here), f"not told: {words}\n" + "\n".join(here)


VI_LA = "{in: examples/onegate-xml/don-vi-la.xml, refused: "
TRAN_PHU = '{code: H22.34.03, name: "Ủy ban nhân dân phường Trần Phú", level: commune, to: 2025-07-01, successor: '

MISTAKES = {
    "a misspelt key": Mistake("gateway.yaml", "  threads: 2", "  thread: 2", "thread: 2", ("'thread'", "did you mean 'threads'?")),
    "a duration that is none": Mistake("gateway.yaml", "ack_timeout: 15s", "ack_timeout: 15 parsecs", "15 parsecs",
                                       ("ingest.ack_timeout", "a duration", "'15 parsecs'")),
    "a role that is none": Mistake("clients.yaml", "role: postal", "role: postman", "postman", ("role", "operator", "'postman'")),
    "a successor that is not there": Mistake("tables/units.yaml", TRAN_PHU + "H22.00691", TRAN_PHU + "H22.99999", "H22.99999",
                                             ("successor", "H22.99999")),
    "a route to nowhere": Mistake("routes/main.yaml", "to: portal", "to: portl", "portl", ("to:", "'portl'", "did you mean 'portal'?")),
    "a timeout of a target": Mistake("targets/portal.yaml", "\ntimeout: 30s", "\ntimeout: soon", "soon", ("timeout", "a duration", "'soon'")),
    "an option of an adapter": Mistake("targets/population.yaml", "accents: strip", "accents: maybe", "maybe",
                                       ("accents", "strip, keep", "'maybe'")),
    "a property that librdkafka does not know": Mistake("gateway.yaml", "\nkafka:\n", "\nkafka:\n  sasl.mechanisme: PLAIN\n", "PLAIN",
                                                        ("kafka.sasl.mechanisme", "No such configuration property")),
    "an expired certificate": Mistake("targets/portal.yaml", "$PKI/gateway.crt", "$PKI/gateway-expired.crt", "$PKI",
                                      ("tls.certificate", "not expired", "gateway-expired.crt")),
    "a key that everybody can read": Mistake("targets/population.yaml", "$PKI/gateway.key", "$PKI/open.key", "$PKI",
                                             ("tls.key", "chmod 600", "0644")),
    "a vocabulary that is not there": Mistake("mappings/opencps-json.yaml", "normal: action}", "normal: acton}", "acton",
                                              ("normal", "acton", "did you mean action?")),
    "a schema that is not there": Mistake("mappings/igate-json.yaml", "schema: schemas/provincial/igate/dossier-1.0.json",
                                          "schema: schemas/provincial/igate/dossier-9.9.json", "schemas/", ("schema", "dossier-9.9.json")),
    "an example that turns out otherwise": Mistake("mappings/onegate-xml.yaml", VI_LA + "unknown-unit", VI_LA + "unknown-procedure",
                                                   "unknown-procedure", ("unknown-procedure", "unknown-unit", "don-vi-la.xml")),
}


# Mistakes in the tables of what a target's answers mean; the message stands at `at`.
ANSWERS = {
    "an example that ends in another row": Mistake("targets/portal.yaml", "examples: [{status: 408}]", "examples: [{status: 429}]", "{status: 429}",
                                                   ("row 'too-slow'", "row 'too-many'")),
    "a condition that is none": Mistake("targets/population.yaml", 'when: {fault: "Client*"}', 'when: {falt: "Client*"}', "falt",
                                        ("'falt'", "did you mean 'fault'?")),
    "a cut call taken for one that was not applied": Mistake("targets/portal.yaml", "transport: [cut, too-large]}\n      is: unknown",
                                                             "transport: [cut, too-large]}\n      is: retry", "retry", ("may have been applied",)),
}


def prepare(world):
    run(ROOT / "tools/pki", "make", "--dir", world.pki, "--expired", "gateway", check=0)
    shutil.copy(world.pki / "gateway.key", world.pki / "open.key")
    (world.pki / "open.key").chmod(0o644)


@pytest.mark.parametrize("name", MISTAKES)
def test_check_names_one_mistake_with_its_place_and_what_was_expected(place, name):
    prepare(place)
    MISTAKES[name].make(place)
    r = lienthong("check", "--config", place.config, check=78)
    MISTAKES[name].told(place, r.stdout.splitlines())


@pytest.mark.parametrize("name", ANSWERS)
def test_check_proves_the_tables_of_answers(place, name):
    prepare(place)
    ANSWERS[name].make(place)
    r = lienthong("check", "--config", place.config, check=78)
    path = f"{place.config.parent / ANSWERS[name].file}:"
    assert any(line.startswith(path) and all(word in line for word in ("expected", "got", *ANSWERS[name].says)) for line in r.stdout.splitlines()), r.stdout


def test_check_tells_a_row_that_can_never_match(place):
    prepare(place)
    place.edit("targets/portal.yaml", "    - name: too-many\n", "    - {name: late, when: {status: 403}, is: retry, examples: [{status: 403}]}\n    - name: too-many\n")
    r = lienthong("check", "--config", place.config, check=78)
    assert "row 'late' can never match: row 'denied' of line" in r.stdout


def test_check_names_thirteen_mistakes_of_nine_files_in_one_run(place):
    prepare(place)
    for mistake in MISTAKES.values():
        mistake.make(place)
    r = lienthong("check", "--config", place.config, check=78)
    lines = r.stdout.splitlines()
    missing = []
    for name, mistake in MISTAKES.items():
        try:
            mistake.told(place, lines)
        except AssertionError as e:
            missing.append(f"{name}: {str(e).splitlines()[0]}")
    assert not missing, "\n".join(missing) + "\n\nit printed:\n" + r.stdout


def test_check_finds_a_file_that_librdkafka_cannot_read_without_a_broker(place):
    text = place.config.read_text()
    place.config.write_text(text.replace("\nkafka:\n", "\nkafka:\n  security.protocol: ssl\n  ssl.ca.location: none.pem\n", 1))
    r = lienthong("check", "--config", place.config, check=78)
    line = place.config.read_text()[: place.config.read_text().index("none.pem")].count("\n") + 1
    assert re.search(rf":{line}:\d+: kafka: expected what librdkafka takes, got kafka: ssl.ca.location failed", r.stdout), r.stdout
    assert not r.stderr


def test_check_of_a_clean_configuration_is_ok(place):
    r = lienthong("check", "--config", place.config, check=0)
    assert r.stdout.strip().endswith("ok") and "42 examples" in r.stdout
    assert json.loads(lienthong("check", "--json", "--config", place.config, check=0).stdout) == {"ok": True, "errors": 0, "examples": 42, "findings": []}


def test_check_as_json_has_the_same_places(place):
    MISTAKES["a misspelt key"].make(place)
    answer = json.loads(lienthong("check", "--json", "--config", place.config, check=78).stdout)
    (finding,) = answer["findings"]
    assert (answer["ok"], answer["errors"], finding["severity"]) == (False, 1, "error")
    assert f"{finding['file']}:{finding['line']}:{finding['column']}: " == MISTAKES["a misspelt key"].place(place) and "threads" in finding["text"]


def test_check_finds_a_route_for_events_that_do_not_exist(place):
    """Otherwise every dossier would go to lt.events.unrouted."""
    place.edit("routes/main.yaml", '"vn.lienthong.dossier.*"', '"vn.lienthong.dosier.*"')
    r = lienthong("check", "--config", place.config)
    assert "dosier" in r.stdout, r.stdout


def test_check_names_a_unit_that_no_route_reaches(place):
    place.edit("routes/main.yaml", 'when: {type: "vn.lienthong.dossier.*"}', 'when: {type: "vn.lienthong.dossier.*", province: [H22, H29]}')
    place.edit("routes/main.yaml", "sector: dat-dai}}", "sector: dat-dai}, province: H22}")
    lines = lienthong("check", "--config", place.config, check=0).stdout.splitlines()
    assert any("units.yaml:" in line and "H40.13738" in line and "no route" in line for line in lines), lines
    assert not any("H22." in line for line in lines)


def test_check_lists_every_option_of_the_configuration_and_of_each_adapter():
    """No configuration is read for it."""
    lines = lienthong("check", "--options", "--config", "/not/there", check=0).stdout.splitlines()
    assert any(line.startswith("ingest.body_max: a size from 1KiB to 64MiB (4096 64KiB 4MiB 2GiB), default 4MiB. Largest ") for line in lines), lines
    adapters = {m[1] for m in (re.match(r"targets\((\w+)\)\.options\.\w+: ", line) for line in lines) if m}
    assert adapters == {"portal", "population", "provincial", "notify"}
    assert not [line for line in lines if not re.fullmatch(r"[\w.()]+: .+\. \S.*", line)]


def test_check_of_routes_that_are_no_yaml_tells_that_alone(place):
    """And not of each unit and procedure that no route reaches it then."""
    place.edit("routes/main.yaml", "  - name: land", " - name: land")
    finding, summary = lienthong("check", "--config", place.config, check=78).stdout.splitlines()
    assert "routes/main.yaml:12:2: expected YAML" in finding and summary.endswith("1 error, 0 warnings")


def test_check_refuses_yaml_that_is_none_with_its_line(place):
    place.edit("clients.yaml", "provinces: [H22]", "provinces: [H22")
    r = lienthong("check", "--config", place.config, check=78)
    assert re.search(r"clients\.yaml:\d+:\d+: ", r.stdout), r.stdout


def test_check_of_a_file_that_is_not_there_says_so():
    assert "/nowhere/gateway.yaml" in lienthong("check", "--config", "/nowhere/gateway.yaml", check=78).stdout


SECRET = "k1tdz8-ganz-geheim"


@pytest.mark.parametrize("file, key, mode, says", [
    ("gateway.yaml", "receipt.key", 0o600, "at least 32 bytes"),
    ("gateway.yaml", "receipt.key", 0o644, "chmod 600"),
    ("targets/portal.yaml", "portal.password", 0o644, "chmod 600"),
])
def test_a_secret_that_is_not_taken_is_named_and_not_printed(place, tmp_path, file, key, mode, says):
    path = tmp_path / key
    path.write_text(SECRET + "\n")
    path.chmod(mode)
    place.edit(file, f"{place.pki}/{key}", str(path))
    for command in (["check"], ["check", "--json"], ["run"]):
        r = lienthong(*command, "--config", place.config, check=78)
        assert SECRET not in r.stdout + r.stderr and says in r.stdout + r.stderr, command


def test_a_secret_of_kafka_is_not_printed(place):
    place.edit("gateway.yaml", "  bootstrap.servers:", "  security.protocol: sasl_plaintext\n  sasl.mechanism: PLAIN\n  sasl.username: lienthong\n"
               "  sasl.password: {env: LT_TEST_SASL}\n  bootstrap.servers:")
    env = {"LT_TEST_SASL": SECRET, "PATH": "/usr/bin:/bin"}
    for command, code in (("check", 0), ("topics", 69)):  # the broker of the tests speaks no SASL
        r = lienthong(command, "--config", place.config, check=code, env=env)
        assert SECRET not in r.stdout + r.stderr
    r = lienthong("check", "--config", place.config, check=78, env={"PATH": "/usr/bin:/bin"})
    assert "LT_TEST_SASL" in r.stdout


# ---- explain -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example, rule, where", [
    ("onegate-xml/nhan-ho-so.xml", "onegate-xml.yaml:", "/SuKienHoSo/SuKien/MaHoSo (line 6)"),
    ("opencps-json/nhan-ho-so.json", "opencps-json.yaml:", "/dossierNo"),
    ("igate-json/nhan-ho-so.json", "igate-json.yaml:", "/nationCode"),
])
def test_explain_shows_rule_and_place_of_every_field(place, example, rule, where):
    out = lienthong("explain", "--config", place.config, EXAMPLES / example, check=0).stdout
    assert "accepted vn.lienthong.dossier.received.v1" in out and "key H22/H22.00847-250902-0123" in out
    rows = {line.split()[0]: line for line in out.splitlines() if rule in line}
    assert where in rows["subject"] and {"source", "type", "time", "unit", "procedure", "/HoSo/ChuHoSo", "/HoSo/TaiLieuNop/0/TenTepDinhKem"} <= set(rows)
    number = int(re.search(re.escape(rule) + r"(\d+)", rows["subject"]).group(1))
    source = (place.config.parent / "mappings" / rule.rstrip(":")).read_text().splitlines()[number - 1]
    assert source.startswith("subject:")


def test_explain_as_json_is_the_event_that_the_gateway_writes(place):
    out = json.loads(lienthong("explain", "--json", "--config", place.config, EXAMPLES / "opencps-json/nhan-ho-so.json", check=0).stdout)
    want = json.loads((EXAMPLES / "opencps-json/nhan-ho-so.out.json").read_text())
    event = out["items"][0]["event"]
    assert {k: event[k] for k in want} == want


def test_explain_of_a_refused_input_says_why_and_ends_with_1(place):
    out = lienthong("explain", "--config", place.config, EXAMPLES / "onegate-xml/don-vi-la.xml", check=1).stdout
    assert "unknown-unit" in out and "line 8" in out
    assert "json-schema" in lienthong("explain", "--config", place.config, EXAMPLES / "opencps-json/sai-kieu.json", check=1).stdout


def test_explain_of_a_file_that_is_not_there_is_a_usage_error(place):
    assert "/nowhere.xml" in lienthong("explain", "--config", place.config, "/nowhere.xml", check=2).stderr


# ---- misspelt commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("argv, said", [
    (["chek"], "did you mean 'check'?"), (["topic"], "did you mean 'topics'?"), (["explian"], "did you mean 'explain'?"), ([], "usage:"),
    (["check", "--confg", "x"], "--confg"), (["run", "--roles", "ingest,cor"], "'cor'"), (["topics", "destroy"], "show|create"),
    (["submit"], "--certificate"), (["explain"], "FILE"),
])
def test_a_misspelt_command_is_a_usage_error_that_helps(argv, said):
    assert said in lienthong(*argv, check=2).stderr


def test_the_help_of_a_command_says_what_each_of_its_options_is_for_and_where_its_configuration_comes_from():
    commands = re.findall(r"^  (\w+) +\S", lienthong("--help", check=0).stdout, re.M)
    assert len(commands) == 13
    assert "--config" not in lienthong("submit", "--help", check=0).stdout  # whoever sends has none
    for command in set(commands) - {"version", "submit"}:
        usage, _, more = lienthong(command, "--help", check=0).stdout.partition("\n")
        assert usage.startswith(f"usage: lienthong {command} [--config FILE]")
        assert [o for o in re.findall(r"--[a-z-]+", usage.removeprefix("[--config FILE]")) if o not in more] == [], command
        assert "$LIENTHONG_CONFIG" in more and "exit" in more, command


@pytest.mark.parametrize("command", ["check", "status", "topics", "run"])
def test_who_stands_elsewhere_is_told_how_to_name_the_configuration(command, tmp_path):
    r = subprocess.run([str(LIENTHONG), command], cwd=tmp_path, capture_output=True, text=True, env={k: v for k, v in os.environ.items() if k != "LIENTHONG_CONFIG"})
    assert r.returncode == 78 and "config/gateway.yaml" in r.stdout + r.stderr and "--config FILE or $LIENTHONG_CONFIG" in r.stdout + r.stderr


def told_status(place, says, check, command=("status",)):
    """What `lienthong status`, or another command, makes of a gateway that says that."""
    class Admin(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"instance": "gateway-1", **says}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http.server.HTTPServer(("127.0.0.1", place.admin_port), Admin) as server:
        server.timeout = 15
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        r = lienthong(*command, "--config", place.config, check=check)
        thread.join()
    return r.stdout


def test_status_names_a_target_whose_thread_hangs(place):
    """What such a target told last may be that it runs."""
    says = {"hanging": ["portal"], "targets": [{"target": "portal", "ready": True, "state": "running"}]}
    assert "NOT READY portal: its thread hangs; restart this gateway" in told_status(place, says, 1)


def test_a_core_whose_thread_hangs_is_named_whatever_it_told_last(place, bootstrap):
    says = {"core": {"ready": False, "hangs": True, "workers": [{"worker": 0, "trouble": ""}], "partitions": []}}
    assert "NOT READY core: its thread hangs; restart this gateway" in told_status(place, says, 1)
    empty_kafka(bootstrap)
    place.topics()
    told = told_status(place, says, 1, ("core", "status"))
    assert "core: its thread hangs; restart this gateway" in told and "stopped for nothing" not in told
    assert json.loads(told_status(place, says, 1, ("core", "status", "--json")))["gateway"]["hangs"] is True
    says["core"]["hangs"] = False
    assert "gateway-1 has stopped for nothing" in told_status(place, says, 0, ("core", "status"))


@pytest.mark.parametrize("denied", [True, False])
def test_status_of_a_province_that_does_not_let_us_in_says_what_to_do_and_waits_for_people(place, denied):
    """Its pause is its own: the target runs. One that is only away comes back by itself."""
    province = {"province": "H22", "state": "paused", "reason": "http-401", "resumes_in_ms": 4000, "needs_people": denied, "delivered": 7}
    says = {"targets": [{"target": "province", "ready": True, "state": "running", "details": {"provinces": [province]}}]}
    told = told_status(place, says, 1 if denied else 0)
    assert "H22 paused: http-401, took 7 so far, tries again in 4 s" in told
    assert ("certificates of both sides" in told and "lienthong targets resume province tries now" in told) == denied


@pytest.mark.parametrize("paused", [True, False])
def test_status_tells_a_failure_once(place, paused):
    why = {"code": "tls", "why": "certificate expired"}
    target = {"target": "portal", "ready": True, "state": "paused", "reason": "trouble", **why} if paused else {"target": "portal", "ready": True, "state": "running"}
    told = told_status(place, {"targets": [{**target, "failing": {**why, "ago_ms": 3000}}]}, 0)
    assert "last failure 3 s ago, nothing was taken since" in told and told.count("tls: certificate expired") == 1


@pytest.mark.parametrize("state, oldest_ms, lag, shown", [
    ("running", 300, 40, False), ("running", 12000, 40, True), ("running", 300, 5000, True), ("paused", 300, 40, True), ("paused", 0, 1, False)])
def test_status_tells_of_a_queue_that_stands_or_is_long(place, state, oldest_ms, lag, shown):
    """Also during an operator's pause, which nothing fails in."""
    target = {"target": "portal", "ready": True, "state": state, "oldest_ms": oldest_ms, "lag": lag, **({"reason": "operator"} if state == "paused" else {})}
    assert (f"waiting: {lag} records of the queue, the oldest for {oldest_ms // 1000} s" in told_status(place, {"targets": [target]}, 0)) == shown


def test_status_of_what_runs_is_told_although_a_file_of_its_configuration_was_spoilt_since(place):
    place.edit("tables/units.yaml", "entries:\n", "entries: {\n")
    r = told_status(place, {"tables": {"state": "kept", "text": "units.yaml: expected YAML"}}, 1)
    assert "the former ones go on: units.yaml: expected YAML" in r


def test_status_without_a_gateway_ends_with_69(place):
    assert f"127.0.0.1:{place.admin_port}" in lienthong("status", "--config", place.config, check=69).stderr


# ---- starting where something is in the way ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["ingest", "admin"])
def test_a_taken_port_is_named_and_ends_with_78(place, bootstrap, which):
    empty_kafka(bootstrap)
    place.topics()
    port = place.ingest_port if which == "ingest" else place.admin_port
    with socket.create_server(("127.0.0.1", port)):
        r = lienthong("run", "--config", place.config, check=78)
    assert f"127.0.0.1:{port}" in r.stderr and "in use" in r.stderr


def test_a_start_that_failed_ends_with_78_although_kafka_is_silent(place, bootstrap):
    """A stop waits 10 s for such a broker, what has begun asks it for about as long: whichever ends the process, it ends with the code of the start."""
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", place.admin_port)):
        place.edit("gateway.yaml", bootstrap, f"127.0.0.1:{silent.getsockname()[1]}")
        place.edit("gateway.yaml", "\nkafka:\n", "\nkafka:\n  api.version.request.timeout.ms: 300000\n")
        r = lienthong("run", "--config", place.config, check=78)
    assert "in use" in r.stderr


def test_a_state_folder_that_cannot_be_written_is_named_and_ends_with_78(place):
    (place.folder / "state").write_text("a file, where a folder is due")
    r = lienthong("run", "--config", place.config, check=78)
    assert "state_dir" in r.stderr and str(place.folder / "state") in r.stderr and "expected" in r.stderr


def test_a_spool_folder_that_cannot_be_written_is_named_and_ends_with_78(place, bootstrap):
    empty_kafka(bootstrap)
    place.topics()
    (place.folder / "file").write_text("")
    place.edit("gateway.yaml", f"{place.folder}/state/spool", f"{place.folder}/file/spool")
    r = lienthong("run", "--config", place.config, check=78)
    assert "h22-spool" in r.stderr and f"{place.folder}/file" in r.stderr


def test_a_configuration_with_errors_does_not_start(place):
    MISTAKES["a misspelt key"].make(place)
    r = lienthong("run", "--config", place.config, check=78)
    assert "did you mean 'threads'?" in r.stderr and "lienthong check" in r.stderr


# ---- topics ----------------------------------------------------------------------------------------------------------------------------


def rows(place, *switches, check):
    return {t["name"]: t for t in json.loads(lienthong("topics", *switches, "--json", "--config", place.config, check=check).stdout)}


def names(bootstrap):
    return {t for t in AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics if t.startswith("lt.")}


def test_topics_shows_what_is_missing_and_creates_it_once(place, bootstrap):
    empty_kafka(bootstrap)
    missing = rows(place, "show", check=1)
    assert missing["lt.intake"]["state"] == "missing" and not names(bootstrap)
    for command in (("parked", "list"), ("deadletter", "list"), ("targets", "status"), ("core", "status")):  # which is no outage
        assert "`lienthong topics` shows what is missing" in lienthong(*command, "--config", place.config, check=1).stderr, command
    planned = rows(place, "create", "--dry-run", check=0)
    assert planned["lt.intake"]["state"] == "would create" and not names(bootstrap)
    made = rows(place, "create", check=0)
    assert {"lt.intake", "lt.position", "lt.portal", "lt.population", "lt.events.land", "lt.events.unrouted", "lt.quarantine", "lt.deadletter",
            "lt.audit"} <= names(bootstrap) == {n for n in made if n.startswith("lt.")}
    assert made["lt.intake"]["state"] == "created" and made["group lt.core"]["state"] == "created"
    assert {t["state"] for t in rows(place, "create", check=0).values()} == {"ok"}
    assert {t["state"] for t in rows(place, "show", check=0).values()} == {"ok"}


def test_topics_shows_drift_and_changes_nothing(place, bootstrap):
    empty_kafka(bootstrap)
    place.topics()
    admin = AdminClient({"bootstrap.servers": bootstrap})
    entry = ConfigEntry("retention.ms", "86400000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, "lt.intake", incremental_configs=[entry])
    next(iter(admin.incremental_alter_configs([resource]).values())).result()

    def drift(verb):
        return rows(place, verb, check=1)["lt.intake"]
    seen = drift("show")
    assert seen["state"] == "drift" and "retention.ms" in seen["detail"] and "86400000" in seen["detail"]
    assert drift("create")["state"] == "drift" and drift("show") == seen


def test_topics_never_changes_a_partition_count(place, bootstrap):
    empty_kafka(bootstrap)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    next(iter(admin.create_topics([NewTopic("lt.events.land", 3, 1)]).values())).result()
    wait_for("the broker to show the topic", lambda: "lt.events.land" in admin.list_topics(timeout=10).topics)  # made by the controller, told to it later
    for verb in (["show"], ["create", "--dry-run"], ["create"]):
        row = rows(place, *verb, check=1)["lt.events.land"]
        assert row["state"] == "differs" and "wanted 6 partitions, has 3" in row["detail"]
    assert len(admin.list_topics("lt.events.land", timeout=10).topics["lt.events.land"].partitions) == 3


def test_topics_without_kafka_ends_with_69_and_names_it(place, bootstrap):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    place.edit("gateway.yaml", bootstrap, f"127.0.0.1:{port}")
    assert f"127.0.0.1:{port}" in lienthong("topics", "--config", place.config, check=69).stderr


# ---- a running gateway ---------------------------------------------------------------------------------------------------------------------


def test_status_and_submit_of_a_running_gateway(running, tmp_path):
    event = tmp_path / "event.xml"
    event.write_text(xml(xml_item(new_code())))
    identity = ["--url", f"{running.url}/v1/events", "--ca", running.pki / "ca.crt", "--certificate", running.pki / "h22.crt", "--key", running.pki / "h22.key"]
    r = lienthong("submit", *identity, event, check=0)
    assert running.verdict("h22", json.loads(r.stdout)["receipt"]) == "new"
    event.write_text(xml(xml_item(new_code(), unit="H22.ZZ9")))
    r = lienthong("submit", *identity, event, check=1)
    assert json.loads(r.stdout)["code"] == "unknown-unit"
    event.write_text(xml(xml_item(new_code()), xml_item(new_code(), unit="H22.ZZ9"), xml_item(new_code())))
    r = lienthong("submit", *identity, event, check=1)
    assert "item 1: refused unknown-unit: " in r.stderr and "at /SuKienHoSo/SuKien[2]/MaDonVi, line " in r.stderr
    assert "2 accepted, 1 refused, 0 to be sent again" in r.stderr and len(json.loads(r.stdout)["items"]) == 3
    assert "--certificate and --key" in lienthong("submit", event, check=2).stderr
    assert "one FILE at a time, got 2" in lienthong("submit", *identity, event, event, check=2).stderr
    assert "expected https://" in lienthong("submit", *identity, "--url", f"http://127.0.0.1:{running.ingest_port}/v1/events", event, check=2).stderr
    assert "must belong together" in lienthong("submit", *identity, "--key", running.pki / "h40.key", event, check=1).stderr
    assert lienthong("parked", "retry", "portal", "--all", "--config", running.config, check=0).stderr == "0 dossiers with 0 events\n"
    wait_for("the verdict to be counted", lambda: running.verdicts()["new"] == 3)
    r = lienthong("status", "--config", running.config, check=0)
    wait_for("the portal's outcomes to be shown", lambda: re.search(r"^portal +running\n +.*\bok [1-9]", lienthong("status", "--config", running.config, check=0).stdout, re.M))
    assert "instance  gateway-1" in r.stdout and "new 3" in r.stdout and "STOPPED" not in r.stdout
    status = json.loads(lienthong("status", "--json", "--config", running.config, check=0).stdout)
    assert status["core"]["verdicts"]["new"] == 3
    shown = running.gateway.log.read_text() + get(f"{running.admin}/metrics")[1].decode() + json.dumps(status)
    for secret in ("portal.password", "receipt.key"):
        assert (running.pki / secret).read_text().strip() not in shown
    assert running.gateway.stop() == 0
    lienthong("submit", *identity, event, check=69)


def test_certificates_are_renewed_while_running_and_what_cannot_be_used_is_told(world, tmp_path):
    certificate, key = tmp_path / "live.crt", tmp_path / "live.key"

    def install(name, part):
        target = certificate if part == "crt" else key
        shutil.copy(world.pki / f"{name}.{part}", f"{target}.new")
        os.chmod(f"{target}.new", 0o600)
        os.rename(f"{target}.new", target)

    def served():
        context = ssl.create_default_context(cafile=world.pki / "ca.crt")
        context.load_cert_chain(world.pki / "h22.crt", world.pki / "h22.key")
        with socket.create_connection(("127.0.0.1", world.ingest_port), timeout=10) as s, context.wrap_socket(s, server_hostname="localhost") as tls:
            return dict(name for part in tls.getpeercert()["subject"] for name in part)["commonName"]

    for part in ("crt", "key"):
        install("server", part)
    world.edit("gateway.yaml", str(world.pki / "server.crt"), str(certificate))
    world.edit("gateway.yaml", str(world.pki / "server.key"), str(key))
    world.start()
    first = served()
    install("portal", "crt")  # half of a renewal
    world.gateway.kill(signal.SIGHUP)
    kept = wait_for("the half to be told", lambda: world.status()["ingest"].get("certificates_kept"), 20)
    assert str(key) in kept and served() == first
    assert kept in lienthong("status", "--config", world.config, check=1).stdout
    assert json.loads(lienthong("status", "--json", "--config", world.config, check=1).stdout)["ingest"]["certificates_kept"] == kept
    install("portal", "key")  # noticed without a signal
    wait_for("the new certificate", lambda: served() != first, 30)
    assert "certificates_kept" not in world.status()["ingest"]
    lienthong("status", "--config", world.config, check=0)


def test_of_two_gateways_under_one_name_the_first_ends_with_78_and_the_second_goes_on(running):
    second = running.twin("gateway-1")
    first = running.gateway
    second.start()
    try:
        wait_for("the first to end", lambda: not first.alive(), 60)
        assert first.popen.wait() == 78, first.tail()
        assert f"process {second.popen.pid}, since" in first.tail(3).split("lienthong run: ")[1], first.tail()  # whichever thread found it
        wait_for("the second to be ready", lambda: second.must_live() and get(f"{second.admin}/ready")[0] == 200, 60)
        running.url, running.admin = second.url, second.admin
        status, answer = running.post("h22", xml(xml_item(new_code())), XML)
        assert status == 202 and running.verdict("h22", answer["receipt"]) == "new"
    finally:
        assert second.stop() == 0, second.tail()


def test_a_second_start_of_the_same_configuration_leaves_the_running_gateway_alone(running):
    """Its ports are taken, so it cannot run; it must not take over the first one's place in Kafka before it knows."""
    r = lienthong("run", "--config", running.config, check=78)
    assert "in use" in r.stderr
    status, answer = running.post("h22", xml(xml_item(new_code())), XML)
    assert status == 202 and running.verdict("h22", answer["receipt"]) == "new"
    assert running.gateway.must_live()


def test_a_stop_in_the_midst_of_the_start_ends_with_0(world):
    """At any step of joining the groups of Kafka; a handful of moments, from the first line of the log on."""
    world.topics()
    for moment in ("listening", "run started", "events are accepted", "partition-running", "partition-running"):
        before = world.gateway.log.read_text().count(moment) if world.gateway.log.exists() else 0
        world.gateway.start()
        wait_for(moment, lambda: world.gateway.must_live() and world.gateway.log.read_text().count(moment) > before, 30, every=0.001)
        assert world.gateway.stop() == 0, f"stopped at {moment!r}:\n{world.gateway.tail()}"


# ---- a fourth dialect --------------------------------------------------------------------------------------------------------------------------


def test_a_fourth_dialect_is_added_with_yaml_only(world, tmp_path):
    """docs/adding-a-province.md in a copy of what it touches; then its files beside the shipped ones, and its sample over mutual TLS."""
    copy = tmp_path / "checkout"
    for name in ("config", "schemas"):
        shutil.copytree(ROOT / name, copy / name)
    (copy / "tools").mkdir()
    shutil.copy(ROOT / "tools/pki", copy / "tools/pki")
    blocks = re.findall(r"^```sh test\n(.*?)^```$", (ROOT / "docs/adding-a-province.md").read_text(), re.M | re.S)
    r = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(blocks)], cwd=copy, capture_output=True, text=True,
                       env={"PATH": f"{LIENTHONG.parent}:/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})
    assert r.returncode == 0, r.stdout + r.stderr
    for file in ("clients.yaml", "tables/units.yaml", "tables/procedures-h56.yaml", "digests/phieu.yaml", "mappings/phieu-json.yaml"):
        shutil.copy(copy / "config" / file, world.config.parent / file)
    shutil.copytree(copy / "config/mappings/examples/phieu-json", world.config.parent / "mappings/examples/phieu-json")
    world.edit("gateway.yaml", f"schemas_dir: {ROOT / 'schemas'}", f"schemas_dir: {copy / 'schemas'}")
    run(ROOT / "tools/pki", "make", "--dir", world.pki, "--client", "h56", check=0)
    world.start()
    r = lienthong("submit", "--url", f"{world.url}/v1/events", "--ca", world.pki / "ca.crt",
                  "--certificate", world.pki / "h56.crt", "--key", world.pki / "h56.key", copy / "config/mappings/examples/phieu-json/nhan.json", check=0)
    assert world.verdict("h56", json.loads(r.stdout)["receipt"]) == "new"
    (record,) = world.read("lt.intake")
    assert (record[2], record[3]["lt_client"], record[3]["ce_procedure"]) == ("H56/H56.16000-260310-0007", "h56", "1.001193")
    created = wait_for("the dossier at the portal", lambda: world.dossier("H56.16000-260310-0007")["creates"], 60)
    assert len(created) == 1 and created[0]["item"]["DonViXuLy"] == "Ủy ban nhân dân xã Mẫu"
