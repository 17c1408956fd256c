"""inject/streams.py: the wrapper of a connection, on real sockets."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import replace
from io import BytesIO
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.task import Clock
from twisted.protocols.basic import FileSender
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.faults.test_rules import rules
from tests.support.loops import LoopTestCase, Recorder
from twistednet.connections.accepting import TrackingFactory
from twistednet.connections.tracking import Connections
from twistednet.events.journal import Journal
from twistednet.events.model import Event, EventStream, Faulted
from twistednet.faults.actions import Action
from twistednet.faults.actiontypes import ActionType
from twistednet.faults.grammar import parse
from twistednet.faults.rules import Rule
from twistednet.inject.queue import MAX_ACTIONS_PER_TURN, DelayQueue
from twistednet.inject.streams import FaultWrapper
from twistednet.services.echo import Echo
from twistednet.transport.polling import READ
from twistednet.transport.streams import TCPStream


class _Factory:
    """Builds the protocol that the test has made."""

    def __init__(self) -> None:
        self.doStart = self.doStop = lambda: None
        self.protocol: Any = None

    def buildProtocol(self, address: Any) -> Any:
        return self.protocol


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    """Replies to the FIN, and closes."""

    transport: Any

    def readConnectionLost(self) -> None:
        self.transport.write(b"over")
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Do nothing."""


class Pouring(Recorder):
    """A producer that writes for as long as it is not paused."""

    ENOUGH = 200_000
    transport: Any
    written = 0

    def connectionMade(self) -> None:
        self.paused = False
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False
        while not self.paused and self.written < self.ENOUGH:
            self.transport.write(bytes(1000))
            self.written += 1000

    def stopProducing(self) -> None:
        self.paused = True


class FaultTestCase(LoopTestCase):
    """Connections that come in as the daemon's do, with faults."""

    def setUp(self) -> None:
        super().setUp()
        self.begin()

    def begin(self) -> None:
        """Begin without connections and events."""
        self.published: list[Event] = []
        events = EventStream(self.fail)
        self.journal = Journal()
        events.attach(self.journal)
        events.attach(self.published.append)
        self.connections = Connections(self.loop, events, self.journal)
        self._factory = _Factory()

    def setRules(self, *rules: str) -> None:
        """Make these the active rules."""
        self.connections.faults.replace([parse(f"echo: {rule}, seed 1") for rule in rules])

    def serve(self, protocol: Any, service: str = "echo") -> tuple[socket.socket, Any]:
        """Return a client's socket, and the stream that serves it."""
        client = socket.create_connection(self._listener.getsockname(), timeout=5)
        self.addCleanup(client.close)
        accepted, address = self._listener.accept()
        self._factory.protocol = protocol
        stream = TCPStream(accepted, None, address, None, 0, self.loop)
        entrance = TrackingFactory(service, self._factory, self.connections)
        entrance.buildProtocol(stream.getPeer()).makeConnection(stream)
        self.addCleanup(self._end, stream)
        return client, stream

    def turned(self) -> None:
        """Let everything that is under way arrive."""
        self.loop.drain()

    def nothingFrom(self, client: socket.socket) -> None:
        self.turned()
        client.setblocking(False)
        self.assertRaises(BlockingIOError, client.recv, 1)
        client.settimeout(5)

    def reasons(self) -> list[str]:
        return [one.closed for one in self.journal if one.closed is not None]

    def did(self) -> list[str]:
        return [one.did for one in self.published if isinstance(one, Faulted)]


class PathTests(FaultTestCase):
    """When a connection is wrapped, and when it is not."""

    def test_nothing(self) -> None:
        """Without a rule that matches, a connection has its own protocol and transport."""
        for texts in ((), ("drop, from 10.0.0.0/8",)):
            self.setRules(*texts)
            echo = Echo()
            _, stream = self.serve(echo)
            self.assertIs(echo, stream.protocol)
            self.assertIs(stream, echo.transport)

    def test_comesAndGoes(self) -> None:
        """A rule applies to an open connection; once it is removed, nothing stays in the path."""
        echo = Echo()
        client, stream = self.serve(echo)
        self.setRules("latency 1s")
        self.assertIsInstance(stream.protocol, FaultWrapper)
        client.sendall(b"a")
        self.nothingFrom(client)
        self.loop.advance(1)
        self.assertEqual(b"a", client.recv(9))
        self.setRules()
        self.assertIs(echo, stream.protocol)
        self.assertIs(stream, echo.transport)
        client.sendall(b"b")
        self.turned()
        self.assertEqual(b"b", client.recv(9))

    def test_newConnections(self) -> None:
        """`new connections` leaves open ones unchanged."""
        echo = Echo()
        _, stream = self.serve(echo)
        self.loop.advance(1)
        self.setRules("drop, new connections")
        self.assertIs(echo, stream.protocol)
        _, stream = self.serve(Echo())
        self.assertIsInstance(stream.protocol, FaultWrapper)

    def test_comesWhilePaused(self) -> None:
        """A service that has paused when a rule comes gets nothing until it resumes."""
        recorder = Recorder()
        client, _ = self.serve(recorder)
        recorder.transport.pauseProducing()  # type: ignore[union-attr]
        self.setRules("latency 1s")
        client.sendall(b"abc")
        self.turned()
        self.assertEqual([], recorder.chunks)
        recorder.transport.resumeProducing()  # type: ignore[union-attr]
        self.turned()
        self.assertEqual([b"abc"], recorder.chunks)

    def test_readOnByTheService(self) -> None:
        """A service that resumes the stream itself gets no more than may wait."""

        class Reading(Echo):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                stream.resumeProducing()

        client, stream = self.serve(Reading())
        self.setRules("latency 1h")
        self.fill(client, stream)
        self.assertFalse(stream.events & READ)
        self.assertLess(stream.bytesIn, 1 << 20)

    def test_pulledAndDropped(self) -> None:
        """A pull producer is asked for more if its chunk is dropped."""
        self.setRules("drop, first 2")
        client, stream = self.serve(Recorder())
        faultWrapper: Any = stream.protocol
        transport = faultWrapper.protocol.transport
        FileSender().beginFileTransfer(BytesIO(bytes(100_000)), transport).addCallback(
            lambda _: transport.loseConnection()
        )
        self.turned()
        self.assertEqual(100_000 - 2 * FileSender.CHUNK_SIZE, len(self.readAll(client)))
        client.close()
        self.turned()

    def test_comesWhileProducing(self) -> None:
        """A producer is paused by what waits, whenever the rule came, and goes on."""
        self.setRules("latency 1s")
        pouring = Pouring()
        pouring.ENOUGH = 0
        client, stream = self.serve(pouring)
        for texts in ((), ("latency 1s",), (), ("latency 1s",)):
            self.setRules(*texts)
        pouring.ENOUGH = Pouring.ENOUGH
        pouring.resumeProducing()
        self.turned()
        self.assertLess(pouring.written, 20_000)
        self.setRules()
        got = 0
        while got < pouring.ENOUGH:
            self.loop.advance(1)
            self.turned()
            got += len(client.recv(1 << 20))
        self.setRules("latency 1s")
        self.setRules()
        self.assertEqual((pouring.ENOUGH, pouring), (pouring.written, stream.producer))

    def test_goesWhileSomethingWaits(self) -> None:
        """What waits when a rule is removed is sent before what comes then."""
        client, _ = self.serve(Echo())
        self.setRules("latency 1s")
        client.sendall(b"a")
        self.turned()
        self.setRules()
        client.sendall(b"b")
        self.nothingFrom(client)
        self.loop.advance(1)
        self.assertEqual(b"ab", client.recv(9))


class EndTests(FaultTestCase):
    """How connections end, and what is reported."""

    def test_resetAtAccept(self) -> None:
        """A RST, and the service never sees the connection."""
        self.setRules("reset at accept, first 1")
        recorder = Recorder()
        client, _ = self.serve(recorder)
        self.turned()
        self.assertRaises(ConnectionResetError, client.recv, 1)
        self.assertIsNone(recorder.lost)
        self.assertEqual(["fault reset"], self.reasons())
        client, _ = self.serve(Echo())
        client.sendall(b"a")
        self.turned()
        self.assertEqual(b"a", client.recv(9))
        (event,) = (one for one in self.published if isinstance(one, Faulted))
        self.assertEqual((1, "echo", "reset"), (event.connection, event.service, event.fault))
        self.assertEqual("echo: reset at accept, first 1, seed 1", event.rule)
        self.assertEqual((1, "reset"), (event.count, event.did))

    def test_resets(self) -> None:
        """Exactly what may pass has passed, then a RST comes, and no FIN."""
        for rule, expected in {
            "reset at first byte": b"",
            "reset after 3 bytes": b"abc",
            "truncate after 4 bytes with RST": b"abcd",
        }.items():
            self.setRules(rule)
            client, _ = self.serve(Echo())
            client.sendall(b"abcdef")
            self.turned()
            self.assertEqual(expected, client.recv(9) if expected else b"")
            self.assertRaises(ConnectionResetError, client.recv, 9)
        self.assertEqual(["fault reset"] * 2 + ["fault truncate"], self.reasons())

    def test_ends(self) -> None:
        """Exactly what may pass has passed, then a FIN comes."""
        for rule, expected in {
            "truncate after 4 bytes": b"abcd",
            "close before reply": b"",
            "close in reply": b"abc",
            "close after reply": b"abcdef",
        }.items():
            self.setRules(rule)
            client, stream = self.serve(Echo())
            client.sendall(b"abcdef")
            self.turned()
            client.sendall(b"more")
            self.assertEqual(expected, self.readAll(client))
            client.close()
            self.turned()
            self.loop.advance(3)
            self.turned()
            self.assertTrue(stream.disconnected, rule)
        self.assertEqual(["fault truncate"] + ["fault close"] * 3, self.reasons())

    def test_resetAtClose(self) -> None:
        """A RST comes in place of the service's FIN."""
        self.setRules("reset at close")
        client, _ = self.serve(Echo())
        client.sendall(b"a")
        client.shutdown(socket.SHUT_WR)
        self.turned()
        self.assertEqual(b"a", client.recv(9))
        self.assertRaises(ConnectionResetError, client.recv, 9)
        self.assertEqual(["fault reset"], self.reasons())

    def test_neverClose(self) -> None:
        """The client sees nothing of the service's close, until the client itself is gone."""
        self.setRules("never close")
        client, stream = self.serve(Echo())
        client.sendall(b"a")
        client.shutdown(socket.SHUT_WR)
        self.turned()
        self.assertEqual(b"a", client.recv(9))
        self.loop.advance(500)
        self.nothingFrom(client)
        self.assertFalse(stream.disconnected)
        self.assertEqual(["no close"], self.did())

    def test_endAfterFIN(self) -> None:
        """If the client's FIN has arrived, the connection closes at once after ours."""
        self.setRules("close before reply")
        client, _ = self.serve(HalfCloseable())
        client.shutdown(socket.SHUT_WR)
        self.turned()
        self.assertEqual(b"", client.recv(1))
        self.assertEqual(["fault close"], self.reasons())
        self.assertEqual([], self.loop.getDelayedCalls())

    def test_endWhilePaused(self) -> None:
        """The FIN is sent even if the service's producer is paused, and will write no more."""
        size = 8 << 20

        class Large(Pouring):
            def resumeProducing(self) -> None:
                self.paused = False
                if not self.written:
                    self.written = 2 * size
                    self.transport.write(bytes(self.written))

        self.setRules(f"truncate after {size} bytes")
        large = Large()
        client, _ = self.serve(large)
        self.assertTrue(large.paused)
        self.assertEqual(size, len(self.readAll(client)))

    def test_afterClose(self) -> None:
        """A service that has closed is given nothing more, while its FIN is delayed."""
        self.setRules("latency 1s, in", "latency 9s")

        class Once(Recorder):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                self.transport.loseConnection()  # type: ignore[union-attr]

        recorder = Once()
        client, _ = self.serve(recorder)
        for data in (b"first", b"second"):
            client.sendall(data)
            self.turned()
        self.loop.advance(1)
        self.turned()
        self.assertEqual([b"first"], recorder.chunks)

    def test_timeout(self) -> None:
        """Nothing comes until the end, which comes at its time; a removed rule ends nothing."""
        for rule, end in (("timeout 3s", b""), ("timeout 3s with RST", None)):
            self.setRules(rule)
            client, stream = self.serve(Echo())
            self.setRules(rule, "drop, after 9s")
            client.sendall(b"abc")
            self.turned()
            self.loop.advance(2.9)
            self.nothingFrom(client)
            self.assertEqual(3, stream.bytesIn)
            self.loop.advance(0.1)
            self.turned()
            if end is None:
                self.assertRaises(ConnectionResetError, client.recv, 1)
            else:
                self.assertEqual(end, client.recv(1))
                client.close()
            self.turned()
            self.assertEqual("fault timeout", self.reasons()[-1])
        client, _ = self.serve(Echo())
        client.sendall(b"abc")
        self.turned()
        self.loop.advance(2)
        self.setRules()
        self.assertEqual(b"abc", self.readAll(client, 3))
        self.assertEqual([], self.loop.getDelayedCalls())

    def test_timeoutIsChanged(self) -> None:
        """An end that a rule has scheduled goes with that rule."""
        self.setRules("timeout 3s")
        client, _ = self.serve(Echo())
        self.turned()
        self.loop.advance(1)
        self.setRules("timeout 5s")
        self.loop.advance(4.9)
        self.nothingFrom(client)
        self.loop.advance(0.1)
        self.turned()
        self.assertEqual(b"", client.recv(1))
        client.close()
        self.turned()

    def test_slowClose(self) -> None:
        """The FIN is delayed, and what was sent before it is not."""
        self.setRules("slow close 3s")
        client, _ = self.serve(HalfCloseable())
        client.shutdown(socket.SHUT_WR)
        self.turned()
        self.assertEqual(b"over", client.recv(10))
        self.loop.advance(2.9)
        self.nothingFrom(client)
        self.loop.advance(0.1)
        self.turned()
        self.assertEqual(b"", client.recv(1))

    def test_linger(self) -> None:
        """The FIN comes at once, the end of the connection later."""
        self.setRules("linger 5s")
        client, stream = self.serve(Echo())
        client.shutdown(socket.SHUT_WR)
        self.turned()
        self.assertEqual(b"", client.recv(9))
        self.assertFalse(stream.disconnected)
        self.loop.advance(5)
        self.turned()
        self.assertTrue(stream.disconnected)

    def test_halfClose(self) -> None:
        """Our FIN comes, and what the client sends still arrives."""
        self.setRules("half-close at accept")
        recorder = Recorder()
        client, stream = self.serve(recorder)
        self.turned()
        self.assertEqual(b"", client.recv(9))
        client.sendall(b"abc")
        self.turned()
        self.assertEqual((b"abc", False), (recorder.received, bool(stream.disconnected)))

    def test_halfCloseLate(self) -> None:
        """A service gets no data before it has the connection, which may wait for our FIN."""
        self.setRules("half-close at accept", "slow close 1s")
        recorder = Recorder()
        client, _ = self.serve(recorder)
        client.sendall(b"abc")
        self.nothingFrom(client)
        self.assertEqual((None, b""), (recorder.transport, recorder.received))
        self.loop.advance(1)
        self.turned()
        self.assertEqual((b"", b"abc"), (client.recv(9), recorder.received))

    def test_silence(self) -> None:
        """What the client sends arrives, the replies do not, and the FIN does."""
        self.setRules("silence")
        client, _ = self.serve(HalfCloseable())
        client.sendall(b"a")
        self.nothingFrom(client)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(b"", self.readAll(client))
        self.turned()
        self.assertEqual(["client FIN"], self.reasons())

    def test_stopReading(self) -> None:
        """The client can send until the windows are full; without the rule all of it is read."""
        self.setRules("stop reading")
        recorder = Recorder()
        client, stream = self.serve(recorder)
        client.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += client.send(bytes(65536))
        self.turned()
        self.assertEqual((b"", 0), (recorder.received, stream.bytesIn))
        self.setRules()
        self.turned()
        self.assertEqual(sent, len(recorder.received))

    def test_runsOut(self) -> None:
        """A rule whose time is over is undone, and nothing stays in the path."""
        self.setRules("stop reading, for 5s", "silence, for 9s")
        client, _ = self.serve(Echo())
        client.sendall(b"abc")
        self.turned()
        self.loop.advance(4)
        [connection] = self.connections
        self.assertEqual(0, connection.transport.bytesIn)
        self.loop.advance(1)
        self.turned()
        self.assertEqual(3, connection.transport.bytesIn)
        self.nothingFrom(client)
        self.loop.advance(4)
        self.assertEqual((None, []), (connection.faultWrapper, self.loop.getDelayedCalls()))
        client.sendall(b"def")
        self.assertEqual(b"def", self.readAll(client, 3))

    def test_stopReadingLater(self) -> None:
        """What had been read before the fault began arrives when the rule is removed."""
        self.setRules("stop reading, after 2 bytes")
        recorder = Recorder()
        client, _ = self.serve(recorder)
        client.sendall(b"abcd")
        self.turned()
        self.assertEqual(b"ab", recorder.received)
        self.setRules()
        self.assertEqual(b"abcd", recorder.received)

    def test_raises(self) -> None:
        """A service that raises at delayed data loses its connection, and no other."""

        class Bad(Recorder):
            def dataReceived(self, data: bytes) -> None:
                raise RuntimeError

        self.setRules("latency 1s, in")
        client, _ = self.serve(Bad())
        client.sendall(b"a")
        self.turned()
        self.loop.advance(1)
        self.loop.advance(0)
        self.assertEqual(["error"], self.reasons())
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_shutdown(self) -> None:
        """Closing a delayed connection sends what waits first."""
        self.setRules("latency 1h")
        client, _ = self.serve(Echo())
        client.sendall(b"abc")
        self.turned()
        next(iter(self.connections)).close("admin")
        self.assertEqual(b"abc", self.readAll(client))

    def test_abort(self) -> None:
        """A lost connection leaves no data and no timers behind."""
        self.setRules("latency 1h")
        client, _ = self.serve(Echo())
        client.sendall(b"abc")
        self.turned()
        next(iter(self.connections)).abort("shutdown")
        self.turned()
        self.assertRaises(ConnectionResetError, client.recv, 9)
        self.assertEqual(["shutdown"], self.reasons())
        self.assertEqual([], self.loop.getDelayedCalls())


class FlowTests(FaultTestCase):
    """Order, and bounded memory."""

    def test_finWaits(self) -> None:
        """The client's FIN does not overtake its data, nor our FIN the reply."""
        for protocol, expected in ((Echo(), b"abc"), (HalfCloseable(), b"over")):
            self.setRules("latency 2s, in", "latency 1s")
            client, _ = self.serve(protocol)
            client.sendall(b"abc")
            client.shutdown(socket.SHUT_WR)
            self.nothingFrom(client)
            self.loop.advance(2)
            self.nothingFrom(client)
            self.loop.advance(1)
            self.assertEqual(expected, self.readAll(client))

    def test_paused(self) -> None:
        """A service that has paused gets nothing, and no timer runs."""
        self.setRules("latency 1s, in")
        recorder = Recorder()
        client, _ = self.serve(recorder)
        recorder.transport.pauseProducing()  # type: ignore[union-attr]
        recorder.transport.resumeProducing()  # type: ignore[union-attr]
        client.sendall(b"abc")
        self.turned()
        recorder.transport.pauseProducing()  # type: ignore[union-attr]
        self.loop.advance(1)
        self.assertEqual(([], []), (recorder.chunks, self.loop.getDelayedCalls()))
        recorder.transport.resumeProducing()  # type: ignore[union-attr]
        self.assertEqual([b"abc"], recorder.chunks)

    def test_rate(self) -> None:
        """The rate is right within 5 % over 10 s, and everything arrives in the end."""
        self.setRules("rate 1000B/s")
        client, stream = self.serve(Echo())
        data = bytes(range(256)) * 50
        client.sendall(data)
        self.turned()
        self.assertEqual(len(data), stream.bytesIn)
        for _ in range(1000):
            self.loop.advance(0.01)
        self.turned()
        self.assertApproximates(10_000, stream.bytesOut, 500)
        self.loop.advance(3)
        self.assertEqual(data, self.readAll(client, len(data)))

    def test_bounded(self) -> None:
        """A client that floods is not read while much waits in either direction."""
        for rule in ("latency 1s", "latency 1s, in"):
            self.setRules(rule)
            client, stream = self.serve(Echo())
            self.fill(client, stream)
            self.assertFalse(stream.events & READ)
            self.assertLess(stream.bytesIn, 1 << 20)
            client.close()
            self.loop.advance(1)
            self.turned()

    def test_producer(self) -> None:
        """A producer is paused while much waits, and goes on; nothing is lost."""
        self.setRules("latency 1s")
        pouring = Pouring()
        client, _ = self.serve(pouring)
        self.turned()
        self.assertLess(pouring.written, 20_000)
        got = 0
        client.setblocking(False)
        while got < pouring.ENOUGH:
            self.loop.advance(1)
            self.turned()
            waiting = len(client.recv(1 << 20))
            self.assertLess(waiting, 20_000)
            got += waiting
        self.assertEqual(pouring.ENOUGH, pouring.written)


class DelayQueueTests(SynchronousTestCase):
    """The queue on its own."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.taken: list[Action] = []
        self.queue = DelayQueue(self.clock, self.taken.append, lambda: None)

    def test_turns(self) -> None:
        """Many small pieces leave others their turn, and take no more memory than the whole."""
        data = bytes(range(256)) * 4
        self.queue.add([Action(0.0, ActionType.PASS, data, piece=1)])
        self.assertEqual(MAX_ACTIONS_PER_TURN, len(self.taken))
        self.assertEqual(len(data) - MAX_ACTIONS_PER_TURN, self.queue.waitingBytes)
        while self.queue.waitingBytes:
            before = len(self.taken)
            self.assertEqual(1, len(self.clock.getDelayedCalls()))
            self.queue.performDue()
            self.assertLessEqual(len(self.taken), before + MAX_ACTIONS_PER_TURN)
        self.assertEqual(data, b"".join(step.data for step in self.taken))
        self.assertEqual({1}, {len(step.data) for step in self.taken})

    def test_drainedAmidst(self) -> None:
        """Clearing returns the rest of an action that has passed in part, and leaves no timer."""
        self.queue.add(
            [Action(0.0, ActionType.PASS, b"abcdef", piece=2, gap=1.0), Action(0.0, ActionType.FIN)]
        )
        self.clock.advance(1.0)
        rest = self.queue.clear()
        self.assertEqual([b"ab", b"cd"], [step.data for step in self.taken])
        self.assertEqual([b"ef", b""], [step.data for step in rest])
        self.assertEqual([], self.clock.getDelayedCalls())


class AnyRuleTests(FaultTestCase):
    """Any rules."""

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(rules(), min_size=1, max_size=3),
        st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=4),
        st.booleans(),
    )
    def test_any(self, ruled: list[Rule], chunks: list[bytes], areLifted: bool) -> None:
        """A connection ends with a known reason, nothing raises or stays behind, and another
        service's data comes back to the byte."""
        faults = self.connections.faults
        faults.replace([replace(rule, network=None) for rule in ruled])
        client, stream = self.serve(Echo())
        other, otherStream = self.serve(Echo(), "other")
        for chunk in chunks:
            with contextlib.suppress(ConnectionError):
                client.sendall(chunk)
            other.sendall(chunk)
            self.loop.turn(0.001)
            self.loop.advance(1)
        if areLifted:
            faults.replace(())
        client.close()
        other.shutdown(socket.SHUT_WR)
        self.assertEqual(b"".join(chunks), self.readAll(other))
        other.close()
        for _ in range(20):
            if not stream.disconnected:
                self.loop.turn(0.001)
                self.loop.advance(86_400)
        if not stream.disconnected:
            held = {"never close", "stop reading", "rate", "slice"}
            self.assertFalse(held.isdisjoint({rule.kind.name for rule in ruled}))
            next(iter(self.connections)).abort("idle")
            self.loop.advance(0)
        self.assertTrue(otherStream.disconnected)
        self.assertRegex(self.reasons()[-2], "^(client FIN|client RST|idle|fault [a-z]+)$")
        # The end of a rule's time is still scheduled.
        faults.replace([])
        self.assertEqual((0, []), (len(self.connections), self.loop.getDelayedCalls()))
