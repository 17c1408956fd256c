"""connections/conversations.py: UDP conversations, and what a flood may cost."""

from __future__ import annotations

from itertools import count
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twistednet.connections import conversations, taps
from twistednet.connections.conversations import UDPConversations
from twistednet.connections.datagrams import DatagramGuard
from twistednet.connections.taps import Recorder
from twistednet.events.chunks import MAX_CHUNKS, Chunk
from twistednet.events.journal import Journal
from twistednet.events.model import Closed, Event, EventStream, Opened, Received, Sent
from twistednet.inject.injector import FaultInjector
from twistednet.services.datagram import Datagram
from twistednet.transport.datagrams import DatagramPort

ANNA = ("127.0.0.1", 50_001)
BERT = ("127.0.0.1", 50_002)


class Port:
    """A UDP port that sends nothing."""

    tap: Any = None
    datagramsOut = bytesOut = 0
    endConversation, write = DatagramPort.endConversation, DatagramPort._countSent
    _countSent = DatagramPort._countSent

    def getHost(self) -> IPv4Address:
        return IPv4Address("UDP", "127.0.0.1", 5000)


class _Guarded(SynchronousTestCase):
    """The guarded datagram service, with a journal, on a port of the test's."""

    most = 1000

    def setUp(self) -> None:
        self.clock = Clock()
        for module in (conversations, taps):
            self.patch(module, "monotonic", self.clock.seconds)
        self.patch(taps, "time", lambda: 1000 + self.clock.seconds())
        self.failures: list[object] = []
        self.events = EventStream(self.failures.append)
        self.journal = Journal(self.most, self.clock.seconds)
        self.published: list[Event] = []
        for sink in (self.published.append, self.journal):
            self.events.attach(sink)
        self.conversations = UDPConversations(
            "datagram", self.clock, Recorder(self.events, self.journal), count(1)
        )
        self.start(Datagram(self.clock))

    def tearDown(self) -> None:
        self.assertEqual([], self.failures)

    def start(self, protocol: DatagramProtocol) -> None:
        self.guarded = DatagramGuard(
            *("datagram", protocol, self.clock, self.events, {5000}, self.conversations),
            FaultInjector(self.clock, self.events),
        )
        self.guarded.makeConnection(Port())
        self.receive = self.guarded.datagramReceived


class ConversationsTests(_Guarded):
    """With a journal, and sinks of other kinds."""

    def journaled(self) -> list[tuple[int, str, str | None, list[bytes]]]:
        return [
            (one.id, one.peer, one.closed, [chunk.data for chunk in one.chunks])
            for one in self.journal
        ]

    def test_conversation(self) -> None:
        """A peer's datagrams and their replies are one conversation, with their times."""
        self.clock.advance(5)
        self.receive(b"hello", ANNA)
        self.clock.advance(1)
        self.receive(b"", ANNA)
        [one] = self.journal
        self.assertEqual((1, "datagram", "udp"), (one.id, one.service, one.kind))
        self.assertEqual(("127.0.0.1:50001", "127.0.0.1:5000"), (one.peer, one.host))
        self.assertEqual((1005, None, 5, 5), (one.opened, one.closed, one.bytesIn, one.bytesOut))
        self.assertEqual(
            [
                Chunk(0, "in", b"hello", "datagramReceived"),
                Chunk(0, "out", b"hello", "datagramReceived"),
                Chunk(1, "in", b"", "datagramReceived"),
                Chunk(1, "out", b"", "datagramReceived"),
            ],
            one.chunks,
        )
        self.assertEqual(
            [Opened(1, "datagram", "127.0.0.1:50001", "udp", "127.0.0.1:5000", 5, 1005)],
            self.published,
        )

    def test_several(self) -> None:
        """Each peer has its own, numbered in the order of the first datagrams."""
        for peer in (ANNA, BERT, ANNA):
            self.receive(b"x", peer)
        self.assertEqual(
            [
                (1, "127.0.0.1:50001", None, [b"x"] * 4),
                (2, "127.0.0.1:50002", None, [b"x"] * 2),
            ],
            self.journaled(),
        )

    def test_bye(self) -> None:
        """`bye` ends it, after the reply; the next datagram begins another."""
        self.receive(b"bye", ANNA)
        self.assertEqual(
            Closed(1, "datagram", "127.0.0.1:50001", "service", 3, 3, 0, "udp", 0),
            self.published[-1],
        )
        self.receive(b"again", ANNA)
        self.assertEqual(
            [
                (1, "127.0.0.1:50001", "service", [b"bye", b"bye"]),
                (2, "127.0.0.1:50001", None, [b"again", b"again"]),
            ],
            self.journaled(),
        )

    def test_quiet(self) -> None:
        """A minute without a datagram ends it, and leaves no delayed call."""
        self.receive(b"a", ANNA)
        self.clock.pump([1] * 30)
        self.receive(b"b", BERT)
        self.clock.pump([1] * 31)
        self.assertEqual(["quiet", None], [one.closed for one in self.journal])
        self.clock.pump([1] * 30)
        self.assertEqual(["quiet", "quiet"], [one.closed for one in self.journal])
        self.assertEqual([], self.clock.getDelayedCalls())
        self.receive(b"c", ANNA)
        self.assertEqual(1, len(self.clock.getDelayedCalls()))

    def test_stop(self) -> None:
        """The end of the port ends all of them, and leaves no delayed call."""
        for peer in (ANNA, BERT):
            self.receive(b"x", peer)
        self.guarded.doStop()
        self.assertEqual(["shutdown"] * 2, [one.closed for one in self.journal])
        self.assertEqual([], self.clock.getDelayedCalls())
        self.conversations.stop()

    def test_refused(self) -> None:
        """A datagram that is refused begins no conversation."""
        self.receive(b"x", ("127.0.0.1", 7))
        self.assertEqual([], self.journaled())

    def test_later(self) -> None:
        """A datagram that is sent outside of a callback, to any peer, is recorded too."""
        self.receive(b"x", ANNA)
        port = self.conversations._port
        port.write(b"later", BERT)
        [_, bert] = self.journal
        self.assertEqual([Chunk(0, "out", b"later", "later")], bert.chunks)

    def test_raises(self) -> None:
        """A datagram after a callback that raised is not marked as sent inside of it."""

        class Raising(DatagramProtocol):
            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                raise ValueError

        self.start(Raising())
        self.assertRaises(ValueError, self.receive, b"x", ANNA)
        self.conversations._port.write(b"later", ANNA)
        [one] = self.journal
        self.assertEqual(["datagramReceived", "later"], [chunk.callback for chunk in one.chunks])

    def test_chunks(self) -> None:
        """A sink that wants chunks gets each datagram, with no limit of rate."""
        got: list[Event] = []
        self.events.attach(got.append, chunks=True)
        senders = [("127.0.0.1", 40_000 + n) for n in range(conversations.NEW_AT_ONCE + 50)]
        for sender in senders:
            self.receive(b"x", sender)
        self.assertEqual(
            [
                Opened(1, "datagram", "127.0.0.1:40000", "udp", "127.0.0.1:5000", 0, 1000),
                Received(1, "datagram", "127.0.0.1:40000", b"x", "datagramReceived", 0),
                Sent(1, "datagram", "127.0.0.1:40000", b"x", "datagramReceived", 0),
            ],
            got[:3],
        )
        self.assertEqual(3 * len(senders), len(got))

    # Floods

    def test_rate(self) -> None:
        """New conversations begin at a rate, however many addresses are forged."""
        senders = [("127.0.0.1", 40_000 + n) for n in range(1000)]
        for sender in senders:
            self.receive(b"x", sender)
        self.assertEqual(conversations.NEW_AT_ONCE, len(self.journal))
        self.assertFalse(self.conversations.wants(set(senders[conversations.NEW_AT_ONCE :])))
        self.clock.advance(1)
        self.assertTrue(self.conversations.wants(set(senders[conversations.NEW_AT_ONCE :])))
        for sender in senders[conversations.NEW_AT_ONCE :]:
            self.receive(b"x", sender)
        self.assertEqual(
            conversations.NEW_AT_ONCE + conversations.NEW_PER_SECOND, len(self.journal)
        )

    def test_most(self) -> None:
        """One more than the limit ends the first of them."""
        self.patch(conversations, "MAX_CONVERSATIONS", 3)
        for n in range(5):
            self.receive(b"x", ("127.0.0.1", 40_000 + n))
        self.assertEqual(["crowd", "crowd", None, None, None], [one.closed for one in self.journal])

    def test_enough(self) -> None:
        """The beginning of one peer's flood is kept; then it is no longer wanted."""
        for _ in range(MAX_CHUNKS):
            self.receive(b"x", ANNA)
        [one] = self.journal
        self.assertEqual((MAX_CHUNKS, True), (len(one.chunks), one.truncated))
        self.assertEqual((MAX_CHUNKS, MAX_CHUNKS), (one.bytesIn, one.bytesOut))
        self.assertFalse(self.conversations.wants({ANNA}))
        # But datagrams of another peer in the same turn are, and those after its end.
        self.assertTrue(self.conversations.wants({ANNA, BERT}))
        self.conversations.endConversation(ANNA)
        self.assertTrue(self.conversations.wants({ANNA}))
        self.receive(b"again", ANNA)
        [_, again] = self.journal
        self.assertEqual(b"again", again.data("in"))

    def test_returned(self) -> None:
        """Bytes that are returned unseen count for open conversations, and end their quiet."""
        self.conversations.returned([(BERT, 3)])
        self.receive(b"x", ANNA)
        self.clock.pump([1] * 50)
        self.conversations.returned([(ANNA, 10), (BERT, 20)])
        self.clock.pump([1] * 50)
        [one] = self.journal
        self.assertEqual((None, 11, 11), (one.closed, one.bytesIn, one.bytesOut))


class WithoutJournalTests(_Guarded):
    """With a journal that keeps none."""

    most = 0

    def test_nobody(self) -> None:
        """Without a recorder there are no conversations at all."""
        self.receive(b"x", ANNA)
        self.assertFalse(self.conversations.wants({ANNA}))
        self.assertEqual(([], []), (self.published, self.clock.getDelayedCalls()))

    def test_others(self) -> None:
        """A sink that wants chunks gets them nevertheless."""
        got: list[Event] = []
        self.events.attach(got.append, chunks=True)
        self.receive(b"x", ANNA)
        self.assertEqual([Opened, Received, Sent], list(map(type, got)))
