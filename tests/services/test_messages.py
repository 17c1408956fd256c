"""services/messages.py: what a subclass sends, at whatever time, arrives."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.protocols import Peer
from twistednet.services.factory import MessagesFactory
from twistednet.services.messages import Messages


def peer(protocol: type[Messages]) -> Peer:
    """The other end of a new connection of this class, on a clock of its own."""
    return Peer(MessagesFactory(protocol, Clock()))


class SendTests(SynchronousTestCase):
    """`send` works wherever a subclass calls it."""

    def test_greeting(self) -> None:
        """What is sent in connectionMade leaves at once, in one write."""

        class Greeter(Messages):
            def connectionMade(self) -> None:
                self.send("hello")
                self.send("who are you?")

            def messageReceived(self, text: str) -> None:
                self.send(f"welcome, {text}")

        client = peer(Greeter)
        self.assertEqual(client.read(), b"hello\nwho are you?\n")
        client.send(b"Ada\r\n")
        self.assertEqual(client.read(), b"welcome, Ada\r\n")
        self.assertEqual(client.protocol.factory.messagesOut, 3)

    def test_greetingWithSuper(self) -> None:
        """The same if the subclass calls the base class, before or after."""

        class Before(Messages):
            def connectionMade(self) -> None:
                super().connectionMade()
                self.send("hello")

        class After(Messages):
            def connectionMade(self) -> None:
                self.send("hello")
                super().connectionMade()

        for greeter in (Before, After):
            self.assertEqual(peer(greeter).read(), b"hello\n")

    def test_greetingAndEnd(self) -> None:
        """A service may send its only line and close (RFC 865, quote of the day)."""

        class Quote(Messages):
            def connectionMade(self) -> None:
                self.send("a quote")
                self.end()

        client = peer(Quote)
        self.assertEqual((client.read(), client.closed), (b"a quote\n", True))

    def test_greetingToAClientWithoutNewlines(self) -> None:
        """The greeting has a newline, and later answers have none, as the client's messages."""

        class Greeter(Messages):
            def connectionMade(self) -> None:
                self.send("hello")

            def messageReceived(self, text: str) -> None:
                self.send(text)

        client = peer(Greeter)
        client.send(b"Ada")
        client.pause()
        self.assertEqual(client.read(), b"hello\nAda")

    def test_later(self) -> None:
        """What a timer sends leaves then, and not with the next answer."""

        class Ticker(Messages):
            def connectionMade(self) -> None:
                self.factory.clock.callLater(1, self.send, "tick")

        client = peer(Ticker)
        client.clock.advance(1)
        self.assertEqual(client.read(), b"tick\n")

    def test_progress(self) -> None:
        """What a coroutine sends leaves while it still awaits something."""
        steps: list[Deferred[None]] = []

        class Slow(Messages):
            async def messageReceived(self, text: str) -> None:
                for line in ("begun", "half", "done"):
                    self.send(line)
                    steps.append(Deferred())
                    await steps[-1]

        client = peer(Slow)
        client.send(b"go\n")
        for line in (b"begun\n", b"half\n", b"done\n"):
            self.assertEqual(client.read(), line)
            steps[-1].callback(None)
        self.assertEqual(client.read(), b"")

    def test_progressToASlowReader(self) -> None:
        """What waited for the transport leaves once it takes more, answer or not."""
        answer: Deferred[None] = Deferred()

        class Slow(Messages):
            def messageReceived(self, text: str) -> Deferred[None]:
                return answer

        client = peer(Slow)
        client.send(b"go\n")
        client.protocol.pauseProducing()
        client.protocol.send("half")
        self.assertEqual(client.read(), b"")
        client.protocol.resumeProducing()
        self.assertEqual(client.read(), b"half\n")
        answer.callback(None)

    def test_oneWrite(self) -> None:
        """Answers to messages that arrive together leave together."""

        class Shout(Messages):
            def messageReceived(self, text: str) -> None:
                self.send(text.upper())

        client = peer(Shout)
        writes: list[bytes] = []
        self.patch(client.transport, "write", writes.append)
        client.send(b"a\nb\nc\n")
        self.assertEqual(writes, [b"A\nB\nC\n"])

    def test_afterTheEnd(self) -> None:
        """What is sent after `end` is dropped, whether in the same message or later."""

        class Late(Messages):
            def messageReceived(self, text: str) -> None:
                self.send("bye")
                self.end()
                self.send("too late")

        for count in (1, 50):
            client = peer(Late)
            client.send(b"x\n" * count)
            client.protocol.send("much too late")
            client.protocol.resumeProducing()
            client.turn()
            self.assertEqual(client.read(), b"bye\n")

    def test_brokenGreeting(self) -> None:
        """A connectionMade that raises is left to the transport, which ends the connection."""

        class Broken(Messages):
            def connectionMade(self) -> None:
                raise RuntimeError("broken")

        self.assertRaises(RuntimeError, peer, Broken)


class AttemptTests(SynchronousTestCase):
    """Timers of a subclass's own."""

    def test_attempt(self) -> None:
        """An exception of a timer ends its connection; after the end nothing is called."""
        calls = []

        class Timed(Messages):
            def connectionMade(self) -> None:
                super().connectionMade()
                for seconds in (1, 2):
                    self.factory.clock.callLater(seconds, self.attempt, self.act, seconds)

            def act(self, seconds: int) -> None:
                calls.append(seconds)
                raise ValueError("mine")

        client = peer(Timed)
        client.clock.advance(1)
        self.assertTrue(client.aborted)
        client.clock.advance(1)
        self.assertEqual(calls, [1])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
