"""Certificates: what a TLS port serves, TLS 1.2 and 1.3 with forward secrecy and AEAD only."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from twisted.internet.interfaces import IProtocolFactory
from twisted.logger import Logger

from twistednet.transport.endpoints import Endpoint

if TYPE_CHECKING:
    from twisted.internet.ssl import CertificateOptions

try:
    from OpenSSL import SSL, crypto
    from twisted.internet import ssl
    from twisted.protocols.tls import TLSMemoryBIOFactory
except ImportError:
    # The extra `tls` is not installed.
    ssl = None  # type: ignore[assignment]
    TLSMemoryBIOFactory = object  # type: ignore[assignment,misc]

_log = Logger()
_Loaded = TypeVar("_Loaded")

# Mozilla's intermediate profile, version 5.7, without the finite-field DHE suites. (TLS 1.3
# chooses among its own suites, all of which are AEAD.)
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_CERTIFICATE = re.compile(b"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class CertificateFactory(TLSMemoryBIOFactory):
    """A factory behind TLS, with a certificate that can be renewed while its port is open.

    `privateKey` and `certificate` are PEM files; the certificate's may hold its chain. Without
    `certificate`, the file of the key holds both. Raises ValueError for files that hold no
    key or certificate, or two that do not belong together, and if the extra `tls` is not
    installed; OSError for a file that cannot be read.
    """

    def __init__(self, factory: IProtocolFactory, privateKey: str, certificate: str = "") -> None:
        if ssl is None:
            raise ValueError("TLS needs an extra: pip install 'twistednet[tls]'")
        self._pem = _read(privateKey, certificate)
        super().__init__(_options(self._pem, privateKey, certificate), False, factory)

    def renew(self, privateKey: str, certificate: str = "") -> bool:
        """Serve what the files hold now, from the next connection on; open ones keep theirs.

        Returns False if that is served already. Raises as at first, and changes nothing then.
        """
        pem = _read(privateKey, certificate)
        if pem == self._pem:
            return False
        options = _options(pem, privateKey, certificate)
        renewed = TLSMemoryBIOFactory(options, False, self.wrappedFactory)
        self._creatorCallable = renewed._creatorCallable
        self._pem = pem
        return True


#: What each open port serves, whatever is wrapped around its factory.
servedBy: WeakKeyDictionary[object, CertificateFactory] = WeakKeyDictionary()


def renewCertificate(port: object, endpoint: Endpoint, service: str) -> None:
    """Serve what the files of an `ssl:` endpoint hold now, and log it if that is new.

    A pair that cannot be served is logged too, and the port keeps the one that it has.
    """
    served = servedBy.get(port)
    if served is None or endpoint.kind != "ssl":
        return
    where = f"{service}: {endpoint.given}"
    try:
        isNew = served.renew(endpoint.arguments["privateKey"], endpoint.arguments["certKey"])
    except (OSError, ValueError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
        _log.error("{where}: the certificate stays as it was: {why}", where=where, why=why)
    else:
        if isNew:
            _log.info("{where}: the certificate is renewed", where=where)


def _read(privateKey: str, certificate: str) -> tuple[bytes, bytes]:
    return Path(privateKey).read_bytes(), Path(certificate or privateKey).read_bytes()


def _options(pem: tuple[bytes, bytes], privateKey: str, certificate: str) -> CertificateOptions:
    """Return the context's options for a key and a chain; the names are for messages.

    Sessions are resumed by tickets (RFC 8446, section 4.6.1; RFC 5077) and, in TLS 1.2, by
    their ids too (RFC 5246, section 7.3). The key of the tickets is the context's own, in
    memory alone, so a renewed certificate has another.
    """
    source = certificate or privateKey
    # An empty passphrase: without one, OpenSSL would ask the terminal for it.
    key = _loaded(
        lambda: crypto.load_privatekey(crypto.FILETYPE_PEM, pem[0], b""),
        f"{privateKey} holds no private key in PEM format without a passphrase",
    )
    chain = _loaded(
        lambda: [
            crypto.load_certificate(crypto.FILETYPE_PEM, one)
            for one in _CERTIFICATE.findall(pem[1]) or [b""]
        ],
        f"{source} holds no certificate in PEM format",
    )
    options = ssl.CertificateOptions(
        privateKey=key,
        certificate=chain[0],
        extraCertChain=chain[1:],
        raiseMinimumTo=ssl.TLSVersion.TLSv1_2,
        acceptableCiphers=ssl.AcceptableCiphers.fromOpenSSLCipherString(_CIPHERS),
        enableSessions=True,
        enableSessionTickets=True,
    )
    _loaded(options.getContext, f"{privateKey} is not the key of the certificate in {source}")
    return options


def _loaded(load: Callable[[], _Loaded], problem: str) -> _Loaded:
    try:
        return load()
    except (SSL.Error, crypto.Error):
        raise ValueError(problem) from None
