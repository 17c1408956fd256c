"""A TLS client that can end its own direction and read on; Python's ssl cannot."""

from __future__ import annotations

import socket
import struct

import trustme
from OpenSSL import SSL
from OpenSSL.crypto import X509

from tests.support.processes import PATIENCE

VERSIONS = {"TLSv1.2": SSL.TLS1_2_VERSION, "TLSv1.3": SSL.TLS1_3_VERSION}


def clientContext(authority: trustme.CA, version: str = "") -> SSL.Context:
    """Return a context that trusts the authority, for one version or any."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    store = context.get_cert_store()
    assert store is not None
    store.add_cert(_certificate(authority))
    context.set_verify(SSL.VERIFY_PEER)
    if version:
        context.set_min_proto_version(VERSIONS[version])
        context.set_max_proto_version(VERSIONS[version])
    return context


def _certificate(authority: trustme.CA) -> X509:
    from OpenSSL import crypto

    return crypto.load_certificate(crypto.FILETYPE_PEM, authority.cert_pem.bytes())


class TLSClient:
    """A connected client. Each call has PATIENCE seconds."""

    def __init__(
        self, address: tuple[str, int], context: SSL.Context, source: str = "127.0.0.1"
    ) -> None:
        self.sock = socket.socket()
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", PATIENCE, 0))
        self.sock.bind((source, 0))
        self.sock.connect(address)
        self.tls = SSL.Connection(context, self.sock)
        self.tls.set_connect_state()
        self.tls.do_handshake()
        self.close = self.sock.close
        self.getsockname = self.sock.getsockname

    def send(self, data: bytes) -> None:
        self.tls.sendall(data)

    def endOutput(self) -> None:
        """Send close_notify, and nothing after it but a FIN."""
        self.tls.shutdown()
        self.sock.shutdown(socket.SHUT_WR)

    def recv(self, size: int = 65536) -> bytes:
        """Return what has arrived; nothing at a close_notify. A bare FIN raises."""
        try:
            return self.tls.recv(size)
        except SSL.ZeroReturnError:
            return b""

    def readAll(self) -> bytes:
        """Return everything up to the server's close_notify."""
        return b"".join(iter(self.recv, b""))
