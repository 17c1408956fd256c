"""transport/closing.py: the client gets all that was sent, whatever it still sends itself."""

from __future__ import annotations

from tests.support.loops import LoopTestCase
from tests.transport.test_streams import HalfCloseable
from twistednet.services.hello import Hello, HelloSite
from twistednet.transport.closing import (
    CHECK_SECONDS,
    LINGER_SECONDS,
    STALL_SECONDS,
    DrainThenReset,
    lingeringClose,
    undelivered,
)


class FinishTests(LoopTestCase):
    """The end of a connection whose client goes on sending, and reads late."""

    def finished(self, words: bytes) -> None:
        """Send these last words to a client with a small window, and close."""
        self.client, self.stream = self.connect(HalfCloseable(), receiveBuffer=4096)
        self.stream.write(words)
        lingeringClose(self.stream, self.loop)

    def later(self, seconds: float) -> None:
        """Let the client send something every second."""
        self.client.setblocking(True)
        for _ in range(int(seconds)):
            self.client.send(b"z\n")
            self.loop.turn(0.05)
            self.loop.advance(1)

    def test_slowReader(self) -> None:
        """A RST destroys nothing of what is queued with us or in the kernel."""
        for size in (60_000, 3_000_000):
            words = bytes(size)
            self.finished(words)
            self.later(5 * LINGER_SECONDS)
            self.assertTrue(self.readAll(self.client) == words, size)
            self.later(LINGER_SECONDS)
            self.loop.advance(LINGER_SECONDS)
            self.assertTrue(self.stream.disconnected)

    def test_lingers(self) -> None:
        """The wait for the client's FIN begins when the client has everything, and is short."""
        self.finished(b"Bye\n")
        self.assertEqual(self.readAll(self.client), b"Bye\n")
        self.later(LINGER_SECONDS - 1)
        self.assertFalse(self.stream.disconnected)
        self.later(2)
        self.assertTrue(self.stream.disconnected)

    def test_neverReads(self) -> None:
        """The wait ends for a client that takes nothing at all."""
        self.finished(bytes(60_000))
        self.later(STALL_SECONDS + 2)
        self.assertTrue(self.stream.disconnected)

    def test_neverReadsBeforeReset(self) -> None:
        """The same holds before a RST, and the client is looked at seldom."""
        _, stream = self.connect(HalfCloseable(), receiveBuffer=4096)
        stream.write(bytes(60_000))
        DrainThenReset(stream, self.loop, stream)
        self.loop.drain()
        looks = 0
        while not stream.disconnected and looks < 10 * STALL_SECONDS / CHECK_SECONDS:
            [call] = self.loop.getDelayedCalls()
            self.loop.advance(call.getTime() - self.loop.seconds())
            self.loop.turn(0)
            looks += 1
        self.assertTrue(stream.disconnected)
        self.assertLess(looks, 1.1 * STALL_SECONDS / CHECK_SECONDS)
        self.assertApproximates(STALL_SECONDS, self.loop.seconds(), 1)

    def test_isOver(self) -> None:
        """A wait that is cancelled leaves no delayed call."""
        _, stream = self.connect(HalfCloseable())
        closing = lingeringClose(stream, self.loop)
        self.loop.advance(LINGER_SECONDS / 2)
        self.assertTrue(closing.active())
        closing.cancel()
        self.assertFalse(closing.active())
        self.assertEqual(self.loop.getDelayedCalls(), [])

    def test_lastAnswer(self) -> None:
        """The last HTTP response is not lost either."""
        channel = HelloSite(Hello, self.loop).buildProtocol(None)
        self.client, self.stream = self.connect(channel, receiveBuffer=4096)
        name = b"x" * 15_000
        self.client.sendall(
            b"GET /?name=%b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nmore" % name
        )
        self.loop.drain()
        self.later(2 * LINGER_SECONDS)
        self.assertTrue(self.readAll(self.client).endswith(name + b"!"))
        self.later(LINGER_SECONDS)
        self.loop.advance(LINGER_SECONDS)
        self.assertTrue(self.stream.disconnected)

    def test_reset(self) -> None:
        """Nothing counts as undelivered for a client that has answered with a RST."""
        client, stream = self.connect(HalfCloseable())
        client.close()
        self.loop.turn()
        stream.write(b"Bye\n")
        self.assertEqual(0, undelivered(stream))
