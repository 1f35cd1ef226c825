"""lienthong-mock and tools/pki as a user meets them: files, switches, exit codes, mutual TLS."""

import http.client
import json
import os
import re
import ssl
import stat
import subprocess
import urllib.error

import pytest

from tests.e2e.world import MOCK, run
from tools.lt.stack import ROOT, Https, Process, wait_for

PKI = ROOT / "tools/pki"


class Mock(Process):
    """A mock on a port of its own choice."""

    def __init__(self, kind, folder, pki, *switches):
        super().__init__(kind, folder, [MOCK, kind, "--cert", pki / f"{kind}.crt", "--key", pki / f"{kind}.key", "--ca", pki / "ca.crt", *switches])

    def start(self):
        super().start()
        line = wait_for("the line with the port", lambda: self.must_live() and re.search(r"listening on (\S+) ", self.log.read_text()))
        self.url = line.group(1)
        return self


@pytest.fixture
def mock(tmp_path, pki):
    started = []

    def start(kind, *switches):
        started.append(Mock(kind, tmp_path, pki, *switches).start())
        return started[-1]

    yield start
    for one in started:
        assert one.stop() == 0, one.tail()


def ask(who, url, body):
    status, _, answer = who.request(url, json.dumps(body).encode(), "application/json", headers={"dstcode": "VN"})
    return status, json.loads(answer)


def test_the_portal_speaks_over_mutual_tls(mock, pki):
    portal, gateway = mock("portal", "--password-file", pki / "portal.password"), Https(pki, "gateway")
    password = (pki / "portal.password").read_text().strip()
    status, login = ask(gateway, f"{portal.url}/login", {"username": "h22", "password": password})
    assert status == 200 and int(login["error_code"]) == 0 and login["session"]
    example = json.loads((ROOT / "schemas/portal/valid/dossier-request.create.json").read_text())
    status, created = ask(gateway, f"{portal.url}/integration", {**example, "session": login["session"]})
    assert int(created["error_code"]) == 0 and "thành công" in created["message"]
    code = example["data"][0]["MaHoSo"]
    assert gateway.json(f"{portal.url}/oracle/dossiers/{code}")["creates"][0]["item"] == example["data"][0]
    assert gateway.json(f"{portal.url}/oracle/dossiers") == {"total": 1, "dossiers": [{"MaHoSo": code, "creates": 1, "updates": 0, "progress": 0}]}


def test_the_population_database_answers_the_example(mock, pki, tmp_path):
    citizens = tmp_path / "citizens.json"
    citizens.write_text(json.dumps([{"SoDinhDanh": "002224000001", "HoVaTen": "Nguyễn Văn Mẫu", "NgayThangNamSinh": "20240101", "GioiTinh": "1"}]))
    population, gateway = mock("population", "--citizens", citizens), Https(pki, "gateway")
    question = (ROOT / "schemas/population/valid/lookup-request.xml").read_bytes()
    status, _, answer = gateway.request(f"{population.url}/ws", question, "text/xml; charset=utf-8")
    assert status == 200 and "NGUYỄN" not in answer.decode() and "Nguyễn Văn Mẫu" in answer.decode()
    wrong = question.replace(b"MAU", b"MAI")
    status, _, answer = gateway.request(f"{population.url}/ws", wrong, "text/xml; charset=utf-8")
    assert status == 200 and b"CongDan>" not in answer
    counters = gateway.json(f"{population.url}/oracle/counters")
    assert (counters["calls"], counters["match"], counters["no_match"], counters["by_officer"]) == (2, 1, 1, {"cb01": 2})


@pytest.mark.parametrize("who", ["nobody", "h22-expired", "stranger"])
def test_only_certificates_of_the_authority_are_let_in(mock, pki, tmp_path, who):
    portal = mock("portal")
    run(PKI, "make", "--dir", pki, "--expired", "h22", check=0)
    run(PKI, "make", "--dir", tmp_path / "other", check=0)
    client = Https(pki, None if who == "nobody" else "h22-expired" if who == "h22-expired" else "gateway")
    if who == "stranger":
        client.context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        client.context.load_cert_chain(tmp_path / "other/gateway.crt", tmp_path / "other/gateway.key")
    with pytest.raises((ssl.SSLError, urllib.error.URLError, ConnectionError, http.client.HTTPException)):
        client.request(f"{portal.url}/oracle/counters")
    assert Https(pki, "operator").json(f"{portal.url}/oracle/counters")["calls"] == 0


def test_a_dropped_answer_was_applied(mock, pki):
    portal, gateway = mock("portal", "--fault-every", "2", "drop-after-apply:login"), Https(pki, "gateway")
    assert ask(gateway, f"{portal.url}/login", {"username": "h22", "password": "mau"})[0] == 200
    with pytest.raises((urllib.error.URLError, ConnectionError, http.client.HTTPException)):
        ask(gateway, f"{portal.url}/login", {"username": "h22", "password": "mau"})
    assert gateway.json(f"{portal.url}/oracle/counters")["logins"] == 2


@pytest.mark.parametrize("argv, code, said", [
    (["portal"], 2, "cert: expected a path"),
    (["portal", "--lisen", "127.0.0.1:0"], 2, "did you mean --listen?"),
    (["post-office"], 2, "expected portal, population, province or notify"),
    (["portal", "--cert", "no.crt", "--key", "no.key", "--ca", "no.ca"], 69, "no.crt"),
    (["population", "--cert", "a", "--key", "a", "--ca", "a", "--citizens", "nowhere.json"], 78, "nowhere.json"),
    (["population", "--cert", "a", "--key", "a", "--ca", "a", "--fault-every", "3", "session-expired"], 78, "expected one of"),
])
def test_a_wrong_start_says_why(argv, code, said):
    assert said in run(MOCK, *argv, check=code).stderr


def test_a_taken_port_is_named(mock, pki):
    port = mock("portal").url.rpartition(":")[2]
    r = run(MOCK, "population", "--listen", f"127.0.0.1:{port}", "--cert", pki / "population.crt", "--key", pki / "population.key",
            "--ca", pki / "ca.crt", check=69)
    assert port in r.stderr


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_pki_makes_everything_once_and_keeps_it(tmp_path):
    folder = tmp_path / "pki"
    run(PKI, "make", "--dir", folder, check=0)
    names = ["ca", "server", "gateway", "h22", "h40", "h29", "post", "operator", "portal", "population", "province"]
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    assert {f"{n}.{e}" for n in names for e in ("crt", "key")} | {"portal.password", "receipt.key"} <= set(before)
    assert mode(folder) == 0o700
    assert all(mode(p) == 0o600 for p in folder.iterdir() if p.suffix in (".key", ".password"))
    assert len(bytes.fromhex(before["receipt.key"].decode().strip())) >= 32
    again = run(PKI, "make", "--dir", folder, check=0)
    assert "kept ca server" in again.stderr and "made" not in again.stderr
    assert before == {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    listed = run(PKI, "list", "--dir", folder, check=0).stdout
    assert "URI:urn:lienthong:client:h22" in listed and "URI:urn:lienthong:gateway" in listed and "IP Address:127.0.0.1" in listed


def test_pki_renews_what_is_expired_and_nothing_else(tmp_path):
    folder = tmp_path / "pki"
    run(PKI, "make", "--dir", folder, check=0)
    run(PKI, "make", "--dir", folder, "--expired", "portal", check=0)
    for end in ("crt", "key"):
        (folder / f"portal-expired.{end}").rename(folder / f"portal.{end}")
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    assert "portal.crt is expired: say --renew" in run(PKI, "make", "--dir", folder, check=0).stderr
    assert before == {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    run(PKI, "make", "--renew", "--dir", folder, check=0)
    assert {p.name for p in folder.iterdir() if p.is_file() and p.read_bytes() != before[p.name]} == {"portal.crt", "portal.key"}
    run(PKI, "list", "--dir", folder, check=0)


def test_pki_overwrites_only_what_it_is_told(tmp_path):
    folder = tmp_path / "pki"
    run(PKI, "make", "--dir", folder, check=0)
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    run(PKI, "make", "--dir", folder, "--only", "h40", "--force", check=0)
    changed = {p.name for p in folder.iterdir() if p.is_file() and p.read_bytes() != before[p.name]}
    assert changed == {"h40.crt", "h40.key"}
    assert "worthless" in run(PKI, "make", "--dir", folder, "--only", "ca", "--force", check=73).stderr
    (folder / "h29.key").unlink()
    assert "--force --only h29" in run(PKI, "make", "--dir", folder, check=73).stderr
    run(PKI, "make", "--dir", folder, "--client", "h48", "--expired", "h22", check=0)
    listed = run(PKI, "list", "--dir", folder, check=1).stdout
    assert re.search(r"^h22-expired .* expired ", listed, re.M) and "client:h48" in listed
    run(PKI, "make", "--dir", folder, "--force", check=0)
    for name in ("server", "h29", "h48"):
        subprocess.run(["openssl", "verify", "-CAfile", folder / "ca.crt", folder / f"{name}.crt"], check=True, capture_output=True)
    assert "no certificate or secret is called h99" in run(PKI, "make", "--dir", folder, "--only", "h99", check=2).stderr
