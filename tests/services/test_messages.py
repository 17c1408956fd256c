"""services/messages.py and services/datagram.py: what a subclass sends at any time arrives."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.protocols import Peer
from twistednet.connections.conversations import UDPConversations
from twistednet.events.model import Refused
from twistednet.services.datagram import TOO_LONG, Datagram
from twistednet.services.factory import MessagesFactory
from twistednet.services.messages import Messages


class Greeter(Messages):
    """Sends first, and does not call the base class's connectionMade."""

    def connectionMade(self) -> None:
        self.send("welcome")
        self.factory.clock.callLater(5, self.send, "still here")

    def messageReceived(self, text: str) -> None:
        self.send(text.upper())
        self.send("bye")


class SendTests(SynchronousTestCase):
    """A line that is sent outside `messageReceived` leaves at once."""

    def setUp(self) -> None:
        self.peer = Peer(MessagesFactory(Greeter, Clock()))

    def test_connectionMade(self) -> None:
        """A greeting arrives before the client has sent a byte."""
        self.assertEqual(b"welcome\n", self.peer.read())

    def test_later(self) -> None:
        """A line that a timer sends arrives."""
        self.peer.read()
        self.peer.clock.advance(5)
        self.assertEqual(b"still here\n", self.peer.read())

    def test_answer(self) -> None:
        """The lines of one answer leave in one write."""
        self.peer.read()
        writes: list[bytes] = []
        self.patch(self.peer.transport, "write", writes.append)
        self.peer.send(b"hello\r\n")
        self.assertEqual([b"HELLO\r\nbye\r\n"], writes)


class Amplifier(Datagram):
    """Would answer twice as many bytes."""

    def reply(self, data: bytes, address: tuple[str, int]) -> bytes | None:
        return data + data


class TooLongTests(SynchronousTestCase):
    """A datagram reply that is longer than its request is dropped, and reported."""

    def test_reported(self) -> None:
        """The service reports it to its transport, and sends nothing."""
        calls: list[object] = []

        class Port:
            def refuse(self, *arguments: object) -> None:
                calls.append(arguments)

        service = Amplifier(Clock())
        service.transport = Port()  # type: ignore[assignment]
        service.datagramReceived(b"abc", ("127.0.0.1", 50_001))
        self.assertEqual([(("127.0.0.1", 50_001), TOO_LONG)], calls)

    def test_published(self) -> None:
        """The port's conversations publish it as an event."""
        from twistednet.connections.taps import Recorder
        from twistednet.events.journal import Journal
        from twistednet.events.model import Event, EventStream

        seen: list[Event] = []
        events = EventStream(lambda sink: None)
        events.attach(seen.append)
        recorder = Recorder(events, Journal(0))
        UDPConversations("datagram", Clock(), recorder, iter(())).refuse(  # type: ignore[arg-type]
            ("127.0.0.1", 50_001), TOO_LONG
        )
        [event] = seen
        assert isinstance(event, Refused)
        self.assertEqual(
            ("datagram", "127.0.0.1:50001", TOO_LONG), (event.service, event.peer, event.limit)
        )
