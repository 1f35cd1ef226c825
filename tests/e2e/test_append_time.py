"""The broker's clock is wrong: nothing else can set an append time of lt.intake. Its clock alone expires no identity (protocol 2, clock and expiry)."""

import os
import pathlib
import shutil
import time

import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, TopicPartition

from tests.e2e.intake import INTAKE, Core
from tests.e2e.world import fresh_world
from tools.lt.stack import Kafka, free_ports

YEAR_S, ALLOWANCE_S = 365 * 86400, 600


class Clocked:
    """A Kafka of its own whose Java can be told another time of day (libfaketime); waiting is by the true clock."""

    def __init__(self, folder):
        (self.port,) = free_ports(1)
        self.folder, self.running = folder, None
        self.bootstrap = f"127.0.0.1:{self.port}"
        (self.library,) = pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        self.java = f"{os.environ['JAVA_HOME']}/bin/java" if os.environ.get("JAVA_HOME") else shutil.which("java")

    def start(self, ahead_s=0):
        home = self.folder.parent / f"java+{ahead_s}"
        (home / "bin").mkdir(parents=True, exist_ok=True)
        wrapper = home / "bin/java"
        clock = f"LD_PRELOAD={self.library} FAKETIME=+{ahead_s}s FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_FORCE_MONOTONIC_FIX=0" if ahead_s else ""
        wrapper.write_text(f'#!/bin/sh\nexec env {clock} {self.java} "$@"\n')
        wrapper.chmod(0o755)
        self.running = Kafka(self.folder, self.port, LT_KAFKA_HEAP="256m", JAVA_HOME=str(home))
        self.running.start()

    def stop(self):
        self.running.stop()


@pytest.fixture
def clocked(tmp_path, pki):
    kafka = Clocked(tmp_path / "kafka")
    try:
        kafka.start()
        with fresh_world(tmp_path, pki, kafka.bootstrap) as world:
            for kept in ("queues", "events"):  # by the broker's clock they are a year old soon
                world.edit("gateway.yaml", f"    {kept}: 30d", f"    {kept}: 440d")
            core = Core(world, window="100d")
            world.topics()
            yield core, kafka
    finally:
        kafka.stop()


def append_times(bootstrap, partition=0):
    """Of every record, in seconds."""
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": "oracle", "enable.auto.commit": False, "enable.partition.eof": True})
    try:
        c.assign([TopicPartition(INTAKE, partition, 0)])
        times = []
        while not (m := c.poll(10)).error():
            kind, ms = m.timestamp()
            assert kind == TIMESTAMP_LOG_APPEND_TIME
            times.append(ms / 1000)
        return times
    finally:
        c.close()


def test_an_append_time_a_year_ahead_expires_nothing_and_nothing_pauses(clocked):
    core, kafka = clocked
    core.start()
    core.append_range(0, 6)
    core.wait_judged()
    kafka.stop()
    kafka.start(ahead_s=YEAR_S)  # beyond the window of 100 days
    core.append_range(3, 8)
    core.wait_judged()
    assert append_times(kafka.bootstrap)[-1] > time.time() + YEAR_S - 3600, "the broker did write its own time"
    report = core.command("status", "--partition", "0")["partitions"][0]
    assert (report["new"], report["duplicate"]) == (8, 3)
    assert report["clock_ms"] / 1000 <= time.time() + ALLOWANCE_S
    core.must_be_exactly_once()
    kafka.stop()
    kafka.start()  # and back
    core.append_range(7, 10)
    core.wait_judged()
    core.must_be_exactly_once()
    core.stop()
    core.append(2)
    core.start()  # an index built from this log knows the same
    core.wait_judged()
    core.must_be_exactly_once()
    assert core.command("verify", "--partition", "0")["partitions"][0]["wrong_verdict"] == 0
