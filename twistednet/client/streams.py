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

#: Unread bytes above which the connection is no longer read.
MAX_UNREAD_BYTES = 256 * 1024
#: Bytes that one read returns, and that a line may have, by default.
MAX_READ_BYTES = 65_536
#: Seconds that a server may be silent, by default.
TIMEOUT_SECONDS = 5.0
#: Seconds for the last bytes to be sent before the connection is aborted.
CLOSE_SECONDS = 1.0


class StreamTransport(ITCPTransport, IConsumer, IPushProducer, ISystemHandle):
    """What Twisted's transports of TCP, TLS and UNIX sockets have.

    (But that of a UNIX socket has no `setTcpNoDelay`.)
    """


@implementer(IHalfCloseableProtocol, IHandshakeListener, IPushProducer)
class Stream(Protocol):
    """One connection. One coroutine at a time may read it.

    A read waits at most `timeout` seconds for data, without end if that is None, and then
    raises TimedOut. It raises Unexpected if the server resets the connection. `over` is true
    once the server has sent its FIN or RST; `lost` is how a connection broke, if it did.
    """

    transport: StreamTransport

    def __init__(self, reactor: Reactor, target: Target, timeout: float) -> None:
        self.target = target
        self.timeout: float | None = timeout
        self.over = False
        self.lost: Failure | None = None
        self.reactor = reactor
        #: Fires when the TLS handshake is done, or the connection lost.
        self.handshaken: Deferred[None] = Deferred()
        self._buffer = bytearray()
        self._reading: Deferred[None] | None = None
        self._isPaused = False
        self._writable: Deferred[None] | None = None
        self._closed: Deferred[None] = Deferred()

    # Callbacks of the transport

    def connectionMade(self) -> None:
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > MAX_UNREAD_BYTES and not self._isPaused:
            self._isPaused = True
            self.transport.pauseProducing()
        self._wakeReader()

    def handshakeCompleted(self) -> None:
        """TLS is set up, and the server's certificate is valid."""
        self.handshaken.callback(None)

    def readConnectionLost(self) -> None:
        """The server sent its FIN: nothing more will come, but data may still be sent."""
        self.over = True
        self._wakeReader()

    def writeConnectionLost(self) -> None:
        """Our FIN is sent; the server's is still awaited."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.over = True
        if not reason.check(ConnectionDone):
            self.lost = reason
        self._wakeReader()
        self.resumeProducing()
        self._closed.callback(None)
        if not self.handshaken.called:
            self.handshaken.callback(None)

    def _wakeReader(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.callback(None)

    # Reading

    @property
    def available(self) -> int:
        """The number of bytes that a read returns without waiting."""
        return len(self._buffer)

    async def read(self, most: int = MAX_READ_BYTES) -> bytes:
        """Return at least one byte, or nothing once the server has sent its FIN."""
        while not self._buffer and not self.over:
            await self._wait()
        self._raiseIfBroken()
        return self._take(min(most, len(self._buffer)))

    async def readExactly(self, size: int) -> bytes:
        """Return `size` bytes. Raises Unexpected if the server's FIN comes before."""
        data = bytearray()
        while len(data) < size:
            chunk = await self.read(size - len(data))
            if not chunk:
                raise Unexpected(
                    f"{self.target} closed the connection after {len(data)} of {size} bytes"
                )
            data += chunk
        return bytes(data)

    async def readLine(self, most: int = MAX_READ_BYTES) -> bytes:
        """Return a line with its newline; without one at the server's FIN, b"" after that.

        Raises Unexpected for over `most` bytes without a newline.
        """
        searched = 0
        while (end := self._buffer.find(b"\n", searched) + 1) == 0 and not self.over:
            searched = len(self._buffer)
            if searched > most:
                raise Unexpected(f"{self.target} sent over {most} bytes without a newline")
            await self._wait()
        self._raiseIfBroken()
        return self._take(end or len(self._buffer))

    async def readUntilQuiet(self, pause: float, most: int = MAX_READ_BYTES) -> bytes:
        """Return what comes before nothing comes for `pause` seconds."""
        data = await self.read(most)
        while not self.over and len(data) < most:
            try:
                await self._wait(pause)
            except TimedOut:
                break
            data += self._take(min(most - len(data), len(self._buffer)))
        return data

    async def readToEnd(self, most: int) -> bytes:
        """Return everything up to the server's FIN. Raises Unexpected for over `most` bytes."""
        data = bytearray()
        while chunk := await self.read():
            data += chunk
            if len(data) > most:
                raise Unexpected(f"{self.target} sent over {most} bytes and did not stop")
        return bytes(data)

    def pauseReading(self) -> None:
        """Leave everything in the socket's buffer, as a client that is busy or stuck does."""
        self.transport.pauseProducing()

    def resumeReading(self) -> None:
        """Read again."""
        self.transport.resumeProducing()

    def _raiseIfBroken(self) -> None:
        if not self._buffer and self.lost is not None:
            raise Unexpected(f"{self.target} broke the connection off")

    def _take(self, size: int) -> bytes:
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        if self._isPaused and len(self._buffer) <= MAX_UNREAD_BYTES // 2:
            self._isPaused = False
            self.transport.resumeProducing()
        return data

    async def _wait(self, timeout: float | None = None) -> None:
        """Wait for data or the end of the connection. Raises TimedOut."""
        seconds = self.timeout if timeout is None else timeout
        reading = self._reading = Deferred()
        if seconds is not None:
            reading.addTimeout(seconds, self.reactor, lambda *_: self._timedOut(seconds))
        await reading

    def _timedOut(self, seconds: float) -> None:
        self._reading = None
        raise TimedOut(
            f"{self.target} sent nothing for {seconds:g} s; --timeout SECONDS waits longer"
        )

    # Writing

    def write(self, data: bytes) -> None:
        """Send data, or queue it, however much it is."""
        self.transport.write(data)

    async def writeAll(self, data: bytes) -> None:
        """Send data, and wait until the transport takes more, however long that takes."""
        self.transport.write(data)
        if self._writable is not None:
            await self._writable

    def pauseProducing(self) -> None:
        """The transport's queue is full."""
        self._writable = self._writable or Deferred()

    def resumeProducing(self) -> None:
        """The transport takes more data."""
        writable, self._writable = self._writable, None
        if writable is not None:
            writable.callback(None)

    stopProducing = resumeProducing

    # The end

    @property
    def canHalfClose(self) -> bool:
        """True if a FIN can be sent while data still comes: Twisted's TLS cannot."""
        return self.target.kind != "tls"

    def finish(self) -> None:
        """Send a FIN after what was written. The server may still answer."""
        if self.lost is None and self.canHalfClose:
            self.transport.unregisterProducer()
            self.transport.loseWriteConnection()

    def abort(self) -> None:
        """Reset the connection (RST), and drop what is not yet sent."""
        self.transport.abortConnection()

    async def close(self) -> None:
        """Close the connection once what was written is sent, or after a second at the latest."""
        if self._isPaused:
            self.transport.abortConnection()
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        timer = self.reactor.callLater(CLOSE_SECONDS, self.transport.abortConnection)
        await self._closed
        if timer.active():
            timer.cancel()
