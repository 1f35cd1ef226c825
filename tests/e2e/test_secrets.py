"""A secret that is changed at a target while the gateway runs: whoever replaces its file has done all there is to do."""

import json
import os
import secrets
import shutil

import pytest

from tests.e2e.load import Dossier, accept, hurry
from tests.e2e.test_delivery import rows, steps, wait_rows
from tests.e2e.world import LIENTHONG, fresh_world, run
from tools.lt.stack import ROOT, get, wait_for

CITIZEN = {"SoDinhDanh": "002090000123", "HoVaTen": "VÀNG THỊ MẪU", "NgayThangNamSinh": "19900512"}


class Mounted:
    """A secret as Kubernetes mounts it: <folder>/<name> -> ..data/<name>, and ..data -> a folder for each version, swapped by a rename."""

    def __init__(self, folder, name, word):
        self.folder, self.name, self.version = folder, name, 0
        folder.mkdir()
        self.put(word)
        self.path = folder / name
        self.path.symlink_to(f"..data/{name}")

    def put(self, word):
        self.version += 1
        data = self.folder / f"..{self.version}"
        data.mkdir()
        (data / self.name).write_text(word)
        (data / self.name).chmod(0o400)
        beside = self.folder / "..data_tmp"
        beside.symlink_to(data.name)
        os.replace(beside, self.folder / "..data")


def replace(path, word):
    beside = path.with_suffix(".new")
    beside.write_text(word)
    beside.chmod(0o600)
    os.replace(beside, path)


@pytest.fixture(scope="module")
def world(tmp_path_factory, pki, bootstrap):
    """Both targets have their secret in a file, and pauses so long that nobody goes on because he waited."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "citizens.json").write_text(json.dumps([CITIZEN], ensure_ascii=False))
    with fresh_world(folder, pki, bootstrap, citizens=folder / "citizens.json") as w:
        hurry(w)
        w.words = [(pki / "portal.password").read_text().strip(), secrets.token_hex(16)]
        w.password = Mounted(folder / "mounted", "portal.password", w.words[0])
        w.secret = folder / "population.secret"
        replace(w.secret, w.words[1] + "\n")
        for file in ("portal", "population"):
            w.edit(f"targets/{file}.yaml", "retry: {min: 100ms, max: 500ms}", "retry: {min: 10m, max: 10m}")
        w.edit("targets/portal.yaml", f"{{file: {pki}/portal.password}}", f"{{file: {w.password.path}}}")
        w.edit("targets/population.yaml", "options:\n", f"options:\n  auth: basic-timestamp\n  username: lienthong\n  secret: {{file: {w.secret}}}\n")
        w.population.argv += ["--username", "lienthong", "--secret-file", str(w.secret), "--service-url", w.population_url]
        w.start()
        yield w


def new_word(world):
    world.words.append(secrets.token_hex(16))
    return world.words[-1]


def shown(world, code):
    return run(LIENTHONG, "status", "--config", world.config, check=code).stdout


def log(world, event):
    return [line for line in world.gateway.log.read_text().splitlines() if event in line]


def never_shown(world):
    """No word that was ever in use, in anything that is written or told."""
    told = world.gateway.log.read_text() + json.dumps(world.status()) + get(f"{world.admin}/metrics")[1].decode()
    for topic in ("lt.history.portal", "lt.history.population", "lt.ledger.portal", "lt.answers", "lt.province", "lt.audit"):
        told += "".join(f"{key} {headers} {(value or b'').decode()}" for _, _, key, headers, value in world.read(topic))
    assert not [w for w in world.words if w in told]


def test_a_password_that_the_portal_changed_is_taken_up_from_its_file_and_every_event_arrives_once(world):
    pid, first, second = world.gateway.pid(), Dossier(1), Dossier(2)
    accept(world, first.received())
    wait_rows(world, first, (1, 0, 1))
    word = new_word(world)
    assert world.operator.request(f"{world.portal_url}/control/password", body=json.dumps({"password": word}).encode(), method="POST")[0] == 200
    world.fault("portal", kind="http401", count=1, service="login")  # what stands before it refuses first
    accept(world, first.progressed(), second.received(), second.progressed())
    wait_for("the target to be paused", lambda: world.target("portal").get("reason") == "credential")
    assert "a file that is replaced is tried within seconds" in shown(world, 1)
    assert rows(world, first) == (1, 0, 1) and rows(world, second) == (0, 0, 0)

    world.password.put(word)
    wait_rows(world, first, (1, 0, 2))
    wait_rows(world, second, (1, 0, 2))
    assert steps(world, second) == ["Bước 1 của hồ sơ", "Bước 2 của hồ sơ"]
    target = world.target("portal")
    assert target["state"] == "running" and world.gateway.pid() == pid
    assert [(s["state"], s["renewed"]) for s in target["secrets"]] == [("current", 1)]
    assert len(log(world, "secret-taken")) == 1
    counters = world.counters()
    assert (counters["creates"], counters["progress"], counters["dossiers"]) == (2, 4, 2)
    assert target["counters"]["repeats"] == 0
    never_shown(world)


def test_a_file_that_cannot_be_used_is_told_and_what_was_in_use_goes_on_until_it_is_good(world):
    first, second, pid = Dossier(10, CITIZEN), Dossier(11, CITIZEN), world.gateway.pid()
    os.truncate(world.secret, 0)
    wait_for("the file to be told", lambda: world.target("population")["secrets"][0]["state"] == "kept")
    assert "population: the former secret goes on: options.secret: expected a file with the secret, got an empty one at " in shown(world, 1)
    assert 'lienthong_delivery_secrets_kept{target="population"} 1' in get(f"{world.admin}/metrics")[1].decode()
    world.secret.unlink()
    wait_for("that it is gone", lambda: "got none at" in world.target("population")["secrets"][0]["why"])
    accept(world, first.received())  # the former one is good over there
    wait_rows(world, first, (1, 0, 1))
    assert len(log(world, "secret-kept")) == 1

    word = new_word(world)
    other = world.folder / "population.other"
    replace(other, word)
    world.population.argv[world.population.argv.index("--secret-file") + 1] = str(other)
    world.start_mock("population")
    accept(world, second.received())
    wait_for("the target to be paused", lambda: world.target("population").get("reason") == "credential")
    with open(world.secret, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:  # in place
        out.write(word + "\n")
    wait_rows(world, second, (1, 0, 1))
    wait_for("nothing to be amiss", lambda: world.target("population")["secrets"][0]["state"] == "current")
    assert "former secret" not in shown(world, 0) and world.gateway.pid() == pid
    never_shown(world)


def test_a_start_with_an_expired_certificate_pauses_its_target_and_takes_what_is_sent(world):
    """Everybody else's events are no hostages of a file."""
    d, made = Dossier(20), world.folder / "pki"
    run(ROOT / "tools/pki", "make", "--dir", world.pki, "--expired", "gateway", check=0)
    shutil.copytree(world.pki, made)
    for part in ("crt", "key"):
        os.replace(made / f"gateway-expired.{part}", made / f"gateway.{part}")
        world.edit("targets/portal.yaml", str(world.pki / f"gateway.{part}"), str(made / f"gateway.{part}"))
    run(LIENTHONG, "check", "--config", world.config, check=78)
    assert world.gateway.stop() == 0
    world.start_gateway()
    assert "warning: tls.certificate: expected a certificate that has not expired" in world.gateway.log.read_text()
    accept(world, d.received())
    wait_for("the target to be paused", lambda: world.target("portal").get("reason") == "credential")
    assert "look at the certificates of both sides" in shown(world, 1)
    for part in ("key", "crt"):
        replace(made / f"gateway.{part}", (world.pki / f"gateway.{part}").read_text())
    wait_rows(world, d, (1, 0, 1))
