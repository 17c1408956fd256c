from __future__ import annotations

import errno
import socket
import struct
from itertools import count
from types import SimpleNamespace
from typing import Any

from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.loops import Loop
from twistednet.connections.conversations import UDPConversations
from twistednet.connections.datagrams import MAX_HARMLESS_SENDERS, DatagramGuard
from twistednet.connections.taps import Recorder
from twistednet.core.settings import ServiceSettings
from twistednet.events.journal import Journal
from twistednet.events.model import EventStream
from twistednet.inject.injector import FaultInjector
from twistednet.services.datagram import Datagram
from twistednet.services.ratelimitedlog import RateLimitedLog
from twistednet.transport import mmsg
from twistednet.transport.datagrams import MAX_DATAGRAMS, DatagramPort

#: The limited broadcast, which a socket may send to only if it says so (SO_BROADCAST).
EVERYBODY = "255.255.255.255", 9
RAW_EVERYBODY = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", 9, b"\xff" * 4)


class Returning(DatagramProtocol):
    """Returns each datagram, and keeps it."""

    noisy = False

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Any]] = []

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.received.append((datagram, addr))
        self.transport.write(datagram, addr)


class _Contract:
    """What holds with and without recvmmsg."""

    def setUp(self) -> None:
        self.loop = Loop()

    def listen(self, protocol: Any, interface: str = "127.0.0.1") -> DatagramPort:
        port = DatagramPort(0, protocol, interface, self.loop)
        port.startListening()
        self.addCleanup(self.loop.advance, 0)
        self.addCleanup(port.stopListening)
        return port

    def client(self, port: DatagramPort) -> socket.socket:
        """Return a socket that is connected to the port."""
        family = socket.AF_INET6 if ":" in port.interface else socket.AF_INET
        client = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(5)
        client.connect((port.interface, port.getHost().port))
        return client

    def test_addresses(self) -> None:
        """A protocol gets the sender as Twisted gives it: host and port."""
        for interface in ("127.0.0.1", "::1"):
            protocol = Returning()
            client = self.client(self.listen(protocol, interface))
            client.send(b"hello")
            self.loop.turn()
            self.assertEqual([(b"hello", client.getsockname()[:2])], protocol.received)
            self.assertEqual(b"hello", client.recv(100))

    def test_sizes(self) -> None:
        """A datagram of any size, from 0 to the largest, arrives and leaves whole."""
        for interface in ("127.0.0.1", "::1"):
            protocol = Returning()
            client = self.client(self.listen(protocol, interface))
            for size in (1200, 65507, 0, 64, 65507, 1):
                sent = bytes([size % 251]) * size
                client.send(sent)
                self.loop.turn()
                self.assertEqual((sent, sent), (protocol.received[-1][0], client.recv(70000)))

    def test_turn(self) -> None:
        """64 of a flood of empty datagrams are handled a turn, and all are answered in order."""
        protocol = Returning()
        client = self.client(self.listen(protocol))
        for _ in range(MAX_DATAGRAMS + 5):
            client.send(b"")
        self.loop.turn()
        self.assertEqual(MAX_DATAGRAMS, len(protocol.received))
        self.loop.turn()
        self.assertEqual(MAX_DATAGRAMS + 5, len(protocol.received))
        self.assertEqual({b""}, {client.recv(100) for _ in range(MAX_DATAGRAMS + 5)})

    def test_manyReplies(self) -> None:
        """A protocol can send more replies than a batch holds; they keep their order."""

        class Many(DatagramProtocol):
            noisy = False

            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                for n in range(MAX_DATAGRAMS + 5):
                    self.transport.write(b"%d" % n, addr)

        client = self.client(self.listen(Many()))
        client.send(b"x")
        self.loop.turn()
        self.assertEqual(
            [b"%d" % n for n in range(MAX_DATAGRAMS + 5)], self.take(client, MAX_DATAGRAMS + 5)
        )

    def take(self, client: socket.socket, count: int) -> list[bytes]:
        return [client.recv(100) for _ in range(count)]

    def test_writeToAnother(self) -> None:
        """A datagram to a peer that did not send in this turn arrives."""
        protocol = Returning()
        port = self.listen(protocol)
        sender, other = self.client(port), self.client(port)
        received = protocol.datagramReceived

        def forward(datagram: bytes, addr: Any) -> None:
            received(datagram, addr)
            port.write(b"for you", other.getsockname())

        protocol.datagramReceived = forward  # type: ignore[method-assign]
        sender.send(b"x")
        self.loop.turn()
        self.assertEqual((b"x", b"for you"), (sender.recv(100), other.recv(100)))
        port.write(b"later", sender.getsockname())
        self.assertEqual(b"later", sender.recv(100))

    def test_unsent(self) -> None:
        """A reply that cannot be sent is counted; the others are sent, and the port stays open."""

        class TooLong(Returning):
            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                self.transport.write(b"before", addr)
                self.transport.write(bytes(65536), addr)
                self.transport.write(bytes(70000), addr)
                self.transport.write(b"after", addr)

        port = self.listen(TooLong())
        client = self.client(port)
        for unsent in (2, 4):
            client.send(b"x")
            self.loop.turn()
            self.assertEqual([b"before", b"after"], self.take(client, 2))
            self.assertEqual(unsent, port.unsent)

    def test_told(self) -> None:
        """The tap gets each datagram that is sent, an empty one too, and none that cannot be."""

        class Sending(DatagramProtocol):
            noisy = False

            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                for size in (0, 1, 65_508, 70_000, 2):
                    self.transport.write(bytes(size), addr)

        sizes: list[int] = []
        tap = SimpleNamespace(sent=lambda data, address: sizes.append(len(data)))
        port = self.listen(Sending())
        port.tap = tap  # type: ignore[assignment]
        client = self.client(port)
        client.send(b"x")
        self.loop.turn()
        self.assertEqual([b"", b"\0", b"\0\0"], self.take(client, 3))
        self.assertEqual(([0, 1, 2], 2), (sizes, port.unsent))

    def test_unsentLast(self) -> None:
        """A reply that would fill the batch, and is longer than any datagram, is counted too."""

        class Filling(DatagramProtocol):
            noisy = False

            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                for _ in range(MAX_DATAGRAMS - 1):
                    self.transport.write(b"x", addr)
                self.transport.write(bytes(70000), addr)

        port = self.listen(Filling())
        client = self.client(port)
        client.send(b"x")
        self.loop.turn()
        self.assertEqual([b"x"] * (MAX_DATAGRAMS - 1), self.take(client, MAX_DATAGRAMS - 1))
        self.assertEqual(1, port.unsent)

    def test_unsentIsNotSent(self) -> None:
        """A reply that the kernel refuses counts neither as sent nor with its bytes."""

        class Refused(Returning):
            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                # A reply to a sender of this turn is sent at the end of the turn.
                port._senders[EVERYBODY] = RAW_EVERYBODY
                self.transport.write(b"to everybody", EVERYBODY)
                self.transport.write(b"reply", addr)

        port = self.listen(Refused())
        client = self.client(port)
        client.send(b"x")
        self.loop.turn()
        self.assertEqual([b"reply"], self.take(client, 1))
        self.assertEqual((1, 1, 5), (port.unsent, port.datagramsOut, port.bytesOut))

    def test_unread(self) -> None:
        """An error of a read is counted, and the port goes on."""
        protocol = Returning()
        port = self.listen(protocol)
        self.fail_(port)
        port.doRead()
        self.assertEqual(1, port.unread)
        self.unfail(port)
        port.doRead()
        self.assertEqual(1, port.unread)
        client = self.client(port)
        client.send(b"x")
        self.loop.turn()
        self.assertEqual(b"x", client.recv(100))

    def fail_(self, port: DatagramPort) -> None:
        """Let all reads fail from now on."""
        self._fileno = port.fileno
        # A descriptor that is not a socket.
        self._file = open("/dev/null")  # noqa: SIM115
        self.addCleanup(self._file.close)
        port.fileno = self._file.fileno

    def unfail(self, port: DatagramPort) -> None:
        port.fileno = self._fileno

    def test_raises(self) -> None:
        """An exception of a protocol is logged, and the next datagram is served."""

        class Raising(Returning):
            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                if datagram == b"bad":
                    raise ValueError("mine")
                super().datagramReceived(datagram, addr)

        client = self.client(self.listen(Raising()))
        client.send(b"bad")
        client.send(b"good")
        self.loop.turn()
        self.assertEqual(b"good", client.recv(100))
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_stopInside(self) -> None:
        """A protocol can stop listening in its callback; its reply is still sent."""
        port: Any

        class Stopping(Returning):
            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                super().datagramReceived(datagram, addr)
                port.stopListening()

        port = self.listen(Stopping())
        client = self.client(port)
        client.send(b"bye")
        self.loop.turn()
        self.assertEqual(b"bye", client.recv(100))
        self.assertEqual(set(), self.loop.readers)

    def test_hostname(self) -> None:
        """A host name is refused, as by Twisted: a look-up would block."""
        from twisted.internet.error import InvalidAddressError

        port = self.listen(Returning())
        self.assertRaises(InvalidAddressError, port.write, b"x", ("localhost", 9))


class WithoutMmsgTests(_Contract, SynchronousTestCase):
    """Without recvmmsg and sendmmsg."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(mmsg, "available", False)

    def fail_(self, port: DatagramPort) -> None:
        self._socket = port.socket

        class Failing:
            def recvfrom(self, size: int) -> Any:
                raise OSError(errno.EIO, "mine")

        port.socket = Failing()  # type: ignore[assignment]

    def unfail(self, port: DatagramPort) -> None:
        port.socket = self._socket

    def test_noSlots(self) -> None:
        """These tests run without them."""
        self.assertIsNone(self.listen(Returning())._incoming)


class BatchTests(_Contract, SynchronousTestCase):
    """With recvmmsg and sendmmsg."""

    def test_oneCall(self) -> None:
        """The replies of a turn are sent by one system call."""
        sent: list[int] = []
        send = mmsg.Slots.send

        def counting(slots: mmsg.Slots, fd: int) -> list[int]:
            sent.append(slots.used)
            return send(slots, fd)

        self.patch(mmsg.Slots, "send", counting)
        client = self.client(self.listen(Returning()))
        for _ in range(3):
            client.send(b"x")
        self.loop.turn()
        self.assertEqual([3], sent)

    def test_returned(self) -> None:
        """A protocol gets only the datagrams that it does not let be returned, whole, unseen."""

        class Unseeing(Returning):
            calls: list[Any] = []

            def mayReturn(self, senders: Any, firstBytes: bytes) -> bool:
                self.calls.append((senders, firstBytes))
                return b"s" not in firstBytes

        for interface in ("127.0.0.1", "::1"):
            protocol = Unseeing()
            client = self.client(self.listen(protocol, interface))
            for turn in ([b"a", b"bc", bytes(65507)], [b"see", b"x"], [b"d" * 1200, b""]):
                for datagram in turn:
                    client.send(datagram)
                self.loop.turn()
                self.assertEqual(turn, [client.recv(70000) for _ in turn])
            address = client.getsockname()[:2]
            self.assertEqual([(b"see", address), (b"x", address)], protocol.received)
            self.assertEqual(({address}, b"ab\0"), protocol.calls[-3])

    def test_notReturned(self) -> None:
        """The same holds for a datagram that is returned unseen."""

        class Unseeing(Returning):
            def mayReturn(self, senders: Any, firstBytes: bytes) -> bool:
                # Only the answer goes there: the kernel refuses it.
                port._incoming._addresses[: len(RAW_EVERYBODY)] = RAW_EVERYBODY
                return True

        port: Any = self.listen(Unseeing())
        self.client(port).send(b"hello")
        self.loop.turn()
        self.assertEqual((1, 5), (port.datagramsIn, port.bytesIn))
        self.assertEqual((1, 0, 0), (port.unsent, port.datagramsOut, port.bytesOut))

    def test_available(self) -> None:
        """Linux has both calls."""
        self.assertTrue(mmsg.available)


class UnseenTests(SynchronousTestCase):
    """When the datagram service lets its port return datagrams unseen."""

    HERE = frozenset({("127.0.0.1", 5001), ("127.0.0.1", 5002)})

    def setUp(self) -> None:
        self.clock = Clock()
        self.lines: list[str] = []

    def guarded(self, service: Any = Datagram) -> DatagramGuard:
        """Return a guarded service that may log no more for now."""
        protocol = service(self.clock)
        protocol._display = RateLimitedLog(self, self.clock)  # type: ignore[arg-type]
        protocol.transport = self
        events = EventStream(lambda sink: None)
        conversations = UDPConversations(
            "datagram", self.clock, Recorder(events, Journal(0)), count(1)
        )
        guarded = DatagramGuard(
            *("datagram", protocol, self.clock, events, {5000}, conversations),
            FaultInjector(self.clock, events),
        )
        for _ in range(100):
            guarded.datagramReceived(b"x", ("127.0.0.1", 5001))
        return guarded

    def write(self, datagram: bytes, addr: Any) -> None:
        """Stand in for the service's transport: drop it."""

    def info(self, format: str, **values: Any) -> None:
        """Stand in for the service's log."""
        self.lines.append(format.format(**values))

    def test_unseen(self) -> None:
        """A flood from this machine is returned unseen, and counted as not logged."""
        guarded = self.guarded()
        self.assertTrue(guarded.mayReturn(self.HERE, b"xyz"))
        self.clock.advance(1)
        guarded.datagramReceived(b"x", ("127.0.0.1", 5001))
        self.assertEqual("(3 more not shown)", self.lines[-2])

    def test_displayed(self) -> None:
        """Datagrams are looked at as soon as one may be logged again."""
        guarded = self.guarded()
        self.clock.advance(0.06)
        self.assertFalse(guarded.mayReturn(self.HERE, b"x"))
        guarded.datagramReceived(b"x", ("127.0.0.1", 5001))
        self.assertEqual(101, len(self.lines))

    def test_bye(self) -> None:
        """A datagram that can be `bye` is looked at."""
        for text in (b"bye", b" bye", b"\r\nbye", b"\x0bbye"):
            self.assertEqual(b"bye", text.strip())
            self.assertFalse(self.guarded().mayReturn(self.HERE, b"x" + text[:1]))

    def test_hook(self) -> None:
        """A subclass that overrides `reply` gets every datagram."""

        class Shout(Datagram):
            def reply(self, data: bytes, address: Any) -> bytes:
                return data.upper()

        self.assertFalse(self.guarded(Shout).mayReturn(self.HERE, b"x"))

    def test_guards(self) -> None:
        """Datagrams from sources that may be loops, or have a rate, are looked at."""
        for source in (
            ("127.0.0.1", 0),
            ("127.0.0.1", 7),
            ("127.0.0.1", 5000),
            ("192.0.2.1", 5001),
            ("224.0.0.1", 5001),
        ):
            self.assertFalse(self.guarded().mayReturn(self.HERE | {source}, b"x"))
        guarded = self.guarded()
        guarded.limitLoopback = True
        self.assertFalse(guarded.mayReturn(self.HERE, b"x"))

    def test_guardsAfterReload(self) -> None:
        """A harmless sender is no longer harmless once its port is one of ours."""
        guarded = self.guarded()
        self.assertTrue(guarded.mayReturn(self.HERE, b"x"))
        guarded._ownPorts.add(5001)
        guarded.configure(ServiceSettings())
        self.assertFalse(guarded.mayReturn(self.HERE, b"x"))

    def test_harmlessAreBounded(self) -> None:
        """At most a few thousand harmless senders are remembered."""
        guarded = self.guarded()
        for port in range(5001, 15_001):
            guarded.mayReturn({("127.0.0.1", port)}, b"x")
        self.assertLessEqual(len(guarded._harmless), MAX_HARMLESS_SENDERS + 1)

    def test_heard(self) -> None:
        """A sink that wants chunks gets every datagram."""
        guarded = self.guarded()
        guarded._events.attach(lambda event: None, chunks=True)
        self.assertFalse(guarded.mayReturn(self.HERE, b"x"))

    def test_noService(self) -> None:
        """A protocol without `mayReturn` gets every datagram."""

        class WithoutIt(Returning):
            def __init__(self, clock: Clock) -> None:
                super().__init__()

        self.assertFalse(self.guarded(WithoutIt).mayReturn(self.HERE, b"x"))


class RefusedTests(SynchronousTestCase):
    """Datagrams that the kernel does not take, as while it has no buffers (ENOBUFS)."""

    def refuseFirst(self) -> None:
        """Let the kernel refuse the first datagram that is sent, and no more."""
        if not mmsg.available:
            raise SkipTest("this system has no sendmmsg")
        send = mmsg._libc.sendmmsg
        answers = iter([-1])
        self.patch(mmsg._libc, "sendmmsg", lambda *args: next(answers, None) or send(*args))

    def exchange(self, protocol: Any) -> DatagramPort:
        """Return a port that was sent datagrams of 5 and 2 bytes, and has answered one."""
        loop = Loop()
        port = DatagramPort(0, protocol, "127.0.0.1", loop)
        port.startListening()
        self.addCleanup(loop.advance, 0)
        self.addCleanup(port.stopListening)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.connect(("127.0.0.1", port.getHost().port))
            client.send(b"first")
            client.send(b"xy")
            self.refuseFirst()
            loop.turn()
            self.assertEqual(b"xy", client.recv(100))
        return port

    def test_counts(self) -> None:
        """Neither it nor its bytes count as sent, whether or not its service saw it."""

        class Unseen(Returning):
            def mayReturn(self, senders: Any, firstBytes: bytes) -> bool:
                return True

        for protocol in (Returning(), Unseen()):
            port = self.exchange(protocol)
            self.assertEqual((2, 7), (port.datagramsIn, port.bytesIn))
            self.assertEqual((1, 2, 1), (port.datagramsOut, port.bytesOut, port.unsent))
