"""Byte-exact under load: half-close, slow readers, over TCP, IPv6, UNIX and TLS."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import socket
import ssl
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

import pytest
import trustme

from tests.support.processes import PATIENCE, DaemonTests, Running, readAll, readUntil

MEBIBYTE = 1 << 20


def certificates(folder: Path) -> trustme.CA:
    """A key and a certificate for localhost in `folder`, and who vouches for it."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    for number, blob in enumerate(leaf.cert_chain_pems):
        blob.write_to_path(folder / "cert.pem", append=number > 0)
    return authority


def readSlowly(sock: socket.socket, rate: int) -> bytes:
    """Everything up to the FIN, at `rate` bytes a second."""
    data = b""
    begun = time.monotonic()
    while chunk := sock.recv(65536):
        data += chunk
        ahead = len(data) / rate - (time.monotonic() - begun)
        # The pace of a slow reader, not a wait for anything.
        threading.Event().wait(max(0, ahead))
    return data


@cache
def _daemons() -> tuple[trustme.CA, str, Running, Running]:
    """One over every transport but TCP over IPv6, and one over that."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    authority = certificates(folder)
    daemon = Running(
        *("--only", "echo,answer,chat", "--chat", "tcp:0", "--answer", "tcp:0:interface=::1"),
        *("--echo", "tcp:0", "--echo", f"unix:{folder}/echo.sock"),
        *("--echo", f"ssl:0:privateKey={folder}/key.pem:certKey={folder}/cert.pem"),
    )
    ipv6 = Running("--only", "echo", "--echo", "tcp:0:interface=::1")
    return authority, f"{folder}/echo.sock", daemon, ipv6


class ExactTests(DaemonTests):
    """Every byte comes back, in order, whatever the transport."""

    def setUp(self) -> None:
        self.authority, self.unix, self.daemon, self.ipv6 = _daemons()

    def open(self, kind: str) -> socket.socket:
        """A connection to echo over this kind of transport."""
        if kind == "UNIX":
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(PATIENCE)
            sock.connect(self.unix)
        else:
            daemon = self.ipv6 if kind == "IPv6" else self.daemon
            sock = daemon.connect("echo")
        self.addCleanup(sock.close)
        return sock

    def openTLS(self, service: str = "echo", **options: int) -> ssl.SSLSocket:
        """A verified TLS connection."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        for name, value in options.items():
            setattr(context, name, value)
        raw = socket.create_connection(self.daemon.address(service, "ssl"), timeout=PATIENCE)
        self.addCleanup(raw.close)
        sock = context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)
        self.addCleanup(sock.close)
        return sock

    @pytest.mark.slow
    def test_halfCloseToSlowReaders(self) -> None:
        """3 MiB, FIN, a reader at 1 MiB/s, ten at once, on three transports: all exact."""
        sent = random.Random(1).randbytes(3 * MEBIBYTE)
        exact: list[str] = []

        def exchange(kind: str) -> None:
            sock = self.open(kind)

            def send() -> None:
                sock.sendall(sent)
                sock.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send)
            sender.start()
            if readSlowly(sock, MEBIBYTE) == sent:
                exact.append(kind)
            sender.join()

        kinds = ["TCP", "IPv6", "UNIX"] * 10
        threads = [threading.Thread(target=exchange, args=(kind,)) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(exact), sorted(kinds))

    def test_halfClose(self) -> None:
        """What is sent right before the FIN is answered, on every transport."""
        sent = os.urandom(300_000)
        for kind in ("TCP", "IPv6", "UNIX"):
            sock = self.open(kind)
            threading.Thread(
                target=lambda sock=sock: (sock.sendall(sent), sock.shutdown(socket.SHUT_WR))
            ).start()
            self.assertEqual(readAll(sock), sent, kind)

    def test_tls(self) -> None:
        """The same over TLS, which ends with a close_notify of each side."""
        sock = self.openTLS()
        for _ in range(20):
            sent = os.urandom(100_000)
            sock.sendall(sent)
            back = readUntil(sock, lambda data, sent=sent: len(data) == len(sent))
            self.assertEqual(back, sent)
        sock.unwrap()

    def test_tlsNotSetUp(self) -> None:
        """Who speaks no TLS, or none of ours, ends by handshake; who spoke it does not."""
        for hello in (b"GET / HTTP/1.1\r\n\r\n", b""):
            sock = socket.create_connection(self.daemon.address("echo", "ssl"), timeout=PATIENCE)
            self.addCleanup(sock.close)
            sock.sendall(hello)
            sock.shutdown(socket.SHUT_WR)
            self.logged("closed .*: handshake;", sock)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.authority.configure_trust(context)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES128-SHA")
        sock = socket.create_connection(self.daemon.address("echo", "ssl"), timeout=PATIENCE)
        self.addCleanup(sock.close)
        tls = context.wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False)
        self.addCleanup(tls.close)
        with self.assertRaises(ssl.SSLError):
            tls.do_handshake()
        self.logged("closed .*: handshake;", tls)
        well = self.openTLS()
        well.sendall(b"x")
        well.recv(1)
        well.unwrap()
        self.assertNotIn("handshake", self.logged("closed", well))

    def test_tlsFinOnly(self) -> None:
        """A TLS client that ends with a bare FIN gets what it is owed, and a goodbye."""
        sent = os.urandom(100_000)
        sock = self.openTLS()
        sock.sendall(sent)
        # SSLSocket.shutdown would also forget that the connection is encrypted.
        with socket.socket(fileno=os.dup(sock.fileno())) as raw:
            raw.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(sock), sent)

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    def test_tlsProfile(self) -> None:
        """TLS 1.2 with AEAD, 1.3, and nothing older or weaker."""
        with self.assertRaises(ssl.SSLError):
            self.openTLS(maximum_version=ssl.TLSVersion.TLSv1_1)
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0")
        with (
            socket.create_connection(self.daemon.address("echo", "ssl"), timeout=PATIENCE) as raw,
            self.assertRaises(ssl.SSLError),
        ):
            context.wrap_socket(raw, server_hostname="localhost")
        self.assertEqual(self.openTLS(maximum_version=ssl.TLSVersion.TLSv1_2).version(), "TLSv1.2")
        self.assertEqual(self.openTLS().version(), "TLSv1.3")

    def test_unixMode(self) -> None:
        """A UNIX socket is for its owner and group."""
        self.assertEqual(oct(os.stat(self.unix).st_mode & 0o777), "0o660")

    def test_answerOverIPv6(self) -> None:
        """A service of messages over IPv6, closed by the client's FIN."""
        sock = self.daemon.connect("answer")
        self.addCleanup(sock.close)
        sock.sendall(b"how are u\nhow old are u")
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(sock), b"fine\nnicai\n")
