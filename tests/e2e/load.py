"""A generated load (tools/loadgen) on a World, and dossiers written by hand, for tests that need many events or exactly these."""

import json
import pathlib
import subprocess
import sys

from tests.e2e.world import run
from tools.lt.stack import ROOT, Failure
from tools.lt_loadgen import dialects

LOADGEN = ROOT / "tools/loadgen"


class Load:
    """A folder of tools/loadgen: what is sent, and what must become of it."""

    def __init__(self, folder, seed, dossiers, *options):
        self.folder = pathlib.Path(folder)
        run(LOADGEN, "generate", "--seed", seed, "--dossiers", dossiers, "--out", self.folder, *options, check=0)
        self.truth = json.loads((self.folder / "truth.json").read_text())
        self.totals = self.truth["totals"]
        self.citizens = self.folder / "citizens.json"

    def rows(self):
        return [json.loads(line) for line in open(self.folder / "manifest.ndjson", encoding="utf-8")]

    def send(self, world, *options, wait=True):
        """All of it over mutual TLS, retried as a sender would; with wait=False the running sender."""
        argv = [sys.executable, LOADGEN, "send", "--dir", self.folder, "--base-url", world.url, "--pki", world.pki, *options]
        log = open(self.folder / "send.log", "wb")
        process = subprocess.Popen([str(a) for a in argv], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        if wait:
            self.sent(process)
        return process

    def sent(self, process, seconds=120):
        """Wait for the sender; every answer must be the truth's. Returns what it noted."""
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failure(f"loadgen send did not end within {seconds} s: {(self.folder / 'send.log').read_text()[-2000:]}") from None
        assert code == 0, (self.folder / "send.log").read_text()[-3000:]
        return json.loads((self.folder / "sent.json").read_text())

    def receipts(self):
        """Of every accepted item: (receipt, what the truth expects)."""
        rows = {r["seq"]: r for r in self.rows()}
        sent = json.loads((self.folder / "sent.json").read_text())
        return [(got["receipt"], want) for s in sent["requests"] for want, got in zip(rows[s["seq"]]["items"], s["items"]) if got.get("receipt")]

    def verify(self, world, wait=60):
        """Everything at the mocks is the truth: (exit code, text)."""
        r = run(LOADGEN, "verify", "--dir", self.folder, "--pki", world.pki, "--portal-oracle", world.portal_url, "--population-oracle",
                world.population_url, "--wait", wait)
        return r.returncode, r.stdout + r.stderr


def event_id(receipt):
    """A receipt begins with <partition>.<offset>.<ce_id>."""
    return receipt.split(".")[2]


def place(receipt):
    partition, offset = receipt.split(".")[:2]
    return int(partition), int(offset)


class Dossier:
    """One dossier of province H22, its events as the facts of tools/lt_loadgen; times go on by a minute an event."""

    def __init__(self, number, citizen=None):
        self.code = f"H22.00847-250902-{number:04d}"
        self.key = f"H22/{self.code}"
        self.citizen = citizen
        self.minutes = 0

    def facts(self, word="received", status="2", snapshot=True):
        hour, minute = divmod(self.minutes, 60)
        self.minutes += 1
        stamp = f"20250902{8 + hour:02d}{minute:02d}00"
        owner = self.citizen["HoVaTen"] if self.citizen else "Công ty TNHH Mẫu"
        f = {"source": "motcua.h22", "type": word, "MaHoSo": self.code, "time": stamp, "unit": "H22.00847", "procedure": "1.001193.000.00.00.H22",
             "channel": "2", "CanBo": {"MaCanBo": "cb07.h22", "MaDonVi": "H22.00847"},
             "TienDo": {"NguoiXuLy": "Sùng Thị Cán Bộ", "ThoiDiemXuLy": stamp, "TrangThai": status, "NoiDungXuLy": f"Bước {self.minutes} của hồ sơ",
                        "PhongBanXuLy": "Bộ phận Tiếp nhận và Trả kết quả"}}
        if snapshot:
            f["HoSo"] = {"SoBienNhan": "BN000123", "ChuHoSo": owner, "LoaiDoiTuong": "1" if self.citizen else "2",
                         "SoGiayToChuHoSo": self.citizen["SoDinhDanh"] if self.citizen else "5100000123", "TrangThaiHoSo": status,
                         "TrichYeuHoSo": "Đăng ký khai sinh", "HinhThuc": "0", "NgayTiepNhan": "20250902080000", "NgayNopHoSo": "20250902080000",
                         "TaiLieuNop": []}
            if self.citizen:
                f["CongDan"] = self.citizen
        return f

    def received(self):
        return self.facts()

    def progressed(self):
        return self.facts("progressed", "4", snapshot=False)


def post(world, *facts, client="h22", dialect="onegate-xml", **kw):
    """Send events; (status, answer)."""
    media, text = dialects.write(dialect, [dialects.build(dialect, f) for f in facts])
    return world.post(client, text, media=media, **kw)


def accept(world, *facts, **kw):
    """Send events that must be accepted; their receipts."""
    status, answer = post(world, *facts, **kw)
    assert status in (200, 202), answer
    items = answer.get("items") or [answer]
    assert all(i.get("receipt") for i in items), answer
    return [i["receipt"] for i in items]


def by_key(records):
    """key -> ce_ids in log order."""
    out = {}
    for _, _, key, headers, _ in records:
        out.setdefault(key, []).append(headers["ce_id"])
    return out


def first_of_each(records):
    """key -> ce_ids in the order in which they first stood in the log."""
    return {key: list(dict.fromkeys(ids)) for key, ids in by_key(records).items()}


def must_be_exactly_once(world, load, queues=("lt.population", "lt.portal"), extra=()):
    """Every event that was acknowledged stands where its receipt says, and once in each queue, in order. extra: receipts of others."""
    intake = world.read("lt.intake")
    at = {(p, o): headers["ce_id"] for p, o, _, headers, _ in intake}
    receipts = [r for r, _ in load.receipts()] + list(extra)
    assert receipts
    lost = [r for r in receipts if at.get(place(r)) != event_id(r)]
    assert not lost, f"acknowledged and not in lt.intake: {lost[:5]}"
    wanted = first_of_each(intake)
    assert {i for ids in wanted.values() for i in ids} == {event_id(r) for r in receipts}
    for topic in queues:
        found = by_key(world.read(topic))
        assert found == wanted, f"{topic} differs for {[k for k in wanted if found.get(k) != wanted[k]][:5]}"


def hurry(world, timeout="5s", **portal):
    """Short times between attempts, so that a test does not wait for real ones; timeout: of a call to the portal, which is also part of what
    a call of a process that died is given before it counts as settled."""
    for file in ("targets/portal.yaml", "targets/population.yaml"):
        world.edit(file, "retry: {min: 1s, max: 5m}", "retry: {min: 100ms, max: 500ms}")
    world.edit("targets/portal.yaml", "settle: 2m", "settle: 500ms")
    world.edit("targets/portal.yaml", "timeout: 30s\nconnect_timeout: 5s", f"timeout: {timeout}\nconnect_timeout: 2s")
    world.edit("targets/population.yaml", "settle: 30s", "settle: 500ms")
    for key, value in portal.items():
        world.edit("targets/portal.yaml", "options:\n", f"options:\n  {key}: {value}\n")
