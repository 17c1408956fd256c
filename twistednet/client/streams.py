"""A connection that a coroutine reads and writes, with bounds on memory and time."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IPushProducer,
    ISystemHandle,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.client.errors import TimedOut, Unexpected
from twistednet.client.reactors import Reactor
from twistednet.client.targets import Target

#: Bytes that may wait to be read; then the server is not read from.
MOST_WAITING = 256 * 1024
#: Seconds that a server may be silent.
TIMEOUT = 5.0


class StreamTransport(ITCPTransport, IConsumer, IPushProducer, ISystemHandle):
    """What Twisted's transports of TCP, TLS and UNIX sockets have.

    (But that of a UNIX socket has no `setTcpNoDelay`.)
    """


@implementer(IHalfCloseableProtocol, IHandshakeListener, IPushProducer)
class Stream(Protocol):
    """One connection. One coroutine at a time reads.

    Each read waits at most `timeout` seconds for more, and raises TimedOut; it
    raises Unexpected where the server resets the connection.
    """

    transport: StreamTransport

    def __init__(self, reactor: Reactor, target: Target, timeout: float) -> None:
        self.target = target
        #: Seconds; None waits for ever.
        self.timeout: float | None = timeout
        self.over = False
        self.lost: Failure | None = None
        self.reactor = reactor
        self._buffer = bytearray()
        self._waiting: Deferred[None] | None = None
        self._paused = False
        self._full: Deferred[None] | None = None
        self._gone: Deferred[None] = Deferred()
        self.handshaken: Deferred[None] = Deferred()

    # What arrives

    def connectionMade(self) -> None:
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > MOST_WAITING and not self._paused:
            self._paused = True
            self.transport.pauseProducing()
        self._wake()

    def handshakeCompleted(self) -> None:
        """TLS is set up, and the server is who it should be."""
        self.handshaken.callback(None)

    def readConnectionLost(self) -> None:
        """The server's FIN: nothing more will come, but we may still send."""
        self.over = True
        self._wake()

    def writeConnectionLost(self) -> None:
        """Ours; the server's is waited for."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.over = True
        if not reason.check(ConnectionDone):
            self.lost = reason
        self._wake()
        self.resumeProducing()
        self._gone.callback(None)
        if not self.handshaken.called:
            self.handshaken.callback(None)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    # Reading

    @property
    def available(self) -> int:
        """Bytes that a read would give without waiting."""
        return len(self._buffer)

    async def read(self, most: int = 65536) -> bytes:
        """What there is, at least one byte; nothing once the server has finished."""
        while not self._buffer and not self.over:
            await self._more()
        if not self._buffer and self.lost is not None:
            raise Unexpected(f"{self.target} broke the connection off")
        return self._take(min(most, len(self._buffer)))

    async def readExactly(self, size: int) -> bytes:
        """Raises Unexpected if the server finishes before that."""
        data = bytearray()
        while len(data) < size:
            chunk = await self.read(size - len(data))
            if not chunk:
                raise Unexpected(f"{self.target} hung up after {len(data)} of {size} bytes")
            data += chunk
        return bytes(data)

    async def readLine(self, most: int = 65536) -> bytes:
        """With its newline; without, if the server finishes first; nothing at the end."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched) + 1) == 0 and not self.over:
            searched = len(self._buffer)
            if searched > most:
                raise Unexpected(f"{self.target} sent over {most} bytes without a newline")
            await self._more()
        if end == 0 and not self._buffer and self.lost is not None:
            raise Unexpected(f"{self.target} broke the connection off")
        return self._take(end or len(self._buffer))

    async def readUntilQuiet(self, pause: float, most: int = 65536) -> bytes:
        """What comes until nothing has come for `pause` seconds."""
        data = await self.read(most)
        while not self.over and len(data) < most:
            try:
                await self._more(pause)
            except TimedOut:
                break
            data += self._take(min(most - len(data), len(self._buffer)))
        return data

    async def readToEnd(self, most: int) -> bytes:
        """All until the server finishes. Raises Unexpected for more than `most` bytes."""
        data = bytearray()
        while chunk := await self.read():
            data += chunk
            if len(data) > most:
                raise Unexpected(f"{self.target} sent over {most} bytes, and goes on")
        return bytes(data)

    def _take(self, size: int) -> bytes:
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        if self._paused and len(self._buffer) <= MOST_WAITING // 2:
            self._paused = False
            self.transport.resumeProducing()
        return data

    async def _more(self, timeout: float | None = None) -> None:
        """Until something arrives, or nothing more will. Raises TimedOut."""
        seconds = self.timeout if timeout is None else timeout
        waiting = self._waiting = Deferred()
        if seconds is not None:
            waiting.addTimeout(seconds, self.reactor, lambda *_: self._late(seconds))
        await waiting

    def _late(self, seconds: float) -> None:
        self._waiting = None
        raise TimedOut(
            f"{self.target} said nothing for {seconds:g} s; --timeout SECONDS waits longer"
        )

    # Writing, and the end

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    async def writeAll(self, data: bytes) -> None:
        """Write, and wait until there is room for more, however long that takes."""
        self.transport.write(data)
        if self._full is not None:
            await self._full

    def pauseProducing(self) -> None:
        self._full = self._full or Deferred()

    def resumeProducing(self) -> None:
        full, self._full = self._full, None
        if full is not None:
            full.callback(None)

    stopProducing = resumeProducing

    @property
    def canHalfClose(self) -> bool:
        """TLS, as Twisted has it, has no half-close."""
        return self.target.kind != "tls"

    def finish(self) -> None:
        """Say that no more will be sent; the server may still answer."""
        if self.lost is None and self.canHalfClose:
            self.transport.unregisterProducer()
            self.transport.loseWriteConnection()

    def abort(self) -> None:
        """Reset the connection (RST), and drop what is not yet sent."""
        self.transport.abortConnection()

    def pauseReading(self) -> None:
        """Read nothing, as a client that is busy or stuck."""
        self.transport.pauseProducing()

    def resumeReading(self) -> None:
        """Read again."""
        self.transport.resumeProducing()

    async def close(self) -> None:
        """End it, and wait until it has ended; what was written is sent, if it is taken."""
        if self._paused:
            self.transport.abortConnection()
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        stuck = self.reactor.callLater(1.0, self.transport.abortConnection)
        await self._gone
        if stuck.active():
            stuck.cancel()
