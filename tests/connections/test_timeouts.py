"""The sweep: connections that time out, judged by what their peers send and acknowledge."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol

from tests.support.loops import LoopTestCase
from tests.transport.test_streams import HalfCloseable
from twistednet.connections.accepting import TrackingFactory
from twistednet.connections.timeouts import Times, sweep
from twistednet.connections.tracking import Connections
from twistednet.core.limits import Admission
from twistednet.events.journal import Journal
from twistednet.events.model import Closed, Event, EventStream
from twistednet.transport.closing import unacknowledged

TIMES = Times(handshake=10, idle=600, stall=30)
#: More than a peer with a small receive buffer takes, and less than the kernel queues for it.
SOME = bytes(48 * 1024)


class Greeting(Protocol):
    """A service that speaks first."""

    def connectionMade(self) -> None:
        self.transport.write(b"hello")


class SweepTestCase(LoopTestCase):
    """Connections that are tracked, and swept once a second."""

    def setUp(self) -> None:
        super().setUp()
        self.ended: list[tuple[int, str]] = []
        events = EventStream(print)
        events.attach(self.note)
        self.connections = Connections(self.loop, events, Journal(0))
        self.isClosing = False

    def note(self, event: Event) -> None:
        if isinstance(event, Closed):
            self.ended.append((event.connection, event.reason))

    def open(
        self, protocol: type[Protocol] = Protocol, receiveBuffer: int = 0
    ) -> tuple[socket.socket, Any]:
        """Return a client's socket, and the stream of its tracked connection."""
        factory = TrackingFactory("some", Factory.forProtocol(protocol), self.connections)
        pending = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        return self.connect(pending, receiveBuffer)

    def sweeping(self) -> Any:
        return sweep(self.connections, TIMES, lambda _: False, lambda _: self.isClosing)

    def sweepFor(self, seconds: int) -> None:
        """Sweep once a second."""
        for _ in range(seconds):
            self.loop.advance(1)
            for waiting in self.sweeping():
                if waiting is not None:
                    self.loop.advance(0)

    def settle(self, stream: Any) -> None:
        """Wait until the client's system has acknowledged everything, which it may do late."""
        end = time.monotonic() + 5
        while unacknowledged(stream):
            self.loop.turn(0.01)
            self.assertLess(time.monotonic(), end)

    def secondsToEnd(self) -> int:
        """Sweep until a connection has ended, and return how long that took."""
        for second in range(200):
            if self.ended:
                return second
            self.sweepFor(1)
        raise AssertionError("no connection has ended")


class SweepTests(SweepTestCase):
    def test_peersClose(self) -> None:
        """Connections that end while the sweep runs do not disturb it."""
        streams = [self.open()[1] for _ in range(3)]
        self.connections.admissionControl.admission = Admission(3, 3, 3)
        self.loop.advance(600)
        running = self.sweeping()
        next(running)
        for stream in streams:
            stream.abortConnection()
        self.loop.advance(0)
        self.assertEqual(list(running), [])
        self.assertEqual([reason for _, reason in self.ended], ["idle", "service", "service"])

    def test_idle(self) -> None:
        """Bytes either way keep a connection; 600 s without any end it."""
        client, stream = self.open()
        for _ in range(2):
            self.sweepFor(400)
            client.send(b"x")
            self.loop.turn()
            self.sweepFor(400)
            stream.write(b"y")
            client.recv(1)
            self.settle(stream)
        self.sweepFor(600)
        self.assertEqual(self.ended, [])
        self.sweepFor(1)
        self.assertEqual(self.ended, [(1, "idle")])


class CloseTests(SweepTestCase):
    def test_nothingLeft(self) -> None:
        """The looks at a closing connection stop with its end."""
        _, stream = self.open(HalfCloseable)
        connection = self.connections.get(1)
        assert connection is not None
        connection.close("admin")
        self.assertNotEqual(self.loop.getDelayedCalls(), [])
        stream.abortConnection()
        self.loop.drain()
        self.assertEqual(self.ended, [(1, "admin")])
        self.assertEqual(self.loop.getDelayedCalls(), [])


class StallTests(SweepTestCase):
    """Progress is what the peer's system has acknowledged."""

    def test_inTheKernel(self) -> None:
        """A peer that takes nothing of what the kernel has queued is cut after 30 s."""
        _, stream = self.open(receiveBuffer=1024)
        stream.write(SOME)
        self.assertEqual(stream.queued, 0)
        self.assertGreater(self.secondsToEnd(), 30)
        self.assertEqual(self.ended, [(1, "write stall")])

    def test_sends(self) -> None:
        """That it goes on sending is no progress, and neither is what the kernel takes of us."""
        client, stream = self.open(receiveBuffer=1024)
        stream.write(SOME)
        seconds = 0
        while not self.ended and seconds < 200:
            client.send(b"x")
            self.loop.turn()
            stream.write(b"y")
            self.sweepFor(1)
            seconds += 1
        self.assertEqual(self.ended, [(1, "write stall")])
        self.assertGreater(seconds, 30)

    def test_slowReader(self) -> None:
        """A peer that takes something every 29 s is served to the last byte."""
        client, stream = self.open(receiveBuffer=4096)
        stream.write(SOME)
        left = len(SOME)
        client.setblocking(False)
        while left:
            self.sweepFor(29)
            # As much as opens its window again.
            for _ in range(4):
                with contextlib.suppress(BlockingIOError):
                    left -= len(client.recv(4096))
        self.assertEqual(self.ended, [])
        self.sweepFor(599)
        self.assertEqual(self.ended, [])

    def test_taken(self) -> None:
        """A peer whose system has all that was sent is idle, and has not stalled."""
        _, stream = self.open()
        stream.write(b"little")
        self.settle(stream)
        self.sweepFor(600)
        self.assertEqual(self.ended, [])
        self.sweepFor(1)
        self.assertEqual(self.ended, [(1, "idle")])


class SilentTests(SweepTestCase):
    """Peers that connect and send nothing, while nine of ten places are taken."""

    def limit(self, total: int) -> None:
        self.connections.admissionControl.admission = Admission(total, total, total)

    def test_givesWay(self) -> None:
        """A connection that has sent nothing for 10 s gives way, and no other."""
        self.limit(4)
        self.open()
        client, _ = self.open()
        client.send(b"x")
        self.loop.turn()
        self.open(Greeting)
        self.sweepFor(60)
        self.assertEqual(self.ended, [])
        self.open()
        self.sweepFor(1)
        self.assertEqual(self.ended, [(1, "silent")])
        self.sweepFor(60)
        self.assertEqual(self.ended, [(1, "silent")])

    def test_onlyPlace(self) -> None:
        """It has its 10 s, even if it holds the only place."""
        self.limit(1)
        self.open()
        self.sweepFor(9)
        self.assertEqual(self.ended, [])
        self.sweepFor(1)
        self.assertEqual(self.ended, [(1, "silent")])

    def test_enough(self) -> None:
        """As many give way as are needed to be below nine tenths."""
        self.limit(10)
        for _ in range(10):
            self.open()
        self.sweepFor(10)
        self.assertEqual(self.ended, [(1, "silent"), (2, "silent")])
