import os

import pytest

from tests.e2e.world import fresh_world, run
from tools.lt.stack import ROOT, Kafka, free_ports


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that share something of their module go to one worker one after the other; all others to whoever is free (--dist loadgroup)."""
    for item in items:
        if any(d.scope == "module" for name in item.fixturenames for d in item._fixtureinfo.name2fixturedefs.get(name, ())):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))


@pytest.fixture(scope="session")
def broker():
    """The real Kafka of these tests, which empty it as they like: the one that runs (tools/kafka start); of each of several workers
    (pytest -n) one of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    folder = os.environ.get("LT_KAFKA_DIR") or ROOT / "var/test/kafka"
    if not worker:
        yield Kafka(folder, os.environ.get("LT_KAFKA_PORT", "21092"))
        return
    node = Kafka(f"{folder}-{worker}", *free_ports(1, keep=True))
    node.reset()
    try:
        node.start()
        yield node
    finally:
        node.reset()


@pytest.fixture(scope="session")
def bootstrap(broker):
    return broker.bootstrap


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki") / "pki"
    run(ROOT / "tools/pki", "make", "--dir", folder, check=0)
    return folder


@pytest.fixture
def world(tmp_path, pki, bootstrap):
    """A configuration and an empty Kafka; nothing is started."""
    with fresh_world(tmp_path, pki, bootstrap) as w:
        yield w


@pytest.fixture
def running(world):
    """Topics, mocks and gateway up and ready."""
    world.start()
    return world
