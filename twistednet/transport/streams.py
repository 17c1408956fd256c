"""Connections that stay bounded, whatever their protocol does.

A `Stream` is a Twisted server transport with four differences, so that a plain
`Protocol` that writes what it likes is well-behaved in a real network:

- **Backpressure.** A peer that does not read stops being read, from 32 KiB
  queued on; stock transports queue without bound.
- **Half-close.** After the peer's FIN what is queued is sent before the protocol
  hears of the end; stock transports drop it.
- **Eager writes.** What the kernel takes at once costs one system call, not three.
- **Accounts.** `bytesIn` and `bytesOut` count, `queued` tells, and an observer
  learns of failures and of the end, told apart.
"""

from __future__ import annotations

import errno
import socket
from typing import Any, Protocol

from twisted.internet import main, tcp, unix
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure

#: Seconds of silence before TCP asks whether the peer is there, between two
#: such probes, and how many may go unanswered.
KEEPALIVE = (60, 10, 3)

#: Bytes that may wait in the kernel unsent. Without it a peer that never reads
#: is written to until the send buffer has grown to its maximum, some megabytes
#: of kernel memory each. It limits no throughput, as the send buffer itself would:
#: what is on its way and not acknowledged does not count.
UNSENT = 128 * 1024


class Observer(Protocol):
    """Who is told what becomes of a stream."""

    def failed(self, failure: Failure) -> None:
        """A callback of the protocol raised; the stream is about to be aborted."""

    def closed(self, cause: str) -> None:
        """It is over. `cause`: what `because` was told, or else client FIN,
        client RST, connection lost, or service."""


class _StreamMixin:
    """What TCP and UNIX streams have in common; mixed in before a stock Server."""

    #: Bytes queued from which on neither the peer nor a producer is read.
    bufferSize = 32 * 1024

    bytesIn = 0
    bytesOut = 0
    observer: Observer | None = None
    cause: str | None = None
    _finReceived = False
    _reset = False
    _wantsReading = False
    _throttled = False

    @property
    def queued(self) -> int:
        """Bytes written by the protocol that the kernel has not taken."""
        return len(self.dataBuffer) - self.offset + self._tempDataLen

    def because(self, cause: str) -> None:
        """Say why the connection is about to be closed; the first to say is right."""
        self.cause = self.cause or cause

    # Writing

    def write(self, data: bytes) -> None:
        eager = self.connected and not self._writeDisconnected and not self.TLS
        if eager and data and not self.queued:
            sent = self._sendAtOnce(data)
            if sent == len(data):
                return
            data = data[sent:]
        super().write(data)
        self._throttle()

    def writeSequence(self, iovec: Any) -> None:
        self.write(b"".join(iovec))

    def _sendAtOnce(self, data: bytes) -> int:
        try:
            sent = self.socket.send(data)
        except OSError:
            # Would block, or is lost: doWrite meets it again and deals with it
            # outside of the caller's frame.
            return 0
        self.bytesOut += sent
        return sent

    def writeSomeData(self, data: bytes) -> Any:
        sent = super().writeSomeData(data)
        if isinstance(sent, int):
            self.bytesOut += sent
        return sent

    def doWrite(self) -> Any:
        result = super().doWrite()
        if self._throttled and not self.queued:
            self._throttled = False
            if self._wantsReading:
                super().startReading()
        return result

    def _throttle(self) -> None:
        if not self._throttled and self.queued > self.bufferSize:
            self._throttled = True
            super().stopReading()

    # Reading

    def startReading(self) -> None:
        self._wantsReading = not self._finReceived
        if self._wantsReading and not self._throttled:
            super().startReading()

    def stopReading(self) -> None:
        self._wantsReading = False
        super().stopReading()

    def doRead(self) -> Any:
        try:
            data = self.socket.recv(16 * 1024)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EINTR):
                return None
            self._reset = error.errno == errno.ECONNRESET
            return main.CONNECTION_LOST
        if not data:
            return main.CONNECTION_DONE
        self.bytesIn += len(data)
        try:
            return self.protocol.dataReceived(data)
        except Exception:
            self.fail(Failure())

    def readConnectionLost(self, reason: Failure) -> None:
        self._finReceived = True
        self._wantsReading = False
        if IHalfCloseableProtocol(self.protocol, None) or not self.queued:
            super().readConnectionLost(reason)
            return
        if self.producer is not None:
            producer = self.producer
            self.unregisterProducer()
            producer.stopProducing()
        self.loseConnection()

    # The end

    def fail(self, failure: Failure) -> None:
        """A callback of the protocol raised: end this connection, and only this."""
        if self.observer is not None:
            self.observer.failed(failure)
        self.because("error")
        self.abortConnection()

    def connectionLost(self, reason: Failure) -> None:
        cause = self.cause or self._causeOf(reason)
        observer, self.observer = self.observer, None
        try:
            super().connectionLost(reason)
        finally:
            if observer is not None:
                observer.closed(cause)

    def _causeOf(self, reason: Failure) -> str:
        if reason.check(*_LOST):
            return "client RST" if self._reset else "connection lost"
        return "client FIN" if self._finReceived else "service"


_LOST = (type(main.CONNECTION_LOST),)


class TCPStream(_StreamMixin, tcp.Server):
    """A `Stream` over TCP, without Nagle's delay and with keepalive."""

    def __init__(self, sock: socket.socket, *rest: Any) -> None:
        super().__init__(sock, *rest)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in zip(
                (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT),
                KEEPALIVE,
                strict=True,
            ):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
        except OSError:
            # The peer is gone already; the first read tells.
            pass


class UNIXStream(_StreamMixin, unix.Server):
    """A `Stream` over a UNIX socket; it takes no file descriptors."""
