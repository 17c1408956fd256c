"""services/echo.py and services/receive.py: streams of bytes, with no messages in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.support.protocols import Peer, chunks
from twistednet.services.echo import Echo
from twistednet.services.ratelimitedlog import RateLimitedLog
from twistednet.services.receive import Receive, ReceiveDatagrams


def connected(protocol: type) -> Peer:
    """A peer of a protocol that has a plain factory."""
    factory = Factory.forProtocol(protocol)
    factory.clock = Clock()
    return Peer(factory)


class EchoTests(SynchronousTestCase):
    """RFC 862."""

    @given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
    def test_everySplit(self, data: bytes, cuts: list[int]) -> None:
        """However the bytes are split, the same bytes come back."""
        peer = connected(Echo)
        for piece in chunks(data, cuts):
            peer.send(piece)
        self.assertEqual(peer.read(), data)

    def test_hook(self) -> None:
        """What `reply` returns is what goes back."""

        class Loud(Echo):
            def reply(self, data: bytes) -> bytes:
                return data.upper()

        peer = connected(Loud)
        peer.send(b"hi")
        self.assertEqual(peer.read(), b"HI")


class ReceiveTests(SynchronousTestCase):
    """RFC 863, with eyes."""

    def setUp(self) -> None:
        self.events: list[LogEvent] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)
        self.patch(Receive, "_display", Receive._display)

    def shown(self) -> list[tuple[str, object]]:
        """Who sent what, as it was displayed since the last call."""
        lines = [(one["peer"], one.get("text")) for one in self.events if "peer" in one]
        self.events.clear()
        return lines

    @given(st.text("abc", max_size=50), st.lists(st.integers(0, 50), max_size=5))
    def test_everySplit(self, text: str, cuts: list[int]) -> None:
        """Each chunk is displayed as it came, the going too; nothing is ever sent back."""
        self.events.clear()
        Receive._display = RateLimitedLog(Receive.log, Clock())
        peer = connected(Receive)
        pieces = [piece for piece in chunks(text.encode(), cuts) if piece]
        for piece in pieces:
            peer.send(piece)
        peer.lose()
        lines = [("127.0.0.1:54321", piece.decode()) for piece in pieces]
        self.assertEqual(self.shown(), [*lines, ("127.0.0.1:54321", None)])
        self.assertEqual(peer.read(), b"")

    def test_flood(self) -> None:
        """Of a flood 100 lines are logged, and then 20 a second; the others are counted."""
        clock = Clock()
        Receive._display = RateLimitedLog(Receive.log, clock)
        peers = [connected(Receive) for _ in range(2)]
        for number in range(500):
            peers[number % 2].send(b"x")
        self.assertEqual(len(self.shown()), 100)
        clock.advance(0.05)
        peers[0].send(b"y")
        counts = [one["count"] for one in self.events if "count" in one]
        self.assertEqual((counts, len(self.shown())), ([400], 1))

    def test_datagrams(self) -> None:
        """Over UDP the same class displays each datagram with its sender."""

        class Mine(Receive):
            def received(self, data: bytes) -> None:
                self.log.info("{peer} {text}", peer=self.peer, text=data.decode())

        ReceiveDatagrams(Mine).datagramReceived(b"x", ("::1", 9))
        self.assertEqual(self.shown(), [("[::1]:9", "x")])
