"""TLS as it should be offered today: 1.2 and 1.3, forward secrecy and AEAD only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.transport.closing import setCloseReason
from twistednet.transport.interfaces import LATER, Tap

try:
    from OpenSSL import SSL
    from twisted.internet import ssl
    from twisted.internet._producer_helpers import _PullToPush
    from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
except ImportError:
    ssl = _PullToPush = None  # type: ignore[assignment,misc]
    BufferingTLSTransport = TLSMemoryBIOFactory = object  # type: ignore[assignment,misc]

# Mozilla's intermediate profile, version 5.7, less the finite-field DHE suites.
# (TLS 1.3 chooses among its own suites, all of which are AEAD.)
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@implementer(IHalfCloseableProtocol)
class HalfClosingTLS(BufferingTLSTransport):
    """TLS that answers what it was sent also to a client that ends with a bare FIN.

    TLS has no half-close that both sides agree on (RFC 8446, section 6.1, allows
    one, OpenSSL's peers seldom do it), so after a FIN we say goodbye and close.
    """

    kind = "tls"
    transport: Any
    _tap: Tap | None = None

    @property
    def tap(self) -> Tap | None:
        """Hears what its protocol reads and writes, as a stream's does: plain text."""
        return self._tap

    @tap.setter
    def tap(self, tap: Tap | None) -> None:
        if isinstance(self.wrappedProtocol, _Tapped):
            self.wrappedProtocol = self.wrappedProtocol.protocol
        self._tap = tap
        self.write = self._aggregator.write  # type: ignore[method-assign]
        if tap is not None:
            self.wrappedProtocol = _Tapped(self, self.wrappedProtocol, tap)  # type: ignore[assignment]
            self.write = self._writeTapped  # type: ignore[method-assign]

    @property
    def queued(self) -> int:
        """Bytes written by the protocol that the kernel has not taken, most of them encrypted."""
        gathered = getattr(self._aggregator, "_buffer", ())
        queued: int = self.transport.queued
        return queued + sum(map(len, (*gathered, *self._appSendBuffer)))

    def _writeTapped(self, data: bytes) -> None:
        dropped = self.disconnecting and self._producer is None
        going = data and not (dropped or self._lostTLSConnection)
        if going and self._tap is not None and not self._tap.sent(data):
            self.tap = None
        self._aggregator.write(data)

    def writeSequence(self, sequence: Iterable[bytes]) -> None:
        # The base class's goes past `write`.
        self.write(b"".join(sequence))

    def readConnectionLost(self) -> None:
        if self._tap is not None:
            self._tap.received(b"", "connectionLost")
        self.loseConnection()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """TLS closes both directions at once."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if isHandshaking(self):
            # Garbage, no cipher in common, or a peer that does not trust us.
            setCloseReason(self.transport, "handshake")
        super().connectionLost(reason)


class _Tapped:
    """Stands before the protocol of a `HalfClosingTLS` while somebody listens."""

    def __init__(self, tls: HalfClosingTLS, protocol: Any, tap: Tap) -> None:
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


def plaintextOf(transport: Any) -> Any:
    """Where what the service's protocol sees passes: the stream, or its TLS."""
    protocol = transport.protocol
    return protocol if isinstance(protocol, HalfClosingTLS) else transport


def protocolOf(plain: Any) -> Any:
    """Who is given what arrives there."""
    if not isinstance(plain, HalfClosingTLS):
        return plain.protocol
    inner: Any = plain.wrappedProtocol
    return inner.protocol if isinstance(inner, _Tapped) else inner


def setProtocol(plain: Any, protocol: Any) -> None:
    """From now on what arrives there is given to this one."""
    if not isinstance(plain, HalfClosingTLS):
        plain.protocol = protocol
    elif isinstance(plain.wrappedProtocol, _Tapped):
        plain.wrappedProtocol.protocol = protocol
    else:
        plain.wrappedProtocol = protocol


def producerOf(plain: Any) -> tuple[Any, bool, bool]:
    """Who produces what is written there, whether it pushes, and whether it is paused; None
    for nobody."""
    if not isinstance(plain, HalfClosingTLS):
        return plain.producer, bool(plain.streamingProducer), bool(plain.producerPaused)
    membrane: Any = plain._producer
    if membrane is None or isinstance(membrane._producer, _PullToPush):
        # Who pulls is polled by what TLS itself puts between.
        return None, True, False
    return membrane._producer, True, bool(membrane._producerPaused)


def setProducer(plain: Any, producer: Any) -> None:
    """Put this one in the place of whom `producerOf` tells."""
    if isinstance(plain, HalfClosingTLS):
        membrane: Any = plain._producer
        membrane._producer = producer
    else:
        plain.producer = producer


def wrappedInTLS(factory: Any, privateKey: str, certificate: str = "") -> Any:
    """`factory` behind TLS. Both files are PEM; the certificate's may hold its chain.

    Raises ValueError for a file that holds no key or certificate, or where the
    extra `tls` is not installed; OSError for one that cannot be read.
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


def useHalfClosingTLS(factory: Any) -> None:
    """Make the connections of a TLS factory, ours or an endpoint's, `HalfClosingTLS`."""
    if ssl is not None and isinstance(factory, TLSMemoryBIOFactory):
        factory.protocol = HalfClosingTLS


def isHandshaking(protocol: Any) -> bool:
    """Has this connection begun TLS, and not yet finished the handshake?"""
    if not isinstance(protocol, HalfClosingTLS):
        return False
    connection = protocol.getHandle()
    return connection is not None and connection.get_peer_finished() is None


def isClosing(protocol: Any) -> bool:
    """Has TLS said goodbye, and waits for the peer to say it too?"""
    return bool(getattr(protocol, "disconnecting", False))
