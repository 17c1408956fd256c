"""TLS as its users meet it: half-close and closing, over TLS 1.2 and 1.3."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from unittest import SkipTest

import pytest
import trustme
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import PATIENCE, DaemonTests, Running, running, temporaryFolder
from tests.support.tlsclient import VERSIONS, TLSClient, clientContext
from tests.system.test_exact import certificates

_SERVICES = ("echo", "receive", "answer", "hello", "chat")

_RULES = (
    "echo: latency 50ms, in",
    "echo: slice 1000 bytes",
    "answer: latency 50ms",
    "chat: linger 100ms",
    "receive: half-close at accept",
)

#: Sends its input and close_notify, and then prints what comes back, as a Go client does.
_GO = """
package main

import ("crypto/tls"; "crypto/x509"; "io"; "os"; "time")

func main() {
    pem, _ := os.ReadFile(os.Args[1])
    roots := x509.NewCertPool()
    roots.AppendCertsFromPEM(pem)
    for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
        sock, err := tls.Dial("tcp", os.Args[2], &tls.Config{
            RootCAs: roots, ServerName: "localhost", MinVersion: version, MaxVersion: version})
        if err != nil { panic(err) }
        sock.SetDeadline(time.Now().Add(20 * time.Second))
        sent := make([]byte, 100000)
        if _, err = sock.Write(sent); err != nil { panic(err) }
        if err = sock.CloseWrite(); err != nil { panic(err) }
        back, err := io.ReadAll(sock)
        if err != nil || len(back) != len(sent) { println(len(back)); os.Exit(1) }
    }
}
"""


@cache
def _daemon() -> tuple[Path, trustme.CA, Running]:
    """Every service of streams over TLS, with faults for the clients of 127.0.0.2."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    authority = certificates(folder)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    listen = [flag for name in _SERVICES for flag in (f"--{name}", _endpoint(folder))]
    rules = [flag for rule in _RULES for flag in ("--fault", f"{rule}, from 127.0.0.2")]
    return folder, authority, Running("--only", ",".join(_SERVICES), *listen, *rules)


def _endpoint(folder: Path) -> str:
    return f"ssl:0:privateKey={folder}/key.pem:certKey={folder}/cert.pem"


class HalfCloseTests(DaemonTests):
    """What is sent before the client's close_notify is answered in full, and then closed."""

    def setUp(self) -> None:
        self.folder, self.authority, self.daemon = _daemon()

    def connectTLS(self, service: str, version: str, source: str = "127.0.0.1") -> TLSClient:
        context = clientContext(self.authority, version)
        client = TLSClient(self.daemon.address(service, "ssl"), context, source)
        self.addCleanup(client.close)
        return client

    def exchange(self, service: str, version: str, data: bytes, source: str = "127.0.0.1") -> bytes:
        """Send the data and close_notify, and return the answer up to the close_notify."""
        client = self.connectTLS(service, version, source)
        client.send(data)
        client.endOutput()
        return client.readAll()

    def test_services(self) -> None:
        """Every service answers in full, over each version; the log names the client's end."""
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        sent = os.urandom(100_000)
        for version in VERSIONS:
            for service, data, answer in (
                ("echo", sent, sent),
                ("receive", b"hello", b""),
                ("answer", b"how are u\nhow old are u", b"fine\nnicai\n"),
                ("answer", b"how are u", b"fine"),
                ("chat", b"/rooms\n", b"* rooms: lobby (1)\n"),
                ("hello", request, b"\r\n\r\nHello World!"),
                ("hello", request[:-2], b"the request is not whole\n"),
            ):
                client = self.connectTLS(service, version)
                client.send(data)
                client.endOutput()
                back = client.readAll()
                self.assertEqual(answer, back[len(back) - len(answer) :], (version, service))
                self.logged("closed .*: (client FIN|HTTP request);", client.sock)

    def test_faults(self) -> None:
        """The same while faults hold back what is received, or what is sent."""
        sent = os.urandom(100_000)
        for version in VERSIONS:
            for service, data, answer in (
                ("echo", sent, sent),
                ("answer", b"how are u\nhow old are u", b"fine\nnicai\n"),
            ):
                back = self.exchange(service, version, data, "127.0.0.2")
                self.assertEqual(answer, back, (version, service))

    def test_linger(self) -> None:
        """A fault that ends our direction first sends close_notify, and what was written."""
        for version in VERSIONS:
            client = self.connectTLS("chat", version, "127.0.0.2")
            client.send(b"/quit\n")
            self.assertTrue(client.readAll().endswith(b"byebye\n"))

    def test_halfCloseFault(self) -> None:
        """A fault that ends our direction at accept lets the handshake finish, and reads on."""
        for version in VERSIONS:
            client = self.connectTLS("receive", version, "127.0.0.2")
            self.assertEqual(b"", client.recv())
            client.send(b"still read")
            self.logged("still read", client.sock)
            client.endOutput()
            self.logged("closed .*: client FIN;", client.sock)

    def test_slowReader(self) -> None:
        """3 MiB, close_notify, and a reader that takes its time: socat gets everything."""
        if shutil.which("socat") is None:
            raise SkipTest("socat is not installed")
        sent = os.urandom(3 << 20)
        (self.folder / "sent").write_bytes(sent)
        host, port = self.daemon.address("echo", "ssl")
        for version in ("TLS1.2", "TLS1.3"):
            options = (
                f"cafile={self.folder}/ca.pem,commonname=localhost,"
                f"openssl-min-proto-version={version},openssl-max-proto-version={version}"
            )
            with (
                (self.folder / "sent").open("rb") as source,
                subprocess.Popen(
                    ["socat", f"-t{PATIENCE}", "-", f"OPENSSL:{host}:{port},{options}"],
                    stdin=source,
                    stdout=subprocess.PIPE,
                ) as socat,
            ):
                assert socat.stdout is not None
                back = b""
                while data := socat.stdout.read1(65536):
                    back += data
                    # The pace of a slow reader, not a wait for anything.
                    threading.Event().wait(0.01)
            self.assertTrue(sent == back, (version, len(back)))

    @pytest.mark.slow
    def test_go(self) -> None:
        """Go's CloseWrite, which sends close_notify and no FIN."""
        if shutil.which("go") is None:
            raise SkipTest("Go is not installed")
        program = temporaryFolder(self) / "client.go"
        program.write_text(_GO)
        address = "{}:{}".format(*self.daemon.address("echo", "ssl"))
        done = subprocess.run(
            ["go", "run", str(program), f"{self.folder}/ca.pem", address],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "GO111MODULE": "off", "HOME": str(program.parent)},
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))


class ClosingTests(SynchronousTestCase):
    """The end of a connection that the server closes."""

    @pytest.mark.slow
    def test_trickle(self) -> None:
        """After `bye` a client that sends on and on, and no close_notify, is cut off."""
        folder = temporaryFolder(self)
        context = clientContext(certificates(folder))
        flags = ("--only", "answer", "--answer", _endpoint(folder), "--stall-timeout", "1")
        with running(*flags) as daemon:
            client = TLSClient(daemon.address("answer", "ssl"), context)
            self.addCleanup(client.close)
            client.send(b"bye\n")
            self.assertEqual(b"Bye\n", client.readAll())
            deadline = time.monotonic() + PATIENCE
            with self.assertRaises(SSL.Error):
                while time.monotonic() < deadline:
                    client.send(b"x")
                    # The pace of the trickle, not a wait for anything.
                    threading.Event().wait(0.05)
            daemon.waitFor("closed .*: service;")
