from __future__ import annotations

import errno
import socket
from itertools import count
from types import SimpleNamespace
from typing import Any

from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

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


class Returning(DatagramProtocol):
    """Returns what it gets, and notes it."""

    noisy = False

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Any]] = []

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.received.append((datagram, addr))
        self.transport.write(datagram, addr)


class _Contract:
    """What holds on either path."""

    def setUp(self) -> None:
        self.loop = Loop()

    def listen(self, protocol: Any, interface: str = "127.0.0.1") -> DatagramPort:
        port = DatagramPort(0, protocol, interface, self.loop)
        port.startListening()
        self.addCleanup(self.loop.advance, 0)
        self.addCleanup(port.stopListening)
        return port

    def client(self, port: DatagramPort) -> socket.socket:
        """A socket that is connected to the port."""
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
        """Any size from none to the largest comes and goes whole, and none leaks into another."""
        for interface in ("127.0.0.1", "::1"):
            protocol = Returning()
            client = self.client(self.listen(protocol, interface))
            for size in (1200, 65507, 0, 64, 65507, 1):
                sent = bytes([size % 251]) * size
                client.send(sent)
                self.loop.turn()
                self.assertEqual((sent, sent), (protocol.received[-1][0], client.recv(70000)))

    def test_turn(self) -> None:
        """A flood of empty datagrams gets 64 a turn, and all are answered in order."""
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
        """A protocol may reply more often than a batch holds; the order stays."""

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
        """What is written to somebody who has not just sent arrives."""
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
        """A reply that cannot be sent is counted, those around it are sent, and nothing closes."""

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
        """Its tap hears what is sent, an empty datagram too, and nothing of what cannot be."""

        class Sending(DatagramProtocol):
            noisy = False

            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                for size in (0, 1, 65_508, 70_000, 2):
                    self.transport.write(bytes(size), addr)

        told: list[int] = []
        tap = SimpleNamespace(sent=lambda data, address: told.append(len(data)))
        port = self.listen(Sending())
        port.tap = tap  # type: ignore[assignment]
        client = self.client(port)
        client.send(b"x")
        self.loop.turn()
        self.assertEqual([b"", b"\0", b"\0\0"], self.take(client, 3))
        self.assertEqual(([0, 1, 2], 2), (told, port.unsent))

    def test_unsentLast(self) -> None:
        """So is one that fills a batch and is longer than any datagram."""

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

    def test_unread(self) -> None:
        """An error in reading is counted, and the port goes on."""
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
        """Reading fails from now on."""
        self._fileno = port.fileno
        # A descriptor that is no socket.
        self._file = open("/dev/null")  # noqa: SIM115
        self.addCleanup(self._file.close)
        port.fileno = self._file.fileno

    def unfail(self, port: DatagramPort) -> None:
        port.fileno = self._fileno

    def test_raises(self) -> None:
        """What a protocol raises is logged, and the next datagram served."""

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
        """A protocol may stop listening as it is called: its answer is still sent."""
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
        """A name is refused, as Twisted does: to look it up would block."""
        from twisted.internet.error import InvalidAddressError

        port = self.listen(Returning())
        self.assertRaises(InvalidAddressError, port.write, b"x", ("localhost", 9))


class WithoutMmsgTests(_Contract, SynchronousTestCase):
    """Where libc has neither."""

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
        """It is really that path which is tested here."""
        self.assertIsNone(self.listen(Returning())._incoming)


class BatchTests(_Contract, SynchronousTestCase):
    """With recvmmsg and sendmmsg."""

    def test_oneCall(self) -> None:
        """Replies of a turn leave by one system call."""
        sent: list[int] = []
        send = mmsg.Slots.send

        def counting(slots: mmsg.Slots, fd: int) -> int:
            sent.append(slots.used)
            return send(slots, fd)

        self.patch(mmsg.Slots, "send", counting)
        client = self.client(self.listen(Returning()))
        for _ in range(3):
            client.send(b"x")
        self.loop.turn()
        self.assertEqual([3], sent)

    def test_returned(self) -> None:
        """What a protocol lets be returned unseen is, whole, of any size; it sees the rest."""

        class Unseeing(Returning):
            asked: list[Any] = []

            def mayReturn(self, senders: Any, firsts: bytes) -> bool:
                self.asked.append((senders, firsts))
                return b"s" not in firsts

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
            self.assertEqual(({address}, b"ab\0"), protocol.asked[-3])

    def test_available(self) -> None:
        """Linux has both calls."""
        self.assertTrue(mmsg.available)


class UnseenTests(SynchronousTestCase):
    """When the datagram service lets its datagrams be returned unseen."""

    HERE = frozenset({("127.0.0.1", 5001), ("127.0.0.1", 5002)})

    def setUp(self) -> None:
        self.clock = Clock()
        self.lines: list[str] = []

    def guarded(self, service: Any = Datagram) -> DatagramGuard:
        """A service under its guards, which has displayed all that it may for now."""
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
        """The service's transport: nowhere."""

    def info(self, format: str, **values: Any) -> None:
        """The service's log."""
        self.lines.append(format.format(**values))

    def test_unseen(self) -> None:
        """A flood from this machine is returned unseen, but counted as not displayed."""
        guarded = self.guarded()
        self.assertTrue(guarded.mayReturn(self.HERE, b"xyz"))
        self.clock.advance(1)
        guarded.datagramReceived(b"x", ("127.0.0.1", 5001))
        self.assertEqual("(3 more not shown)", self.lines[-2])

    def test_displayed(self) -> None:
        """As soon as something may be displayed again, it is looked at."""
        guarded = self.guarded()
        self.clock.advance(0.06)
        self.assertFalse(guarded.mayReturn(self.HERE, b"x"))
        guarded.datagramReceived(b"x", ("127.0.0.1", 5001))
        self.assertEqual(101, len(self.lines))

    def test_bye(self) -> None:
        """What may be `bye` is looked at."""
        for text in (b"bye", b" bye", b"\r\nbye", b"\x0bbye"):
            self.assertEqual(b"bye", text.strip())
            self.assertFalse(self.guarded().mayReturn(self.HERE, b"x" + text[:1]))

    def test_hook(self) -> None:
        """A subclass with a hook sees every datagram."""

        class Shout(Datagram):
            def reply(self, data: bytes, address: Any) -> bytes:
                return data.upper()

        self.assertFalse(self.guarded(Shout).mayReturn(self.HERE, b"x"))

    def test_guards(self) -> None:
        """Sources that may be loops, and those that have a rate, are looked at."""
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
        """A sender that was harmless is so no more once its port is one of ours."""
        guarded = self.guarded()
        self.assertTrue(guarded.mayReturn(self.HERE, b"x"))
        guarded._ownPorts.add(5001)
        guarded.configure(ServiceSettings())
        self.assertFalse(guarded.mayReturn(self.HERE, b"x"))

    def test_harmlessAreBounded(self) -> None:
        """Of ever new senders no more are remembered than a few thousand."""
        guarded = self.guarded()
        for port in range(5001, 15_001):
            guarded.mayReturn({("127.0.0.1", port)}, b"x")
        self.assertLessEqual(len(guarded._harmless), MAX_HARMLESS_SENDERS + 1)

    def test_heard(self) -> None:
        """Whoever wants chunks gets every datagram."""
        guarded = self.guarded()
        guarded._events.attach(lambda event: None, chunks=True)
        self.assertFalse(guarded.mayReturn(self.HERE, b"x"))

    def test_noService(self) -> None:
        """A protocol without `mayReturn` gets every datagram."""

        class WithoutIt(Returning):
            def __init__(self, clock: Clock) -> None:
                super().__init__()

        self.assertFalse(self.guarded(WithoutIt).mayReturn(self.HERE, b"x"))
