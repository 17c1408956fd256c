"""TLS 1.2 and 1.3 with forward secrecy and AEAD only, which handles a client's bare FIN."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, cast

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocolFactory
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.transport.closing import setCloseReason
from twistednet.transport.interfaces import (
    LATER,
    ObservedStream,
    PlainStream,
    Producer,
    Receiver,
    ServiceProtocol,
    Tap,
)

try:
    from OpenSSL import SSL
    from twisted.internet import ssl
    from twisted.internet._producer_helpers import _PullToPush
    from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
except ImportError:
    ssl = _PullToPush = None  # type: ignore[assignment,misc]
    BufferingTLSTransport = TLSMemoryBIOFactory = object  # type: ignore[assignment,misc]

# Mozilla's intermediate profile, version 5.7, without the finite-field DHE suites. (TLS 1.3
# chooses among its own suites, all of which are AEAD.)
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@implementer(IHalfCloseableProtocol)
class HalfClosingTLS(BufferingTLSTransport):
    """TLS that sends its answers also to a client that ends with a bare FIN.

    TLS has no half-close that both sides support (RFC 8446, section 6.1, allows one, but
    clients that use OpenSSL seldom do it), so after a FIN we send close_notify and close.
    """

    kind = "tls"
    #: A service's protocol, or the `_Tapped` before it.
    wrappedProtocol: Receiver  # type: ignore[assignment]
    transport: ObservedStream  # type: ignore[assignment]
    _tap: Tap | None = None

    @property
    def tap(self) -> Tap | None:
        """The listener for the plain text that the protocol reads and writes."""
        return self._tap

    @tap.setter
    def tap(self, tap: Tap | None) -> None:
        if isinstance(self.wrappedProtocol, _Tapped):
            self.wrappedProtocol = self.wrappedProtocol.protocol
        self._tap = tap
        self.write = self._aggregator.write  # type: ignore[method-assign]
        if tap is not None:
            self.wrappedProtocol = cast(Receiver, _Tapped(self, self.wrappedProtocol, tap))
            self.write = self._writeTapped  # type: ignore[method-assign]

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

    def readConnectionLost(self) -> None:
        if self._tap is not None:
            self._tap.received(b"", "connectionLost")
        self.loseConnection()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Do nothing: TLS closes both directions at once."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if isHandshaking(self):
            # Not TLS, no cipher in common, or a client that does not trust the certificate.
            setCloseReason(self.transport, "handshake")
        super().connectionLost(reason)


class _Tapped:
    """Stands before the protocol of a `HalfClosingTLS` while that has a tap."""

    def __init__(self, tls: HalfClosingTLS, protocol: Receiver, tap: Tap) -> None:
        self._tls = tls
        self.protocol = protocol
        self._tap = tap

    def __getattr__(self, name: str) -> Any:
        return getattr(self.protocol, name)

    def dataReceived(self, data: bytes) -> None:
        if not self._tap.received(data, "dataReceived"):
            self._tls.tap = None
        self.protocol.dataReceived(data)
        self._tap.inside = LATER


def plaintextOf(stream: ObservedStream) -> PlainStream:
    """Return what carries the data that the service sees: the TLS on a stream, or the stream."""
    protocol = stream.protocol
    # TLS forwards to its stream, by `__getattr__`, the methods that it lacks.
    return cast(PlainStream, protocol) if isinstance(protocol, HalfClosingTLS) else stream


def protocolOf(plain: PlainStream) -> ServiceProtocol:
    """Return the protocol that is given the data."""
    if isinstance(plain, HalfClosingTLS):
        inner = plain.wrappedProtocol
        protocol = inner.protocol if isinstance(inner, _Tapped) else inner
    else:
        protocol = cast(ObservedStream, plain).protocol
    return cast(ServiceProtocol, protocol)


def setProtocol(plain: PlainStream, protocol: Receiver) -> None:
    """Give the data to this protocol from now on."""
    if not isinstance(plain, HalfClosingTLS):
        cast(ObservedStream, plain).protocol = protocol
    elif isinstance(plain.wrappedProtocol, _Tapped):
        plain.wrappedProtocol.protocol = protocol
    else:
        plain.wrappedProtocol = protocol


class Production(NamedTuple):
    """The producer that writes to a transport, if it has one, and its state."""

    producer: Producer | None
    #: True for a push producer.
    streaming: bool
    paused: bool


def producerOf(plain: PlainStream) -> Production:
    """Return the producer that `setProducer` can replace.

    There is none for a pull producer of TLS, which Twisted turns into a push producer.
    """
    if not isinstance(plain, HalfClosingTLS):
        stream: Any = plain
        return Production(
            stream.producer, bool(stream.streamingProducer), bool(stream.producerPaused)
        )
    membrane: Any = plain._producer
    if membrane is None or isinstance(membrane._producer, _PullToPush):
        return Production(None, True, False)
    return Production(membrane._producer, True, bool(membrane._producerPaused))


def setProducer(plain: PlainStream, producer: Producer) -> None:
    """Replace the producer that `producerOf` returns."""
    if isinstance(plain, HalfClosingTLS):
        membrane: Any = plain._producer
        membrane._producer = producer
    else:
        stream: Any = plain
        stream.producer = producer


def wrappedInTLS(
    factory: IProtocolFactory, privateKey: str, certificate: str = ""
) -> TLSMemoryBIOFactory:
    """Return `factory` behind TLS. Both files are PEM; the certificate's may hold its chain.

    Without `certificate`, the file of the key holds both. Raises ValueError for a file that
    holds no key or certificate, and if the extra `tls` is not installed; OSError for a file
    that cannot be read.
    """
    if ssl is None:
        raise ValueError("TLS needs an extra: pip install 'twistednet[tls]'")
    key = Path(privateKey).read_text()
    chain = _CERTIFICATE.findall(Path(certificate or privateKey).read_text())
    if not chain:
        raise ValueError(f"{certificate or privateKey} holds no certificate in PEM format")
    try:
        own = ssl.PrivateCertificate.loadPEM(f"{chain[0]}\n{key}")
        options = ssl.CertificateOptions(
            privateKey=own.privateKey.original,
            certificate=own.original,
            extraCertChain=[ssl.Certificate.loadPEM(issuer).original for issuer in chain[1:]],
            raiseMinimumTo=ssl.TLSVersion.TLSv1_2,
            acceptableCiphers=ssl.AcceptableCiphers.fromOpenSSLCipherString(_CIPHERS),
        )
        options.getContext()
    except SSL.Error as error:
        raise ValueError(
            f"{privateKey} and {certificate or privateKey} do not fit: {error}"
        ) from None
    return TLSMemoryBIOFactory(options, False, factory)


def useHalfClosingTLS(factory: object) -> None:
    """Make the connections of a TLS factory, ours or an endpoint's, `HalfClosingTLS`."""
    if ssl is not None and isinstance(factory, TLSMemoryBIOFactory):
        factory.protocol = HalfClosingTLS


def isHandshaking(protocol: object) -> bool:
    """True if a stream's protocol is TLS whose handshake has not finished."""
    if not isinstance(protocol, HalfClosingTLS):
        return False
    connection = protocol.getHandle()
    return connection is not None and connection.get_peer_finished() is None


def isClosing(protocol: object) -> bool:
    """True if a stream's protocol is TLS that waits for the peer's close_notify."""
    return bool(getattr(protocol, "disconnecting", False))
