"""TLS as its users meet it: half-close, closing, certificates, sessions; TLS 1.2 and 1.3."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from functools import cache
from pathlib import Path
from unittest import SkipTest

import pytest
import trustme
from cryptography.x509 import load_pem_x509_certificate
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


def _issued(authority: trustme.CA, folder: Path) -> int:
    """Put a new pair into the folder, and return the certificate's serial number."""
    leaf = authority.issue_cert("localhost")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    leaf.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    return load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).serial_number


class RenewalTests(SynchronousTestCase):
    """SIGHUP and the certificate."""

    def setUp(self) -> None:
        self.folder = temporaryFolder(self)
        self.authority = trustme.CA()
        self.first = _issued(self.authority, self.folder)

    def serial(self, address: tuple[str, int]) -> int:
        """Return the number of the certificate that a new connection gets."""
        client = TLSClient(address, clientContext(self.authority))
        with closing(client):
            certificate = client.tls.get_peer_certificate(as_cryptography=True)
            assert certificate is not None
            return certificate.serial_number

    def reload(self, daemon: Running, logged: str) -> None:
        since = len(daemon.log)
        daemon.signal(signal.SIGHUP)
        daemon.waitFor("settings read again", since)
        self.assertEqual(1, len(re.findall(logged, daemon.log[since:])), daemon.log[since:])

    def test_renewed(self) -> None:
        """New connections get the new pair, open ones go on, and a line says so."""
        with running("--only", "echo", "--echo", _endpoint(self.folder)) as daemon:
            client = TLSClient(daemon.address("echo", "ssl"), clientContext(self.authority))
            self.addCleanup(client.close)
            self.assertEqual(self.first, self.serial(daemon.address("echo", "ssl")))
            second = _issued(self.authority, self.folder)
            self.reload(daemon, "echo: ssl:.*: the certificate is renewed\n")
            self.assertEqual(second, self.serial(daemon.address("echo", "ssl")))
            client.send(b"still here")
            self.assertEqual(b"still here", client.recv())
            since = len(daemon.log)
            self.reload(daemon, "settings read again")
            self.assertNotIn("certificate", daemon.log[since:])

    def test_otherFiles(self) -> None:
        """Other files for an open socket are read too: the port stays open."""
        other = self.folder / "other"
        other.mkdir()
        config = self.folder / "netdemo.toml"
        config.write_text(f'only = ["echo"]\necho = "{_endpoint(self.folder)}"\n')
        with running("--config", str(config)) as daemon:
            address = daemon.address("echo", "ssl")
            second = _issued(self.authority, other)
            config.write_text(f'only = ["echo"]\necho = "{_endpoint(other)}"\n')
            self.reload(daemon, f"{other}/key.pem.*: the certificate is renewed\n")
            self.assertEqual(
                (second, address),
                (self.serial(daemon.address("echo", "ssl")), daemon.address("echo", "ssl")),
            )
            self.assertNotIn("next start", daemon.log)

    def test_admin(self) -> None:
        """The admin site's certificate is renewed with those of the services."""
        flags = ("--only", "echo", "--echo", "tcp:0", "--admin", _endpoint(self.folder))
        with running(*flags) as daemon:
            found = daemon.waitFor(r"admin: https://(127\.0\.0\.1):(\d+)/")
            address = found[1], int(found[2])
            self.assertEqual(self.first, self.serial(address))
            second = _issued(self.authority, self.folder)
            self.reload(daemon, "admin: ssl:.*: the certificate is renewed\n")
            self.assertEqual(second, self.serial(address))

    def test_bad(self) -> None:
        """A pair that cannot be served changes nothing but a line, which says what is wrong."""
        key, certificate = self.folder / "key.pem", self.folder / "cert.pem"
        good = key.read_bytes(), certificate.read_bytes()
        elsewhere = temporaryFolder(self)
        _issued(self.authority, elsewhere)
        secret = subprocess.run(
            ["openssl", "ec", "-aes128", "-passout", "pass:x"],
            input=good[0],
            capture_output=True,
            check=True,
        )
        with running("--only", "echo", "--echo", _endpoint(self.folder)) as daemon:
            for pair, why in (
                (((elsewhere / "key.pem").read_bytes(), good[1]), "is not the key of the cert"),
                ((b"garbage", good[1]), "key.pem holds no private key in PEM format"),
                ((secret.stdout, good[1]), "key.pem holds no private key .* without a passphrase"),
                ((good[0], os.urandom(1000)), "cert.pem holds no certificate in PEM format"),
                ((good[0], good[1][:300]), "cert.pem holds no certificate in PEM format"),
                ((good[0], b""), "cert.pem holds no certificate in PEM format"),
            ):
                key.write_bytes(pair[0])
                certificate.write_bytes(pair[1])
                self.reload(daemon, f"echo: ssl:.*: the certificate stays as it was: .*{why}.*\n")
                self.assertEqual(self.first, self.serial(daemon.address("echo", "ssl")))
            key.unlink()
            self.reload(daemon, "the certificate stays as it was: .*key.pem: No such file")
            self.assertEqual(self.first, self.serial(daemon.address("echo", "ssl")))
            self.assertNotIn("Traceback", daemon.log)

    @pytest.mark.slow
    def test_load(self) -> None:
        """While clients connect as fast as they can, ten renewals cost no handshake."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        failures: list[Exception] = []
        serials: Counter[str] = Counter()
        over = threading.Event()
        with running("--only", "echo", "--echo", _endpoint(self.folder)) as daemon:
            address = daemon.address("echo", "ssl")

            def connect() -> None:
                while not over.is_set():
                    try:
                        with (
                            socket.create_connection(address, PATIENCE) as raw,
                            context.wrap_socket(raw, server_hostname="localhost") as sock,
                        ):
                            sock.sendall(b"x")
                            if sock.recv(1) != b"x":
                                raise ConnectionError("no echo")
                            found = sock.getpeercert()
                            serials[str(found and found["serialNumber"])] += 1
                    except Exception as failure:
                        failures.append(failure)

            threads = [threading.Thread(target=connect) for _ in range(4)]
            for thread in threads:
                thread.start()
            try:
                for _ in range(10):
                    before = serials.total()
                    _issued(self.authority, self.folder)
                    self.reload(daemon, "the certificate is renewed\n")
                    while serials.total() < before + 50 and not failures:
                        over.wait(0.01)
            finally:
                over.set()
                for thread in threads:
                    thread.join()
        self.assertEqual([], failures)
        self.assertEqual(11, len(serials), serials)


class SessionTests(SynchronousTestCase):
    """Sessions are resumed, by Python's clients and OpenSSL's, over both versions."""

    def setUp(self) -> None:
        self.folder = temporaryFolder(self)
        self.authority = certificates(self.folder)
        self.authority.cert_pem.write_to_path(self.folder / "ca.pem")

    def test_python(self) -> None:
        """A second connection of Python's ssl with `session=` is a resumed one."""
        with running("--only", "echo", "--echo", _endpoint(self.folder)) as daemon:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                for options in (ssl.Options(0), ssl.OP_NO_TICKET):
                    if options and version is ssl.TLSVersion.TLSv1_3:
                        continue
                    context = ssl.create_default_context()
                    self.authority.configure_trust(context)
                    context.minimum_version = context.maximum_version = version
                    context.options |= options
                    session, reused = None, []
                    for _ in range(3):
                        raw = socket.create_connection(daemon.address("echo", "ssl"), PATIENCE)
                        with context.wrap_socket(
                            raw, server_hostname="localhost", session=session
                        ) as sock:
                            # The tickets of TLS 1.3 come after the handshake.
                            sock.sendall(b"x")
                            self.assertEqual(b"x", sock.recv(1))
                            reused.append(sock.session_reused)
                            session = sock.session
                    self.assertEqual([False, True, True], reused, (version, options))

    def test_openssl(self) -> None:
        """So is that of `openssl s_client -sess_in`, and each of `-reconnect`."""
        if shutil.which("openssl") is None:
            raise SkipTest("openssl is not installed")
        with running("--only", "hello", "--hello", _endpoint(self.folder)) as daemon:
            address = "{}:{}".format(*daemon.address("hello", "ssl"))
            saved = str(self.folder / "session")

            def client(*options: str, request: bytes = b"GET / HTTP/1.0\r\n\r\n") -> str:
                return subprocess.run(
                    ["openssl", "s_client", "-connect", address, "-ign_eof", *options],
                    input=request,
                    capture_output=True,
                    timeout=PATIENCE,
                ).stdout.decode(errors="replace")

            for version in ("-tls1_2", "-tls1_3"):
                self.assertIn("New, TLS", client(version, "-sess_out", saved))
                again = client(version, "-sess_in", saved)
                self.assertIn("Reused, TLS", again)
                self.assertIn("Hello World!", again)
            self.assertEqual(5, client("-tls1_2", "-reconnect").count("Reused, TLS"))
