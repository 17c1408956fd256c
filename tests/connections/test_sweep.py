"""connections/timeouts.py: which connections a sweep ends."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twistednet.connections.timeouts import Times, sweep
from twistednet.core.limits import Admission, AdmissionControl

TIMES = Times(handshake=10, idle=600, stall=30)


class Stream:
    """The counts of a transport, which is a UNIX socket: it has no acknowledgements."""

    protocol = None
    kind = "unix"

    def __init__(self) -> None:
        self.bytesIn = self.bytesOut = self.queued = 0


class Connection:
    """A connection that was opened at 0 s."""

    def __init__(self) -> None:
        self.transport = Stream()
        self.opened = self.lastProgress = 0.0
        self.total = self.acknowledged = 0
        self.aborted: list[str] = []
        self.abort = self.aborted.append


class Connections(list[Connection]):
    """All that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.admissionControl = AdmissionControl(Admission(total=100, perPeer=20, rate=10))


class StallTests(SynchronousTestCase):
    """A client that reads nothing of what is queued for it."""

    def setUp(self) -> None:
        self.connections: Any = Connections()
        self.connection = Connection()
        self.connections.append(self.connection)
        self.stream = self.connection.transport

    def sweep(self, isClosing: bool = False) -> list[str]:
        """Sweep a second after the last time. Return the reasons of aborted connections."""
        self.connections.clock.advance(1)
        for _ in sweep(self.connections, TIMES, lambda _: False, lambda _: isClosing):
            pass
        return self.connection.aborted

    def test_sends(self) -> None:
        """It stalls although it goes on sending: what it sends is no progress of ours."""
        self.stream.queued = 1000
        for _ in range(29):
            self.assertEqual([], self.sweep())
            self.stream.bytesIn += 1
        self.assertEqual(["write stall"], self.sweep())

    def test_reads(self) -> None:
        """One that reads a little does not stall."""
        self.stream.queued = 1000
        for _ in range(100):
            self.stream.bytesOut += 1
            self.assertEqual([], self.sweep())

    def test_closing(self) -> None:
        """It stalls too while a close of TLS waits for it, with nothing in our queue."""
        for _ in range(29):
            self.assertEqual([], self.sweep(isClosing=True))
        self.assertEqual(["write stall"], self.sweep(isClosing=True))

    def test_nothingQueued(self) -> None:
        """Without a queue, what it sends keeps the connection, and silence makes it idle."""
        for _ in range(100):
            self.stream.bytesIn += 1
            self.assertEqual([], self.sweep())
        for _ in range(599):
            self.assertEqual([], self.sweep())
        self.assertEqual(["idle"], self.sweep())
