"""check/probe.py: the client that a check uses."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from twistednet.check.probe import Failed, Probe
from twistednet.client.streams import Stream
from twistednet.client.targets import Target

TIMEOUT = 5.0


class SilenceTests(SynchronousTestCase):
    """A server that must send nothing for a while."""

    def setUp(self) -> None:
        self.clock: Any = Clock()
        target = Target("tcp", "127.0.0.1", 7)
        self.probe = Probe(self.clock, target, TIMEOUT)
        self.stream = Stream(self.clock, target, TIMEOUT)
        self.stream.makeConnection(StringTransport())

    def expect(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.probe.expectSilence(self.stream, 0.5))

    def test_silent(self) -> None:
        """It passes after that time, and the next read may take as long as any other."""
        waiting = self.expect()
        self.clock.advance(0.4)
        self.assertNoResult(waiting)
        self.clock.advance(0.2)
        self.successResultOf(waiting)
        self.assertEqual(TIMEOUT, self.stream.timeout)

    def test_data(self) -> None:
        """Data fails the check, and the report shows it."""
        waiting = self.expect()
        self.stream.dataReceived(b"hello")
        failure = self.failureResultOf(waiting, Failed)
        self.assertEqual("the server sent data unasked", str(failure.value))
        self.assertEqual("'hello'", self.probe.came)
        self.assertEqual(TIMEOUT, self.stream.timeout)

    def test_end(self) -> None:
        """So does a FIN."""
        waiting = self.expect()
        self.stream.readConnectionLost()
        failure = self.failureResultOf(waiting, Failed)
        self.assertEqual("the server closed the connection", str(failure.value))
        self.assertEqual("FIN", self.probe.came)
