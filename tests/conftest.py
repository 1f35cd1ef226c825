"""For every test of this folder: the end by a signal is the one by Ctrl-C, so that fixtures stop what they started."""

import signal

from xdist.workermanage import NodeManager


def pytest_configure():
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    NodeManager.EXIT_TIMEOUT = 60  # its 10 s are not enough for a worker to stop a broker and gateways
