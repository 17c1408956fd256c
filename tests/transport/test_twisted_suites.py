"""Twisted's own suites for transports, with our streams as what its ports accept.

Each suite runs under every reactor of this machine, and under one of them once more
as where there is no epoll.
"""

from __future__ import annotations

import importlib
import unittest
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import tcp, unix
from twisted.internet.test.reactormixins import ReactorBuilder

from twistednet.transport import polling, streams

pytest.importorskip("hamcrest", reason="Twisted's suites need PyHamcrest")
pytestmark = pytest.mark.filterwarnings("ignore")

SUITES = ("test_tcp", "test_unix", "test_tls")

_DESCRIPTORS = "our UNIX streams carry bytes alone, and refuse to send a file descriptor"

#: The tests that are left out, and why.
LEFT_OUT = {
    "test_resumeProducing": "asks the reactor whether it reads the transport; our epoll does",
    "test_sendFileDescriptor": _DESCRIPTORS,
    "test_sendFileDescriptorTriggersPauseProducing": _DESCRIPTORS,
    "test_fileDescriptorOverrun": _DESCRIPTORS,
    "test_avoidLeakingFileDescriptors": _DESCRIPTORS,
    "test_descriptorDeliveredBeforeBytes": _DESCRIPTORS,
}

#: Reactors of other systems' event loops, for which nothing is claimed.
FOREIGN = ("_GIReactorTests",)


class _OnStreams:
    """Mixed in before a suite: ports accept streams."""

    #: Seconds until a test that hangs has failed.
    timeout = 10

    def setUp(self: Any) -> None:
        super().setUp()  # type: ignore[misc]
        self.patch(tcp.Port, "transport", streams.TCPStream)
        self.patch(unix.Port, "transport", streams.UNIXStream)


class _WithoutEpoll(_OnStreams):
    def setUp(self: Any) -> None:
        super().setUp()
        self.patch(polling, "pollerOf", lambda reactor: polling.ReactorPoller())


def _cases() -> Iterator[tuple[str, type]]:
    for suite in SUITES:
        module = importlib.import_module(f"twisted.internet.test.{suite}")
        for name, case in vars(module).items():
            ofReactor = (
                isinstance(case, type)
                and issubclass(case, ReactorBuilder)
                and issubclass(case, unittest.TestCase)
            )
            if ofReactor and not name.endswith(FOREIGN):
                yield _derived(f"{suite}_{name}", _OnStreams, case)
                if name.endswith("_EPollReactorTests"):
                    yield _derived(f"{suite}_{name}_withoutEpoll", _WithoutEpoll, case)


def _derived(name: str, mixin: type, case: type) -> tuple[str, type]:
    without = {test: _leftOut(why) for test, why in LEFT_OUT.items() if hasattr(case, test)}
    return name, type(name, (mixin, case), {"__module__": __name__, **without})


def _leftOut(why: str) -> Any:
    def test(self: unittest.TestCase) -> None:
        """Skip; the reason says why."""
        raise unittest.SkipTest(why)

    return test


globals().update(_cases())


class JudgeTests(unittest.TestCase):
    def test_leftOutIsThere(self) -> None:
        """Each test that is left out exists; if Twisted renames one, it runs again."""
        tests = {
            test
            for suite in SUITES
            for case in vars(importlib.import_module(f"twisted.internet.test.{suite}")).values()
            if isinstance(case, type)
            for test in dir(case)
        }
        self.assertEqual(set(), set(LEFT_OUT) - tests)

    def test_streamsServe(self) -> None:
        """The suites cover four kinds of reactor and their lack of epoll, on our streams."""
        for kind in ("Select", "AsyncioSelector", "Poll", "EPoll"):
            self.assertIn(f"test_tcp_TCPTransportTestsBuilder_{kind}ReactorTests", globals())
        case = globals()["test_tcp_TCPTransportTestsBuilder_EPollReactorTests_withoutEpoll"]("run")
        case.setUp()
        self.addCleanup(case.doCleanups)
        self.assertIs(tcp.Port.transport, streams.TCPStream)
        self.assertIs(unix.Port.transport, streams.UNIXStream)
        self.assertIsInstance(polling.pollerOf(object()), polling.ReactorPoller)
