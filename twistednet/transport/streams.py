"""Connections that are fast, and stay bounded, whatever their protocol does.

A `Stream` is a Twisted server transport with these differences, so that a plain
`Protocol` that writes what it likes is well-behaved in a real network:

- **Backpressure.** A peer that does not read stops being read, from 16 KiB
  queued on; stock transports queue without bound.
- **Half-close.** After the peer's FIN what is queued is sent before the protocol
  hears of the end; stock transports drop it.
- **Eager writes.** What the kernel takes at once costs one system call, not three;
  what it does not take is kept as it is, and never copied. (See also `polling`.)
- **Accounts.** `bytesIn` and `bytesOut` count, `queued` tells, and an observer
  learns of failures and of the end, told apart.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from typing import Any

from twisted.internet import main, tcp, unix
from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure

from twistednet.transport.interfaces import LATER
from twistednet.transport.observing import ObservedTransport
from twistednet.transport.polling import MAX_READ_BYTES, MIN_READ_BYTES, PolledTransport

#: No delay of small messages (Nagle); 128 KiB that may wait in the kernel unsent, where
#: a peer that never reads would cost megabytes (what is on its way does not count); after
#: 60 s of silence three questions, 10 s apart, whether the peer is still there.
OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 128 * 1024),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
#: Pieces that one system call sends (IOV_MAX is 1024).
MAX_CHUNKS = 1024


#: Have accepted connections the options of the socket that listens (tcp(7))?
INHERITS_OPTIONS = sys.platform == "linux"


def setOptions(sock: socket.socket) -> None:
    """Set OPTIONS: of a socket that listens, for all connections that it will accept."""
    for option in OPTIONS:
        sock.setsockopt(*option)


class _StreamMixin(ObservedTransport, PolledTransport):
    """What TCP and UNIX streams have in common; mixed in before a stock Server.

    The queue is Twisted's `_tempDataBuffer` (its length in bytes `_tempDataLen`), so
    that TLS, which bypasses `write`, is queued and counted like the rest.
    """

    #: Bytes queued from which on neither the peer nor a producer is read.
    bufferSize = 16 * 1024

    #: Closing says goodbye by itself: no other process has the socket.
    _shouldShutdown = False

    _tempDataBuffer: list[Any]

    def __init__(self, sock: socket.socket, *rest: Any) -> None:
        # Each message looks at these, and a class's attribute costs ten times as much.
        self.bytesIn = self.bytesOut = 0
        self._readSize = MIN_READ_BYTES
        self.TLS = self._writeDisconnected = self._aborting = False
        self.producer = self.tap = None
        super().__init__(sock, *rest)

    @property
    def queued(self) -> int:
        """Bytes written by the protocol that the kernel has not taken."""
        return self._tempDataLen

    # Writing

    def write(self, data: bytes) -> None:
        if self.tap is not None:
            self._tapWritten(data)
        if (
            self._tempDataLen
            or self.TLS
            or not self.connected
            or self._writeDisconnected
            or self._aborting
            or (self.producer is not None and not self.streamingProducer)
            or type(data) is not bytes
        ):
            # Behind what is queued, through TLS, to nobody; a pull producer is asked
            # for more when the socket is writable; and what is no bytes is refused.
            super().write(data)
            return
        try:
            sent = self.socket.send(data)
        except OSError:
            # Would block, or is lost: doWrite meets it again and deals with it
            # outside of the caller's frame.
            sent = 0
        self.bytesOut += sent
        if sent < len(data):
            self._tempDataBuffer.append(memoryview(data)[sent:])
            self._tempDataLen += len(data) - sent
            self._maybePauseProducer()
            self.startWriting()

    def writeSequence(self, iovec: Any) -> None:
        pieces = list(iovec)
        if all(isinstance(piece, bytes) for piece in pieces):
            self.write(b"".join(pieces))
        else:
            super().writeSequence(pieces)  # It says what is wrong.

    def doWrite(self) -> Any:
        if self._tempDataLen:
            try:
                sent = self.socket.sendmsg(self._tempDataBuffer[:MAX_CHUNKS])
            except OSError as error:
                return self._failedWith(error)
            self._dequeue(sent)
            if self._tempDataLen:
                return None
        try:
            # What comes when all is out is Twisted's own: producers, half-close, close.
            why = super().doWrite()
        except Exception:
            self.fail(Failure())
            return None
        if self._throttled and not self._tempDataLen:
            self._throttled = False
            self._watch()
        return why

    def _dequeue(self, sent: int) -> None:
        self.bytesOut += sent
        self._tempDataLen -= sent
        whole = 0
        for piece in self._tempDataBuffer:
            if sent < len(piece):
                break
            sent -= len(piece)
            whole += 1
        del self._tempDataBuffer[:whole]
        if sent:
            self._tempDataBuffer[0] = memoryview(self._tempDataBuffer[0])[sent:]

    def writeSomeData(self, data: bytes) -> Any:
        """Nothing is left when Twisted asks for this, and nothing costs nothing."""
        return super().writeSomeData(data) if data else 0

    # Reading

    def doRead(self) -> Any:
        size = self._readSize
        if size > MIN_READ_BYTES:
            size = min(size, self._poller.share)
        try:
            data = self.socket.recv(size)
        except OSError as error:
            return self._failedWith(error)
        if not data:
            return main.CONNECTION_DONE
        got = len(data)
        self.bytesIn += got
        if got == size:
            self._readSize = min(2 * size, MAX_READ_BYTES)
        elif size > MIN_READ_BYTES and got < size // 4:
            self._readSize = max(size // 2, MIN_READ_BYTES)
        tap = self.tap
        if tap is not None and not tap.received(data, "dataReceived"):
            self.tap = tap = None
        try:
            self.protocol.dataReceived(data)
        except Exception:
            self.fail(Failure())
        if tap is not None:
            tap.inside = LATER
        return None

    def readConnectionLost(self, reason: Failure) -> None:
        self._finReceived = True
        self.stopReading()
        tap = self.tap
        halfCloseable = IHalfCloseableProtocol(self.protocol, None)
        if tap is not None:
            tap.received(b"", "readConnectionLost" if halfCloseable else "connectionLost")
        if halfCloseable:
            super().readConnectionLost(reason)
            if tap is not None:
                tap.inside = LATER
        elif not self.queued:
            self.connectionLost(reason)
        else:
            producer = self.producer
            if producer is not None:
                self.unregisterProducer()
                producer.stopProducing()
            # Not TLS's way: it would wait for a goodbye that cannot come any more.
            FileDescriptor.loseConnection(self)

    def startReading(self) -> None:
        if not self._finReceived:
            super().startReading()

    def startWriting(self) -> None:
        # Twisted calls this whenever something was queued, whoever queued it.
        self._throttled = self._throttled or self._tempDataLen > self.bufferSize
        super().startWriting()

    # The end

    def connectionLost(self, reason: Failure) -> None:
        observer, self.observer = self.observer, None
        self._tempDataBuffer.clear()
        self._tempDataLen = 0
        try:
            super().connectionLost(reason)
        finally:
            if observer is not None:
                observer.closed(self.cause or self._causeOf(reason))


class TCPStream(_StreamMixin, tcp.Server):
    """A `Stream` over TCP, without Nagle's delay and with keepalive."""

    kind = "tcp"

    def __init__(self, sock: socket.socket, *rest: Any) -> None:
        super().__init__(sock, *rest)
        if not INHERITS_OPTIONS:
            # Of a peer that is gone already the first read tells.
            with suppress(OSError):
                setOptions(sock)


class UNIXStream(_StreamMixin, unix.Server):
    """A `Stream` over a UNIX socket, for bytes alone."""

    kind = "unix"

    def sendFileDescriptor(self, fileno: int) -> None:
        raise NotImplementedError("this transport carries bytes alone")
