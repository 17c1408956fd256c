"""transport/closing.py: last words that arrive, whatever the client still sends."""

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
        """Say these last words to a client with a small window."""
        self.client, self.stream = self.connect(HalfCloseable(), receiveBuffer=4096)
        self.stream.write(words)
        lingeringClose(self.stream, self.loop)

    def later(self, seconds: float) -> None:
        """The client sends something every second."""
        self.client.setblocking(True)
        for _ in range(int(seconds)):
            self.client.send(b"z\n")
            self.loop.turn(0.05)
            self.loop.advance(1)

    def test_slowReader(self) -> None:
        """What waits with us, or in the kernel, is not lost to a RST."""
        for size in (60_000, 3_000_000):
            words = bytes(size)
            self.finished(words)
            self.later(5 * LINGER_SECONDS)
            self.assertTrue(self.readAll(self.client) == words, size)
            self.later(LINGER_SECONDS)
            self.loop.advance(LINGER_SECONDS)
            self.assertTrue(self.stream.disconnected)

    def test_lingers(self) -> None:
        """The wait for the client's FIN begins when it has all, and is short."""
        self.finished(b"Bye\n")
        self.assertEqual(self.readAll(self.client), b"Bye\n")
        self.later(LINGER_SECONDS - 1)
        self.assertFalse(self.stream.disconnected)
        self.later(2)
        self.assertTrue(self.stream.disconnected)

    def test_neverReads(self) -> None:
        """Who takes nothing at all is not waited for without end."""
        self.finished(bytes(60_000))
        self.later(STALL_SECONDS + 2)
        self.assertTrue(self.stream.disconnected)

    def test_neverReadsBeforeReset(self) -> None:
        """The same before a RST, and it is looked at seldom."""
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
        """A wait that is not needed any more leaves no call behind."""
        _, stream = self.connect(HalfCloseable())
        farewell = lingeringClose(stream, self.loop)
        self.loop.advance(LINGER_SECONDS / 2)
        self.assertTrue(farewell.active())
        farewell.cancel()
        self.assertFalse(farewell.active())
        self.assertEqual(self.loop.getDelayedCalls(), [])

    def test_lastAnswer(self) -> None:
        """The HTTP answer after which we close is not lost either."""
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
        """For a client that has gone nothing is on its way, whatever it has not taken."""
        client, stream = self.connect(HalfCloseable())
        client.close()
        self.loop.turn()
        stream.write(b"Bye\n")
        self.assertEqual(0, undelivered(stream))
