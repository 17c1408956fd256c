"""Certificates: TLS 1.2 and 1.3 with forward secrecy and AEAD only."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.internet.interfaces import IProtocolFactory

try:
    from OpenSSL import SSL
    from twisted.internet import ssl
    from twisted.protocols.tls import TLSMemoryBIOFactory
except ImportError:
    ssl = None  # type: ignore[assignment]

# Mozilla's intermediate profile, version 5.7, without the finite-field DHE suites. (TLS 1.3
# chooses among its own suites, all of which are AEAD.)
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


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
