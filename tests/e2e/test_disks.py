"""Disks that are full: the one that takes the gateway's log, and the broker's. Nothing that was accepted is lost, nothing is sent twice."""

import os
import shutil

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.e2e.load import Dossier, accept, hurry, post
from tests.e2e.test_delivery import parked, wait_rows
from tests.e2e.world import LIENTHONG, fresh_world, run
from tools.lt.stack import Kafka, Process, free_ports, get, wait_for

FILE_BYTES_MAX = 24 << 20  # an index file of Kafka's takes 10 MiB at once


def test_a_gateway_whose_log_cannot_be_written_delivers_all_the_same(world):
    hurry(world)
    world.gateway = Process("gateway", world.folder, ["sh", "-c", f"exec {LIENTHONG} run --config {world.config} >/dev/full 2>&1"])
    world.start()
    dossier = Dossier(1)
    accept(world, dossier.received())
    accept(world, dossier.progressed())
    wait_rows(world, dossier, (1, 0, 2))
    assert world.gateway.stop() == 0


class Filling:
    """A Kafka of its own whose files may grow to so many bytes: a write beyond fails as on a full disk, without one."""

    def __init__(self, folder):
        (self.port,) = free_ports(1)
        self.folder, self.running = folder, None
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.java = f"{os.environ['JAVA_HOME']}/bin/java" if os.environ.get("JAVA_HOME") else shutil.which("java")

    def start(self, limited):
        home = self.folder.parent / f"java-{limited}"
        (home / "bin").mkdir(parents=True, exist_ok=True)
        wrapper = home / "bin/java"
        wrapper.write_text(f'#!/bin/sh\n{f"ulimit -f {FILE_BYTES_MAX // 512}" if limited else ":"}\nexec {self.java} "$@"\n')
        wrapper.chmod(0o755)
        self.running = Kafka(self.folder, self.port, LT_KAFKA_HEAP="256m", JAVA_HOME=str(home))
        self.running.start()

    def fill(self):
        """Somebody writes until the broker cannot any more: it has one folder, so it ends."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for future in admin.create_topics([NewTopic("filler", 1, 1)]).values():
            future.result()
        producer = Producer({"bootstrap.servers": self.bootstrap, "message.timeout.ms": 2000})
        pid = int((self.folder / "pid").read_text().split()[0])

        def over():
            producer.produce("filler", b"x" * 900000, partition=0)
            producer.flush(1)
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return True
            return False
        wait_for("the broker to end", over, 90)


@pytest.fixture
def filling(tmp_path, pki):
    kafka = Filling(tmp_path / "kafka")
    try:
        kafka.start(limited=True)
        with fresh_world(tmp_path, pki, kafka.bootstrap) as world:
            yield world, kafka
    finally:
        kafka.running.stop()


def test_a_broker_whose_disk_is_full_is_told_and_costs_nothing_that_was_accepted(filling):
    world, kafka = filling
    hurry(world)
    world.start()
    dossier = Dossier(1)
    accept(world, dossier.received())
    wait_rows(world, dossier, (1, 0, 1))
    kafka.fill()
    wait_for("the gateway not to be ready", lambda: get(f"{world.admin}/ready")[0] == 503, 60)
    assert post(world, dossier.progressed())[0] == 503
    run(LIENTHONG, "status", "--config", world.config, check=1)
    assert world.gateway.alive()
    kafka.running.stop()
    kafka.start(limited=False)  # room was made
    world.wait_ready(120)
    accept(world, dossier.progressed())
    wait_rows(world, dossier, (1, 0, 2), 60)
    assert not parked(world) and world.target("portal")["ledger"]["repeats"] == 0
    wait_for("every verdict", lambda: sum(world.verdicts().values()) == world.count("lt.intake"), 30)
