"""TLS on a stream, with half-close; and what carries the data that a service sees."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import cast

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.transport.closing import setCloseReason
from twistednet.transport.interfaces import (
    LATER,
    ObservedStream,
    PlainStream,
    Receiver,
    ServiceProtocol,
    Tap,
)
from twistednet.transport.observing import TappedReceiver

try:
    from OpenSSL import SSL
    from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
except ImportError:
    # The extra `tls` is not installed.
    SSL = None  # type: ignore[assignment]
    BufferingTLSTransport = TLSMemoryBIOFactory = object  # type: ignore[assignment,misc]


@implementer(IHalfCloseableProtocol)
class HalfClosingTLS(BufferingTLSTransport):
    """TLS with half-close: a close_notify ends one direction, as a FIN does under TCP.

    After the client's close_notify, or its bare FIN, the protocol is called as a stream calls
    it, and what it still writes is sent before our own close_notify (RFC 8446, section 6.1).
    Twisted's own class discards it, as RFC 5246, section 7.2.1, has it for TLS 1.2. We send it
    in TLS 1.2 too: clients that read on (Go, socat) do so in both versions.
    """

    kind = "tls"
    #: A service's protocol, or the `TappedReceiver` before it.
    wrappedProtocol: Receiver  # type: ignore[assignment]
    transport: ObservedStream  # type: ignore[assignment]
    _tap: Tap | None = None
    #: True once the client has ended its direction.
    _inputOver = False
    _isPaused = False
    #: True between `loseWriteConnection` and `loseConnection`.
    _isHalfClosed = False

    @property
    def tap(self) -> Tap | None:
        """The listener for the plain text that the protocol reads and writes."""
        return self._tap

    @tap.setter
    def tap(self, tap: Tap | None) -> None:
        self.wrappedProtocol = self.receiver
        self._tap = tap
        self.write = self._aggregator.write  # type: ignore[method-assign]
        if tap is not None:
            self.wrappedProtocol = cast(Receiver, TappedReceiver(self, self.wrappedProtocol, tap))
            self.write = self._writeTapped  # type: ignore[method-assign]

    @property
    def receiver(self) -> Receiver:
        """What is given the plain text: a service's protocol, or a fault before it."""
        inner = self.wrappedProtocol
        return inner.protocol if isinstance(inner, TappedReceiver) else inner

    @receiver.setter
    def receiver(self, receiver: Receiver) -> None:
        if isinstance(self.wrappedProtocol, TappedReceiver):
            self.wrappedProtocol.protocol = receiver
        else:
            self.wrappedProtocol = receiver

    @property
    def queued(self) -> int:
        """Bytes written by the protocol that the kernel has not taken, most of them encrypted."""
        aggregated = getattr(self._aggregator, "_buffer", ())
        return self.transport.queued + sum(map(len, (*aggregated, *self._appSendBuffer)))

    def _writeTapped(self, data: bytes) -> None:
        isDropped = self._lostTLSConnection or (self.disconnecting and self._producer is None)
        if data and not isDropped and self._tap is not None and not self._tap.sent(data):
            self.tap = None
        self._aggregator.write(data)

    def writeSequence(self, sequence: Iterable[bytes]) -> None:
        # That of the base class does not call `write`.
        self.write(b"".join(sequence))

    def pauseProducing(self) -> None:
        # A handshake needs reads also while what the protocol wrote waits for its end.
        self._isPaused = True
        if not isHandshaking(self):
            self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self._isPaused = False
        self.transport.resumeProducing()

    def _checkHandshakeStatus(self) -> None:
        super()._checkHandshakeStatus()
        if self._isPaused and not isHandshaking(self):
            self.transport.pauseProducing()

    def _flushReceiveBIO(self) -> None:
        # Twisted's own discards, at the client's close_notify, what is still to be sent.
        while not (self._lostTLSConnection or self._inputOver):
            try:
                data = self._tlsConnection.recv(2**15)
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                self._endInput()
            except SSL.Error:
                self._tlsShutdownFinished(Failure())
            else:
                if not self._aborted:
                    self.wrappedProtocol.dataReceived(data)
        self._flushSendBIO()

    def readConnectionLost(self) -> None:
        """End the input at a bare FIN, after which `connectionLost` has ConnectionLost."""
        if isHandshaking(self) or self._lostTLSConnection:
            self.loseConnection()
            self.transport.loseConnection()
        else:
            self._reason = Failure(CONNECTION_LOST)
            self._endInput()

    def _endInput(self) -> None:
        """Pass on the end of what the client sends, as a stream passes on a FIN."""
        self._inputOver = True
        self.transport.endInput()
        halfCloseable = IHalfCloseableProtocol(self.receiver, None)
        tap = self._tap
        if tap is not None:
            tap.received(b"", "readConnectionLost" if halfCloseable else "connectionLost")
        if self.disconnecting and not self._isHalfClosed:
            self._closeStream()
        elif halfCloseable:
            halfCloseable.readConnectionLost()
        else:
            self._stopProducer()
            self.loseConnection()
        if tap is not None:
            tap.inside = LATER

    def _stopProducer(self) -> None:
        producer = self._producer
        if producer is not None:
            self.unregisterProducer()
            producer.stopProducing()

    def writeConnectionLost(self) -> None:
        """Do nothing: only we end our direction of the stream, and by closing it."""

    def loseWriteConnection(self) -> None:
        """Send close_notify once the queue is sent, and go on reading."""
        if self.connected and not self.disconnecting:
            self._isHalfClosed = True
            if isHandshaking(self):
                # Twisted aborts a handshake after which nothing would be sent.
                self._appSendBuffer.append(b"")
            super().loseConnection()

    def loseConnection(self) -> None:
        wasHalfClosed, self._isHalfClosed = self._isHalfClosed, False
        super().loseConnection()
        if wasHalfClosed and self.connected:
            self._closeStream()

    def _shutdownTLS(self) -> None:
        if not self._hasSentClose:
            # Twisted's own closes the stream too, if the client's close_notify has come.
            with suppress(SSL.Error):  # The handshake has not finished.
                self._tlsConnection.shutdown()
            self._flushSendBIO()
            halfCloseable = IHalfCloseableProtocol(self.receiver, None)
            if self._isHalfClosed and halfCloseable:
                halfCloseable.writeConnectionLost()
        self._closeStream()

    def _closeStream(self) -> None:
        """Close the stream if both directions are over, and it is to be closed."""
        if self._inputOver and self._hasSentClose and not self._isHalfClosed:
            self.transport.loseConnection()

    @property
    def _hasSentClose(self) -> bool:
        return bool(self._tlsConnection.get_shutdown() & SSL.SENT_SHUTDOWN)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if isHandshaking(self):
            # Not TLS, no cipher in common, or a client that does not trust the certificate.
            setCloseReason(self.transport, "handshake")
        super().connectionLost(reason)


def plaintextOf(stream: ObservedStream) -> PlainStream:
    """Return what carries the data that the service sees: the TLS on a stream, or the stream."""
    protocol = stream.protocol
    # TLS forwards to its stream, by `__getattr__`, the methods that it lacks.
    return cast(PlainStream, protocol) if isinstance(protocol, HalfClosingTLS) else stream


def protocolOf(plain: PlainStream) -> ServiceProtocol:
    """Return the protocol that is given the data."""
    if isinstance(plain, HalfClosingTLS):
        return cast(ServiceProtocol, plain.receiver)
    return cast(ServiceProtocol, cast(ObservedStream, plain).protocol)


def setProtocol(plain: PlainStream, protocol: Receiver) -> None:
    """Give the data to this protocol from now on."""
    if isinstance(plain, HalfClosingTLS):
        plain.receiver = protocol
    else:
        cast(ObservedStream, plain).protocol = protocol


def useHalfClosingTLS(factory: object) -> None:
    """Make the connections of a TLS factory, ours or an endpoint's, `HalfClosingTLS`."""
    if SSL is not None and isinstance(factory, TLSMemoryBIOFactory):
        factory.protocol = HalfClosingTLS


def isHandshaking(protocol: object) -> bool:
    """True if a stream's protocol is TLS whose handshake has not finished."""
    if not isinstance(protocol, HalfClosingTLS):
        return False
    connection = protocol.getHandle()
    return connection is not None and connection.get_peer_finished() is None


def isClosing(protocol: object) -> bool:
    """True if a stream's protocol is TLS that closes once the peer's close_notify has come."""
    if not isinstance(protocol, HalfClosingTLS):
        return False
    return bool(protocol.disconnecting) and not protocol._isHalfClosed
