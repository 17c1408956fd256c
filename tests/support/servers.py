"""Servers for tests of clients, all in one process, as a process takes a second to start."""

from __future__ import annotations

import atexit
from functools import cache
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twistednet.testing import Netdemo, Server
from twistednet.testing.parent import ChildProcess


@cache
def _process() -> ChildProcess:
    process = ChildProcess()
    atexit.register(process.close)
    return process


def serve(case: SynchronousTestCase, service: str, **settings: Any) -> Server:
    """Start a server that is stopped at the end of the test."""
    server = Netdemo(_process()).serve(service, **settings)
    case.addCleanup(server.close)
    return server
