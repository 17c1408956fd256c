"""inject/streams.py: what stands between a connection and its service, on real sockets."""

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
from twistednet.connections.tracking import Connections, TrackingFactory
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
    """Builds what the test has made."""

    def __init__(self) -> None:
        self.doStart = self.doStop = lambda: None
        self.protocol: Any = None

    def buildProtocol(self, address: Any) -> Any:
        return self.protocol


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    """Answers the FIN with its last words."""

    transport: Any

    def readConnectionLost(self) -> None:
        self.transport.write(b"over")
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Never."""


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
    """Connections that come in through the layers, with faults."""

    def setUp(self) -> None:
        super().setUp()
        self.begin()

    def begin(self) -> None:
        """There have been no connections yet, and nothing was told."""
        self.told: list[Event] = []
        events = EventStream(self.fail)
        self.journal = Journal()
        events.attach(self.journal)
        events.attach(self.told.append)
        self.connections = Connections(self.loop, events, self.journal)
        self._factory = _Factory()

    def ask(self, *rules: str) -> None:
        """These faults are in force from now on."""
        self.connections.faults.replace([parse(f"echo: {rule}, seed 1") for rule in rules])

    def serve(self, protocol: Any, service: str = "echo") -> tuple[socket.socket, Any]:
        """A client's socket, and the stream that the layers were given."""
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
        """All that is under way has arrived."""
        self.loop.drain()

    def nothingFrom(self, client: socket.socket) -> None:
        self.turned()
        client.setblocking(False)
        self.assertRaises(BlockingIOError, client.recv, 1)
        client.settimeout(5)

    def reasons(self) -> list[str]:
        return [one.closed for one in self.journal if one.closed is not None]

    def did(self) -> list[str]:
        return [one.did for one in self.told if isinstance(one, Faulted)]


class PathTests(FaultTestCase):
    """When something stands in the path, and when nothing does."""

    def test_nothing(self) -> None:
        """Without a rule that concerns it, a connection has its own protocol."""
        for asked in ((), ("drop, from 10.0.0.0/8",)):
            self.ask(*asked)
            echo = Echo()
            _, stream = self.serve(echo)
            self.assertIs(echo, stream.protocol)
            self.assertIs(stream, echo.transport)

    def test_comesAndGoes(self) -> None:
        """A rule concerns who is there already, and when it goes nothing is left."""
        echo = Echo()
        client, stream = self.serve(echo)
        self.ask("latency 1s")
        self.assertIsInstance(stream.protocol, FaultWrapper)
        client.sendall(b"a")
        self.nothingFrom(client)
        self.loop.advance(1)
        self.assertEqual(b"a", client.recv(9))
        self.ask()
        self.assertIs(echo, stream.protocol)
        self.assertIs(stream, echo.transport)
        client.sendall(b"b")
        self.turned()
        self.assertEqual(b"b", client.recv(9))

    def test_newConnections(self) -> None:
        """If the rule says so, who is there already is left alone."""
        echo = Echo()
        _, stream = self.serve(echo)
        self.loop.advance(1)
        self.ask("drop, new connections")
        self.assertIs(echo, stream.protocol)
        _, stream = self.serve(Echo())
        self.assertIsInstance(stream.protocol, FaultWrapper)

    def test_comesWhilePaused(self) -> None:
        """A service that wants nothing when a rule comes is given nothing, and then the rest."""
        recorder = Recorder()
        client, _ = self.serve(recorder)
        recorder.transport.pauseProducing()  # type: ignore[union-attr]
        self.ask("latency 1s")
        client.sendall(b"abc")
        self.turned()
        self.assertEqual([], recorder.chunks)
        recorder.transport.resumeProducing()  # type: ignore[union-attr]
        self.turned()
        self.assertEqual([b"abc"], recorder.chunks)

    def test_readOnByTheService(self) -> None:
        """A service that had the stream itself before there was a rule, and has it read on, is
        given no more than what may wait."""

        class Reading(Echo):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                stream.resumeProducing()

        client, stream = self.serve(Reading())
        self.ask("latency 1h")
        self.fill(client, stream)
        self.assertFalse(stream.events & READ)
        self.assertLess(stream.bytesIn, 1 << 20)

    def test_pulledAndDropped(self) -> None:
        """Who is asked for each chunk is asked for the next one when that is dropped."""
        self.ask("drop, first 2")
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
        """Who produces is paused by what waits, whenever the rule came, and goes on."""
        self.ask("latency 1s")
        pouring = Pouring()
        pouring.ENOUGH = 0
        client, stream = self.serve(pouring)
        for asked in ((), ("latency 1s",), (), ("latency 1s",)):
            self.ask(*asked)
        pouring.ENOUGH = Pouring.ENOUGH
        pouring.resumeProducing()
        self.turned()
        self.assertLess(pouring.written, 20_000)
        self.ask()
        got = 0
        while got < pouring.ENOUGH:
            self.loop.advance(1)
            self.turned()
            got += len(client.recv(1 << 20))
        self.ask("latency 1s")
        self.ask()
        self.assertEqual((pouring.ENOUGH, pouring), (pouring.written, stream.producer))

    def test_goesWhileSomethingWaits(self) -> None:
        """What waits when a rule goes is still sent, and what comes then after it."""
        client, _ = self.serve(Echo())
        self.ask("latency 1s")
        client.sendall(b"a")
        self.turned()
        self.ask()
        client.sendall(b"b")
        self.nothingFrom(client)
        self.loop.advance(1)
        self.assertEqual(b"ab", client.recv(9))


class EndTests(FaultTestCase):
    """How connections end, and what is told of it."""

    def test_resetAtAccept(self) -> None:
        """A RST, of which the service knows nothing."""
        self.ask("reset at accept, first 1")
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
        (told,) = (one for one in self.told if isinstance(one, Faulted))
        self.assertEqual((1, "echo", "reset"), (told.connection, told.service, told.fault))
        self.assertEqual("echo: reset at accept, first 1, seed 1", told.rule)
        self.assertEqual((1, "reset"), (told.count, told.did))

    def test_resets(self) -> None:
        """Exactly what was to pass has passed, and then comes a RST, and no FIN."""
        for rule, expected in {
            "reset at first byte": b"",
            "reset after 3 bytes": b"abc",
            "truncate after 4 bytes with RST": b"abcd",
        }.items():
            self.ask(rule)
            client, _ = self.serve(Echo())
            client.sendall(b"abcdef")
            self.turned()
            self.assertEqual(expected, client.recv(9) if expected else b"")
            self.assertRaises(ConnectionResetError, client.recv, 9)
        self.assertEqual(["fault reset"] * 2 + ["fault truncate"], self.reasons())

    def test_ends(self) -> None:
        """Exactly what was to pass has passed, and then comes a FIN."""
        for rule, expected in {
            "truncate after 4 bytes": b"abcd",
            "close before reply": b"",
            "close in reply": b"abc",
            "close after reply": b"abcdef",
        }.items():
            self.ask(rule)
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
        """In place of the service's FIN comes a RST."""
        self.ask("reset at close")
        client, _ = self.serve(Echo())
        client.sendall(b"a")
        client.shutdown(socket.SHUT_WR)
        self.turned()
        self.assertEqual(b"a", client.recv(9))
        self.assertRaises(ConnectionResetError, client.recv, 9)
        self.assertEqual(["fault reset"], self.reasons())

    def test_neverClose(self) -> None:
        """The service has closed, and nothing is seen of it, until the client is gone."""
        self.ask("never close")
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
        """Where the client's FIN has come nothing is waited for after ours."""
        self.ask("close before reply")
        client, _ = self.serve(HalfCloseable())
        client.shutdown(socket.SHUT_WR)
        self.turned()
        self.assertEqual(b"", client.recv(1))
        self.assertEqual(["fault close"], self.reasons())
        self.assertEqual([], self.loop.getDelayedCalls())

    def test_timeout(self) -> None:
        """Nothing comes, and after its time the end; a rule that is gone ends nothing."""
        for rule, end in (("timeout 3s", b""), ("timeout 3s with RST", None)):
            self.ask(rule)
            client, stream = self.serve(Echo())
            self.ask(rule, "drop, after 9s")
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
        self.ask()
        self.assertEqual(b"abc", self.readAll(client, 3))
        self.assertEqual([], self.loop.getDelayedCalls())

    def test_timeoutIsChanged(self) -> None:
        """The end that another rule of the kind has set is gone with that rule."""
        self.ask("timeout 3s")
        client, _ = self.serve(Echo())
        self.turned()
        self.loop.advance(1)
        self.ask("timeout 5s")
        self.loop.advance(4.9)
        self.nothingFrom(client)
        self.loop.advance(0.1)
        self.turned()
        self.assertEqual(b"", client.recv(1))
        client.close()
        self.turned()

    def test_slowClose(self) -> None:
        """Its FIN comes late, and what it said before does not."""
        self.ask("slow close 3s")
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
        self.ask("linger 5s")
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
        self.ask("half-close at accept")
        recorder = Recorder()
        client, stream = self.serve(recorder)
        self.turned()
        self.assertEqual(b"", client.recv(9))
        client.sendall(b"abc")
        self.turned()
        self.assertEqual((b"abc", False), (recorder.received, bool(stream.disconnected)))

    def test_halfCloseLate(self) -> None:
        """A service is given nothing before it was told of the connection, which may wait for
        our FIN."""
        self.ask("half-close at accept", "slow close 1s")
        recorder = Recorder()
        client, _ = self.serve(recorder)
        client.sendall(b"abc")
        self.nothingFrom(client)
        self.assertEqual((None, b""), (recorder.transport, recorder.received))
        self.loop.advance(1)
        self.turned()
        self.assertEqual((b"", b"abc"), (client.recv(9), recorder.received))

    def test_silence(self) -> None:
        """What is sent arrives, and what is answered does not; the FIN does."""
        self.ask("silence")
        client, _ = self.serve(HalfCloseable())
        client.sendall(b"a")
        self.nothingFrom(client)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(b"", self.readAll(client))
        self.turned()
        self.assertEqual(["client FIN"], self.reasons())

    def test_stopReading(self) -> None:
        """The client can send until the windows are full; then it reads on as if nothing was."""
        self.ask("stop reading")
        recorder = Recorder()
        client, stream = self.serve(recorder)
        client.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += client.send(bytes(65536))
        self.turned()
        self.assertEqual((b"", 0), (recorder.received, stream.bytesIn))
        self.ask()
        self.turned()
        self.assertEqual(sent, len(recorder.received))

    def test_runsOut(self) -> None:
        """What was for a time is undone after it, and then nothing stands in the path."""
        self.ask("stop reading, for 5s", "silence, for 9s")
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
        """What had been read when it began is given when the rule goes."""
        self.ask("stop reading, after 2 bytes")
        recorder = Recorder()
        client, _ = self.serve(recorder)
        client.sendall(b"abcd")
        self.turned()
        self.assertEqual(b"ab", recorder.received)
        self.ask()
        self.assertEqual(b"abcd", recorder.received)

    def test_raises(self) -> None:
        """A service that raises at what came late loses its connection, and no other."""

        class Bad(Recorder):
            def dataReceived(self, data: bytes) -> None:
                raise RuntimeError

        self.ask("latency 1s, in")
        client, _ = self.serve(Bad())
        client.sendall(b"a")
        self.turned()
        self.loop.advance(1)
        self.loop.advance(0)
        self.assertEqual(["error"], self.reasons())
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_shutdown(self) -> None:
        """Who ends a connection that is delayed sends what waits first."""
        self.ask("latency 1h")
        client, _ = self.serve(Echo())
        client.sendall(b"abc")
        self.turned()
        next(iter(self.connections)).close("admin")
        self.assertEqual(b"abc", self.readAll(client))

    def test_abort(self) -> None:
        """What waits when the connection is lost is forgotten, its timers too."""
        self.ask("latency 1h")
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
        """The client's FIN does not overtake what it has sent, nor ours the answer."""
        for protocol, expected in ((Echo(), b"abc"), (HalfCloseable(), b"over")):
            self.ask("latency 2s, in", "latency 1s")
            client, _ = self.serve(protocol)
            client.sendall(b"abc")
            client.shutdown(socket.SHUT_WR)
            self.nothingFrom(client)
            self.loop.advance(2)
            self.nothingFrom(client)
            self.loop.advance(1)
            self.assertEqual(expected, self.readAll(client))

    def test_paused(self) -> None:
        """A service that wants nothing now is given nothing, and nobody asks again and again."""
        self.ask("latency 1s, in")
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
        """So many bytes a second, within 5 % over 10 s; all arrive in the end."""
        self.ask("rate 1000B/s")
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
        """A client that floods is not read while much waits, in either direction."""
        for rule in ("latency 1s", "latency 1s, in"):
            self.ask(rule)
            client, stream = self.serve(Echo())
            self.fill(client, stream)
            self.assertFalse(stream.events & READ)
            self.assertLess(stream.bytesIn, 1 << 20)
            client.close()
            self.loop.advance(1)
            self.turned()

    def test_producer(self) -> None:
        """Who produces is paused while much waits, and goes on; nothing is lost."""
        self.ask("latency 1s")
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
    """The queue by itself."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.taken: list[Action] = []
        self.queue = DelayQueue(self.clock, self.taken.append, lambda: None)

    def test_turns(self) -> None:
        """Many small pieces leave others their turn, and need no more room than the whole."""
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
        """What is left of a step whose first pieces are through, and nothing comes later."""
        self.queue.add(
            [Action(0.0, ActionType.PASS, b"abcdef", piece=2, gap=1.0), Action(0.0, ActionType.FIN)]
        )
        self.clock.advance(1.0)
        rest = self.queue.clear()
        self.assertEqual([b"ab", b"cd"], [step.data for step in self.taken])
        self.assertEqual([b"ef", b""], [step.data for step in rest])
        self.assertEqual([], self.clock.getDelayedCalls())


class AnyRuleTests(FaultTestCase):
    """Whatever the rules are."""

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(rules(), max_size=3),
        st.lists(st.binary(min_size=1, max_size=50), max_size=4),
        st.booleans(),
    )
    def test_any(self, asked: list[Rule], chunks: list[bytes], areLifted: bool) -> None:
        """A connection ends in a way that is told, nothing raises, nothing is left behind, and
        what another service is sent comes back to the byte."""
        faults = self.connections.faults
        faults.replace([replace(rule, network=None) for rule in asked])
        client, stream = self.serve(Echo())
        other, unhit = self.serve(Echo(), "other")
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
            self.assertFalse(held.isdisjoint({rule.kind.name for rule in asked}))
            next(iter(self.connections)).abort("idle")
            self.loop.advance(0)
        self.assertTrue(unhit.disconnected)
        self.assertRegex(self.reasons()[-2], "^(client FIN|client RST|idle|fault [a-z]+)$")
        # That a rule runs out is awaited still.
        faults.replace([])
        self.assertEqual((0, []), (len(self.connections), self.loop.getDelayedCalls()))
