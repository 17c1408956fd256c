"""inject/datagrams.py: datagrams that are lost, duplicated, delayed and reordered."""

from __future__ import annotations

import socket
from collections import Counter
from itertools import count
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import DaemonTests
from twistednet.connections.conversations import UDPConversations
from twistednet.connections.datagrams import DatagramGuard
from twistednet.connections.taps import Recorder
from twistednet.events.journal import Journal
from twistednet.events.model import Event, EventStream, Faulted, Refused
from twistednet.faults.grammar import parse
from twistednet.inject.injector import FaultInjector

ANNA, BERTA = ("127.0.0.1", 40_000), ("127.0.0.1", 40_001)


class Returning(DatagramProtocol):
    """Sends back each datagram, and keeps it."""

    transport: Any

    def __init__(self) -> None:
        self.received: list[bytes] = []

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self.received.append(datagram)
        self.transport.write(datagram, addr)

    def mayReturn(self, senders: Any, firsts: bytes) -> bool:
        return True


class PortTestCase(SynchronousTestCase):
    """A clock of the test's own; the test case is the port."""

    tap: Any = None

    def setUp(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin without datagrams and events."""
        self.clock = Clock()
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.published: list[Event] = []
        events = EventStream(self.fail)
        events.attach(self.published.append)
        self.injector = FaultInjector(self.clock, events)
        conversations = UDPConversations(
            "datagram", self.clock, Recorder(events, Journal(0)), count(1)
        )
        self.protocol = Returning()
        self.guarded = DatagramGuard(
            *("datagram", self.protocol, self.clock, events, {5000}, conversations),
            self.injector,
        )
        self.guarded.makeConnection(self)

    def getHost(self) -> IPv4Address:
        return IPv4Address("UDP", "127.0.0.1", 5000)

    def write(self, datagram: bytes, address: tuple[str, int]) -> None:
        self.sent.append((datagram, address))

    def flush(self) -> None:
        """Do nothing: no datagram is queued."""

    def setRules(self, *rules: str) -> None:
        self.injector.replace([parse(f"datagram: {rule}, seed 1") for rule in rules])

    def exchange(self, *datagrams: bytes, address: tuple[str, int] = ANNA) -> list[bytes]:
        """Return what comes back at once."""
        before = len(self.sent)
        for datagram in datagrams:
            self.guarded.datagramReceived(datagram, address)
        return [datagram for datagram, _ in self.sent[before:]]


class FaultyPortTests(PortTestCase):
    """What each kind does, on its own."""

    def test_nothing(self) -> None:
        """Without a rule for its service, a port has its own protocol and transport."""
        self.assertTrue(self.guarded.mayReturn({ANNA}, b"a"))
        self.injector.replace([parse("receive: drop"), parse("echo: silence")])
        self.assertIs(self, self.protocol.transport)
        self.setRules("drop")
        self.assertIsNot(self, self.protocol.transport)
        self.assertFalse(self.guarded.mayReturn({ANNA}, b"a"))
        self.setRules()
        self.assertIs(self, self.protocol.transport)
        self.assertTrue(self.guarded.mayReturn({ANNA}, b"a"))

    def test_kinds(self) -> None:
        """What comes back at once of three datagrams."""
        for rule, expected in {
            "drop, the 2nd": [b"abc", b"ghi"],
            "duplicate, the 2nd": [b"abc", b"def", b"def", b"ghi"],
            "reorder, the 1st": [b"def", b"abc", b"ghi"],
            "truncate to 1 byte": [b"a", b"d", b"g"],
            "delay 1s, every 2nd": [b"abc", b"ghi"],
            'drop, matching "e"': [b"abc", b"ghi"],
            "drop, after 4 bytes": [b"abc", b"def"],
        }.items():
            self.setRules(rule)
            self.assertEqual(expected, self.exchange(b"abc", b"def", b"ghi"), rule)

    def test_delay(self) -> None:
        """Each datagram is delayed; with a jitter, one may overtake another."""
        self.setRules("delay 1s")
        self.assertEqual([], self.exchange(b"a", b"b"))
        self.clock.advance(1)
        self.assertEqual([(b"a", ANNA), (b"b", ANNA)], self.sent)
        self.setRules("delay 1s jitter 900ms")
        self.exchange(*[b"%d" % number for number in range(100)])
        for _ in range(200):
            self.clock.advance(0.01)
        late = [int(datagram) for datagram, _ in self.sent[2:]]
        self.assertEqual(list(range(100)), sorted(late))
        self.assertNotEqual(list(range(100)), late)

    def test_lastOfAll(self) -> None:
        """A held datagram is sent after 100 ms, and another peer's does not release it."""
        self.setRules("reorder")
        self.assertEqual([], self.exchange(b"a"))
        self.assertEqual([], self.exchange(b"b", address=BERTA))
        self.clock.advance(0.1)
        self.assertEqual([(b"a", ANNA), (b"b", BERTA)], self.sent)

    def test_numbered(self) -> None:
        """Of 10,000 datagrams each is counted and reported, within 3 sigma."""
        self.setRules("loss 30%", "duplicate, every 10th")
        numbers = [b"%d" % number for number in range(10_000)]
        back = self.exchange(*numbers)
        times = Counter(Counter(back).values())
        lost = 10_000 - sum(times.values())
        self.assertApproximates(3000, lost, 3 * 46)
        self.assertEqual((10_000 - lost) // 10, times[2])
        self.assertEqual(sorted(back, key=int), back)
        first, second = self.injector.active
        self.assertEqual((10_000, lost), (first.seen, first.acted))
        self.assertEqual((10_000 - lost, times[2]), (second.seen, second.acted))
        acted = Counter(one.fault for one in self.published if isinstance(one, Faulted))
        self.assertEqual({"loss": lost, "duplicate": times[2]}, acted)
        self.assertEqual(numbers, self.protocol.received)

    def test_runsOut(self) -> None:
        """A rule whose time is over leaves nothing in the path."""
        self.setRules("drop, for 5s")
        self.assertEqual([], self.exchange(b"x"))
        self.clock.advance(5)
        self.assertIs(self, self.protocol.transport)
        self.assertEqual([b"x"], self.exchange(b"x"))

    def test_bounded(self) -> None:
        """At most 1,000 datagrams wait; the others are dropped and reported."""
        self.setRules("delay 1s")
        self.exchange(*[b"x"] * 3000)
        self.clock.advance(1)
        self.assertEqual(1000, len(self.sent))
        refused = [one for one in self.published if isinstance(one, Refused)]
        expected = ("datagram", "127.0.0.1:40000", "fault delay")
        self.assertEqual({expected}, {(one.service, one.peer, one.limit) for one in refused})
        self.assertEqual(2000, len(refused))

    def test_boundedReorder(self) -> None:
        """A held datagram that was reported as dropped is not sent."""
        self.setRules("delay 1s")
        self.exchange(*[b"x"] * 1000)
        self.setRules("reorder")
        self.exchange(b"a")
        self.assertEqual(1, len([one for one in self.published if isinstance(one, Refused)]))
        self.clock.advance(1)
        self.assertEqual([], self.exchange(b"b"))
        self.clock.advance(0.1)
        self.assertNotIn((b"a", ANNA), self.sent)

    def test_stop(self) -> None:
        """A closed port leaves no timer."""
        self.setRules("delay 1s")
        self.exchange(b"x")
        self.guarded.doStop()
        self.assertEqual(([], []), (self.clock.getDelayedCalls(), self.injector.observers))


class FaultyDatagramTests(DaemonTests):
    """A daemon's own port, with rules by the sender's address."""

    _rules = (
        "datagram: wrong port, from 127.0.0.2, the 2nd",
        "datagram: drop, in, from 127.0.0.3, first 2",
        "datagram: duplicate, from 127.0.0.4",
        "datagram: reorder, from 127.0.0.5, first 1",
    )
    flags = (
        *("--only", "datagram", "--datagram", "udp:0"),
        *(word for rule in _rules for word in ("--fault", rule)),
    )

    def exchange(self, source: str, *sent: bytes, replies: int) -> list[tuple[bytes, bool]]:
        """Return what came back, and whether each came from the service's port."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((source, 0))
            sock.settimeout(20)
            there = self.daemon.address("datagram", "udp")
            for datagram in sent:
                sock.sendto(datagram, there)
            got = [sock.recvfrom(65536) for _ in range(replies)]
            return [(datagram, address == there) for datagram, address in got]

    def test_kinds(self) -> None:
        """Each kind as a socket sees it; a sender that no rule matches sees no fault."""
        for source, expected in {
            "127.0.0.2": [(b"a", True), (b"b", False), (b"c", True)],
            "127.0.0.3": [(b"c", True)],
            "127.0.0.4": [(one, True) for one in (b"a", b"a", b"b", b"b", b"c", b"c")],
            "127.0.0.5": [(one, True) for one in (b"b", b"a", b"c")],
            "127.0.0.1": [(one, True) for one in (b"a", b"b", b"c")],
        }.items():
            got = self.exchange(source, b"a", b"b", b"c", replies=len(expected))
            self.assertEqual(expected, got, source)
