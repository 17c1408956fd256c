"""Streams: the transports of connections, fast and bounded whatever their protocol does.

A `TCPStream` or `UNIXStream` is a Twisted server transport with these differences, so that a
plain `Protocol` that writes what it likes works well in a real network:

- **Backpressure.** While more than 16 KiB are queued, the peer is not read; stock transports
  queue without bound.
- **Half-close.** After the peer's FIN the queue is sent before the protocol's
  `connectionLost` is called; stock transports drop the queue.
- **Eager writes.** `write` sends at once. What the kernel takes costs one system call, send(2);
  a stock transport needs three (epoll_ctl, send, epoll_ctl). The rest is queued without a copy
  and sent by sendmsg(2), up to 1024 chunks a call.
- **Batched reads.** See `polling`. A chunk costs one recv(2) of 16 KiB, and up to 256 KiB
  while the peer sends much and few others do.
- **Counts.** `bytesIn`, `bytesOut` and `queued` are in bytes; an observer gets failures and
  the reason of the end.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from twisted.internet import main, tcp, unix
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure

from twistednet.transport.interfaces import LATER, ObservedStream, Receiver
from twistednet.transport.observing import ObservedTransport, reportFailure
from twistednet.transport.options import INHERITS_OPTIONS, setOptions
from twistednet.transport.polling import MAX_READ_BYTES, MIN_READ_BYTES, PolledTransport

#: Chunks that one sendmsg(2) sends (IOV_MAX).
MAX_CHUNKS = 1024

_End: TypeAlias = ConnectionLost | ConnectionDone


class _StreamMixin(ObservedTransport, PolledTransport):
    """What TCP and UNIX streams have in common; mixed in before a stock Server.

    The queue is Twisted's `_tempDataBuffer`, a list of chunks (`_tempDataLen` is its length in
    bytes), because TLS puts its records there without a call of `write`.
    """

    #: Bytes. While more are queued, neither the peer nor a producer is read.
    bufferSize = 16 * 1024

    #: A close(2) sends the FIN, because no other process has the socket: shutdown(2) is spared.
    _shouldShutdown = False

    protocol: Receiver  # type: ignore[assignment]
    _tempDataBuffer: list[bytes | memoryview]  # type: ignore[assignment]

    def __init__(self, sock: socket.socket, *rest: Any) -> None:
        # Each message reads these; an attribute of a class costs ten times as much.
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
        """Send `data` at once, as far as the kernel takes it, and queue the rest."""
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
            # Twisted's own: appends to what is queued, encrypts, drops what cannot be sent,
            # and raises for what is not bytes. A pull producer is called for more once the
            # socket is writable, so it needs that event.
            super().write(data)
            return
        try:
            sent = self.socket.send(data)
        except OSError as error:
            # doWrite ends a lost connection; but only this error tells a RST from a FIN.
            self._failedWith(error)
            sent = 0
        self.bytesOut += sent
        if sent < len(data):
            self._tempDataBuffer.append(memoryview(data)[sent:])
            self._tempDataLen += len(data) - sent
            self._maybePauseProducer()
            self.startWriting()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        chunks = list(iovec)
        if all(isinstance(chunk, bytes) for chunk in chunks):
            self.write(b"".join(chunks))
        else:
            super().writeSequence(chunks)  # It raises TypeError.

    def doWrite(self) -> _End | None:  # type: ignore[override]
        """Send what is queued, by one sendmsg(2) of up to MAX_CHUNKS chunks."""
        if self._tempDataLen:
            try:
                sent = self.socket.sendmsg(self._tempDataBuffer[:MAX_CHUNKS])
            except OSError as error:
                return self._failedWith(error)
            self._dequeue(sent)
            if self._tempDataLen:
                return None
        try:
            # Twisted's own, with an empty queue: producers, half-close, close.
            why: _End | None = super().doWrite()
        except Exception:
            self.fail(Failure())
            return None
        if self._throttled and not self._tempDataLen:
            self._throttled = False
            self._watch()
        return why

    def _dequeue(self, sent: int) -> None:
        """Drop the first `sent` bytes of the queue, copying nothing."""
        self.bytesOut += sent
        self._tempDataLen -= sent
        whole = 0
        for chunk in self._tempDataBuffer:
            if sent < len(chunk):
                break
            sent -= len(chunk)
            whole += 1
        del self._tempDataBuffer[:whole]
        if sent:
            self._tempDataBuffer[0] = memoryview(self._tempDataBuffer[0])[sent:]

    def writeSomeData(self, data: bytes) -> int | ConnectionLost:
        """Spare the system call: Twisted's doWrite calls this with an empty buffer."""
        return super().writeSomeData(data) if data else 0

    # Reading

    def doRead(self) -> _End | None:  # type: ignore[override]
        """Pass one chunk to the protocol, by one recv(2).

        Its size doubles after a read that was full, and halves after one of less than a
        quarter; it is never more than the stream's share of the batch.
        """
        size = self._readSize
        if size > MIN_READ_BYTES:
            size = min(size, self._poller.share)
        try:
            data = self.socket.recv(size)
        except OSError as error:
            return self._failedWith(error)
        if not data:
            return main.CONNECTION_LOST if self._reset else main.CONNECTION_DONE
        got = len(data)
        self.bytesIn += got
        if got == size:
            self._readSize = min(2 * size, MAX_READ_BYTES)
        elif size > MIN_READ_BYTES and got < size // 4:
            self._readSize = max(size // 2, MIN_READ_BYTES)
        if (tap := self.tap) is not None and not tap.received(data, "dataReceived"):
            self.tap = tap = None
        try:
            self.protocol.dataReceived(data)
        except Exception:
            self.fail(Failure())
        if tap is not None:
            tap.inside = LATER
        return None

    def readConnectionLost(self, reason: Failure) -> None:
        """The peer has sent its FIN: notify the protocol, now or once the queue is sent."""
        self.endInput()
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
            # Not that of TLS, which would wait for a close_notify that can no longer come.
            FileDescriptor.loseConnection(self)

    def startReading(self) -> None:
        if not self._finReceived:
            super().startReading()

    def startWriting(self) -> None:
        # Twisted calls this after each append to the queue, also for TLS.
        self._throttled = self._throttled or self._tempDataLen > self.bufferSize
        super().startWriting()

    def connectionLost(self, reason: Failure) -> None:
        observer, self.observer = self.observer, None
        self._tempDataBuffer.clear()
        self._tempDataLen = 0
        try:
            super().connectionLost(reason)
        except Exception:
            reportFailure(observer, Failure())
        finally:
            if observer is not None:
                observer.closed(self.cause or self._causeOf(reason))


class TCPStream(_StreamMixin, tcp.Server):
    """A stream over TCP, without Nagle's delay and with keepalive (see OPTIONS)."""

    kind = "tcp"

    def __init__(self, sock: socket.socket, *rest: Any) -> None:
        super().__init__(sock, *rest)
        if not INHERITS_OPTIONS:
            with suppress(OSError):  # The first read finds a peer that is gone.
                setOptions(sock)


class UNIXStream(_StreamMixin, unix.Server):
    """A stream over a UNIX socket. It sends bytes, and no file descriptors."""

    kind = "unix"

    def sendFileDescriptor(self, fileno: int) -> None:
        raise NotImplementedError("this transport carries bytes alone")


if TYPE_CHECKING:
    _shapes: tuple[Callable[..., ObservedStream], ...] = (TCPStream, UNIXStream)
