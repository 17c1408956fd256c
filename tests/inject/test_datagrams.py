"""inject/datagrams.py: datagrams that are lost, doubled, late and out of order."""

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
    """Sends back what it gets, and keeps it."""

    transport: Any

    def __init__(self) -> None:
        self.received: list[bytes] = []

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self.received.append(datagram)
        self.transport.write(datagram, addr)

    def mayReturn(self, senders: Any, firsts: bytes) -> bool:
        return True


class PortTestCase(SynchronousTestCase):
    """On a clock of the test's; the test is the port."""

    tap: Any = None

    def setUp(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Nothing has come yet, and nothing was told."""
        self.clock = Clock()
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.told: list[Event] = []
        events = EventStream(self.fail)
        events.attach(self.told.append)
        self.faulting = FaultInjector(self.clock, events)
        conversations = UDPConversations(
            "datagram", self.clock, Recorder(events, Journal(0)), count(1)
        )
        self.protocol = Returning()
        self.guarded = DatagramGuard(
            *("datagram", self.protocol, self.clock, events, {5000}, conversations),
            self.faulting,
        )
        self.guarded.makeConnection(self)

    def getHost(self) -> IPv4Address:
        return IPv4Address("UDP", "127.0.0.1", 5000)

    def write(self, datagram: bytes, address: tuple[str, int]) -> None:
        self.sent.append((datagram, address))

    def flush(self) -> None:
        """Nothing waits."""

    def ask(self, *rules: str) -> None:
        self.faulting.replace([parse(f"datagram: {rule}, seed 1") for rule in rules])

    def exchange(self, *datagrams: bytes, address: tuple[str, int] = ANNA) -> list[bytes]:
        """What came back at once."""
        before = len(self.sent)
        for datagram in datagrams:
            self.guarded.datagramReceived(datagram, address)
        return [datagram for datagram, _ in self.sent[before:]]


class FaultyPortTests(PortTestCase):
    """What each kind does, by itself."""

    def test_nothing(self) -> None:
        """Without a rule for this port's service nothing stands in the path."""
        self.assertTrue(self.guarded.mayReturn({ANNA}, b"a"))
        self.faulting.replace([parse("receive: drop"), parse("echo: silence")])
        self.assertIs(self, self.protocol.transport)
        self.ask("drop")
        self.assertIsNot(self, self.protocol.transport)
        self.assertFalse(self.guarded.mayReturn({ANNA}, b"a"))
        self.ask()
        self.assertIs(self, self.protocol.transport)
        self.assertTrue(self.guarded.mayReturn({ANNA}, b"a"))

    def test_kinds(self) -> None:
        """What comes back at once of three."""
        for rule, expected in {
            "drop, the 2nd": [b"abc", b"ghi"],
            "duplicate, the 2nd": [b"abc", b"def", b"def", b"ghi"],
            "reorder, the 1st": [b"def", b"abc", b"ghi"],
            "truncate to 1 byte": [b"a", b"d", b"g"],
            "delay 1s, every 2nd": [b"abc", b"ghi"],
            'drop, matching "e"': [b"abc", b"ghi"],
            "drop, after 4 bytes": [b"abc", b"def"],
        }.items():
            self.ask(rule)
            self.assertEqual(expected, self.exchange(b"abc", b"def", b"ghi"), rule)

    def test_delay(self) -> None:
        """Each comes so much later; with the jitter they may overtake one another."""
        self.ask("delay 1s")
        self.assertEqual([], self.exchange(b"a", b"b"))
        self.clock.advance(1)
        self.assertEqual([(b"a", ANNA), (b"b", ANNA)], self.sent)
        self.ask("delay 1s jitter 900ms")
        self.exchange(*[b"%d" % number for number in range(100)])
        for _ in range(200):
            self.clock.advance(0.01)
        late = [int(datagram) for datagram, _ in self.sent[2:]]
        self.assertEqual(list(range(100)), sorted(late))
        self.assertNotEqual(list(range(100)), late)

    def test_lastOfAll(self) -> None:
        """One that waits for the next to overtake it does not wait for ever, nor for another
        peer's."""
        self.ask("reorder")
        self.assertEqual([], self.exchange(b"a"))
        self.assertEqual([], self.exchange(b"b", address=BERTA))
        self.clock.advance(0.1)
        self.assertEqual([(b"a", ANNA), (b"b", BERTA)], self.sent)

    def test_numbered(self) -> None:
        """Of 10,000 numbered ones each is counted, and told of: within 3 sigma."""
        self.ask("loss 30%", "duplicate, every 10th")
        numbers = [b"%d" % number for number in range(10_000)]
        back = self.exchange(*numbers)
        times = Counter(Counter(back).values())
        lost = 10_000 - sum(times.values())
        self.assertApproximates(3000, lost, 3 * 46)
        self.assertEqual((10_000 - lost) // 10, times[2])
        self.assertEqual(sorted(back, key=int), back)
        first, second = self.faulting.active
        self.assertEqual((10_000, lost), (first.seen, first.acted))
        self.assertEqual((10_000 - lost, times[2]), (second.seen, second.acted))
        told = Counter(one.fault for one in self.told if isinstance(one, Faulted))
        self.assertEqual({"loss": lost, "duplicate": times[2]}, told)
        self.assertEqual(numbers, self.protocol.received)

    def test_runsOut(self) -> None:
        """A rule whose time is over leaves nothing in the path."""
        self.ask("drop, for 5s")
        self.assertEqual([], self.exchange(b"x"))
        self.clock.advance(5)
        self.assertIs(self, self.protocol.transport)
        self.assertEqual([b"x"], self.exchange(b"x"))

    def test_bounded(self) -> None:
        """Of a flood that waits no more than a thousand are kept, and the others told of."""
        self.ask("delay 1s")
        self.exchange(*[b"x"] * 3000)
        self.clock.advance(1)
        self.assertEqual(1000, len(self.sent))
        refused = [one for one in self.told if isinstance(one, Refused)]
        expected = ("datagram", "127.0.0.1:40000", "fault delay")
        self.assertEqual({expected}, {(one.service, one.peer, one.limit) for one in refused})
        self.assertEqual(2000, len(refused))

    def test_boundedReorder(self) -> None:
        """The same of those that wait for the next: one that is told of as lost is lost."""
        self.ask("delay 1s")
        self.exchange(*[b"x"] * 1000)
        self.ask("reorder")
        self.exchange(b"a")
        self.assertEqual(1, len([one for one in self.told if isinstance(one, Refused)]))
        self.clock.advance(1)
        self.assertEqual([], self.exchange(b"b"))
        self.clock.advance(0.1)
        self.assertNotIn((b"a", ANNA), self.sent)

    def test_stop(self) -> None:
        """When the port is closed nothing waits any more."""
        self.ask("delay 1s")
        self.exchange(b"x")
        self.guarded.doStop()
        self.assertEqual(([], []), (self.clock.getDelayedCalls(), self.faulting.observers))


class FaultyDatagramTests(DaemonTests):
    """The daemon's own port, by the sender's address."""

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
        """What came back, and whether it came from whom it was sent to."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((source, 0))
            sock.settimeout(20)
            there = self.daemon.address("datagram", "udp")
            for datagram in sent:
                sock.sendto(datagram, there)
            got = [sock.recvfrom(65536) for _ in range(replies)]
            return [(datagram, address == there) for datagram, address in got]

    def test_kinds(self) -> None:
        """Each as a socket sees it, and none for who is not meant."""
        for source, expected in {
            "127.0.0.2": [(b"a", True), (b"b", False), (b"c", True)],
            "127.0.0.3": [(b"c", True)],
            "127.0.0.4": [(one, True) for one in (b"a", b"a", b"b", b"b", b"c", b"c")],
            "127.0.0.5": [(one, True) for one in (b"b", b"a", b"c")],
            "127.0.0.1": [(one, True) for one in (b"a", b"b", b"c")],
        }.items():
            got = self.exchange(source, b"a", b"b", b"c", replies=len(expected))
            self.assertEqual(expected, got, source)
