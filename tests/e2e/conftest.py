import os

import pytest

from tests.e2e.world import World, empty_kafka, run
from tools.lt.stack import ROOT


@pytest.fixture(scope="session")
def bootstrap():
    """The real Kafka that tools/test started."""
    return f"127.0.0.1:{os.environ.get('LT_KAFKA_PORT', '21092')}"


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki") / "pki"
    run(ROOT / "tools/pki", "make", "--dir", folder, check=0)
    return folder


@pytest.fixture
def world(tmp_path, pki, bootstrap):
    """A configuration and an empty Kafka; nothing is started."""
    empty_kafka(bootstrap)
    w = World(tmp_path, pki, bootstrap)
    yield w
    w.stop()


@pytest.fixture
def running(world):
    """Topics, mocks and gateway up and ready."""
    world.start()
    return world
