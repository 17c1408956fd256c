"""Faults of a real daemon, seen by plain sockets."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import PATIENCE, DaemonTests, line, readAll, running, temporaryFolder
from tests.system.test_exact import certificates
from twistednet.testing import serve

_RULES = (
    "echo: reset at accept, first 2, from 127.0.0.2",
    "echo: latency 100ms, from 127.0.0.3",
    "echo: truncate after 70000 bytes, from 127.0.0.4",
    "echo: silence, from 127.0.0.5",
    "answer: close before reply, every 3rd",
    "hello: latency 50ms",
    "hello: slice 1 byte",
    "chat: corrupt 100%, from 127.0.0.2",
    "chat: latency 30ms, from 127.0.0.3",
    "chat: latency 30ms, in, from 127.0.0.3",
    "chat: linger 1s, from 127.0.0.3",
    "hello: reset at close, from 127.0.0.4",
)


def connected(address: tuple[str, int], source: str = "127.0.0.1") -> socket.socket:
    """Return a connection, with a time limit set after the connect.

    A RST that comes at once could fail a connect with a time limit.
    """
    sock = socket.socket()
    sock.bind((source, 0))
    sock.connect(address)
    sock.settimeout(PATIENCE)
    return sock


class FaultyTests(DaemonTests):
    """Rules by the peer's address: each test has its own address, and 127.0.0.1 has no rule."""

    flags = (
        *("--echo", "tcp:0", "--answer", "tcp:0", "--hello", "tcp:0", "--chat", "tcp:0"),
        *("--only", "echo,answer,hello,chat"),
        *(word for rule in _RULES for word in ("--fault", rule)),
    )

    def connectFrom(self, source: str, service: str = "echo") -> socket.socket:
        """Return a connection from another loopback address."""
        sock = connected(self.daemon.address(service), source)
        self.addCleanup(sock.close)
        return sock

    def test_reset(self) -> None:
        """A RST, not a FIN, for exactly the first two."""
        for _ in range(2):
            sock = self.connectFrom("127.0.0.2")
            self.assertRaises(ConnectionResetError, sock.recv, 1)
            self.logged("closed .*: fault reset; 0 B in, 0 B out", sock)
            self.logged("fault reset", sock)
        sock = self.connectFrom("127.0.0.2")
        sock.sendall(b"well")
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(b"well", readAll(sock))

    def test_latency(self) -> None:
        """At least 100 ms, and not much more on a busy machine."""
        sock = self.connectFrom("127.0.0.3")
        took = []
        for _ in range(5):
            began = time.monotonic()
            sock.sendall(b"x")
            sock.recv(1)
            took.append(time.monotonic() - began)
        self.assertGreaterEqual(min(took), 0.098)
        self.assertLess(min(took), 0.110 + 0.050)

    def test_truncate(self) -> None:
        """Exact to the byte, then a FIN."""
        sock = self.connectFrom("127.0.0.4")
        data = bytes(range(256)) * 400
        sock.sendall(data)
        self.assertEqual(data[:70_000], readAll(sock))
        sock.close()

    def test_unhit(self) -> None:
        """A client that no rule matches sees no fault."""
        data = bytes(range(256)) * 40_000
        for source in ("127.0.0.1", "127.0.0.9"):
            sock = self.connectFrom(source)
            got = b""
            for start in range(0, len(data), 100_000):
                piece = data[start : start + 100_000]
                sock.sendall(piece)
                while len(got) < start + len(piece):
                    got += sock.recv(65536)
            self.assertEqual(data, got)

    def test_everyThird(self) -> None:
        """Replies are counted over all connections."""
        for _ in range(2):
            sock = self.connect("answer")
            for _ in range(2):
                sock.sendall(b"how are u\n")
                self.assertEqual(b"fine", line(sock))
            sock.sendall(b"how are u\n")
            self.assertEqual(b"", readAll(sock))
            self.logged("closed .*: fault close", sock)

    def test_HTTP(self) -> None:
        """Two rules at once: a response that is late and comes in single bytes is complete."""
        sock = self.connect("hello")
        for _ in range(2):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            got = b""
            while not got.endswith(b"Hello World!"):
                got += sock.recv(65536)
            self.assertTrue(got.startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_lastWords(self) -> None:
        """A service's last data and its FIN are delayed, and keep their order."""
        sock = self.connectFrom("127.0.0.3", "chat")
        self.assertRegex(line(sock), b"you are")
        sock.sendall(b"byebye\n")
        self.assertEqual(b"byebye\n", readAll(sock))
        sock.close()

    def test_HTTPReset(self) -> None:
        """The response is complete, then a RST comes in place of the FIN."""
        sock = self.connectFrom("127.0.0.4", "hello")
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        got = b""
        with self.assertRaises(ConnectionResetError):
            while True:
                more = sock.recv(65536)
                self.assertTrue(more, got)
                got += more
        self.assertTrue(got.endswith(b"Hello World!"))

    def test_corrupt(self) -> None:
        """Every byte that the service sends has one bit flipped."""
        plain = line(self.connect("chat"))
        faulty = self.connectFrom("127.0.0.2", "chat").recv(len(plain) - 2)
        flipped = {(a ^ b).bit_count() for a, b in zip(plain[:8], faulty, strict=False)}
        self.assertEqual({1}, flipped)


class ReportTests(SynchronousTestCase):
    """How faults are configured and reported."""

    def test_bad(self) -> None:
        """At SIGHUP a bad rule is named and changes nothing.

        A rule that stays keeps its counts, and a new one applies to open connections.
        """
        folder = temporaryFolder(self)
        config = folder / "netdemo.toml"
        flags = ("--only=echo", "--echo=tcp:0", "--events=events", f"--config={config}")
        config.write_text('fault = ["echo: drop, every 2nd, in"]')
        with running(*flags) as daemon, daemon.connect("echo") as sock:
            answered = [self._asked(sock, text) for text in (b"a",)]
            for rules, log in (
                (
                    '["echo: dorp"]',
                    "settings not changed: .*'echo: dorp': there is no fault 'dorp'",
                ),
                ('["echo: drop, every 2nd, in", "echo: corrupt byte 1"]', "settings read again"),
            ):
                before = len(daemon.log)
                config.write_text(f"fault = {rules}")
                daemon.signal(signal.SIGHUP)
                daemon.waitFor(log, before)
            sock.sendall(b"b")
            daemon.waitFor("fault drop")
            answered += [self._asked(sock, text) for text in (b"c",)]
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(b"", readAll(sock))
            daemon.signal(signal.SIGTERM)
            daemon.wait()
            told = [json.loads(one) for one in (daemon.path / "events").read_text().splitlines()]
        self.assertEqual([b"a", b"c"], answered)
        (faulted,) = [one for one in told if one["event"] == "faulted"]
        self.assertRegex(faulted["rule"], r"^echo: drop, in, every 2nd, seed \d+$")
        self.assertEqual((1, "0 of 1 B passed"), (faulted["count"], faulted["did"]))

    def _asked(self, sock: socket.socket, text: bytes) -> bytes:
        sock.sendall(text)
        return sock.recv(9)

    def test_drain(self) -> None:
        """A daemon that drains still sends what is delayed."""
        rules = ("--fault", "answer: latency 300ms")
        with running("--only=answer", "--answer=tcp:0", *rules) as daemon:
            with daemon.connect("answer") as sock:
                sock.sendall(b"how are u\n")
                sock.shutdown(socket.SHUT_WR)
                daemon.waitFor("connected")
                daemon.signal(signal.SIGTERM)
                self.assertEqual(b"fine\n", readAll(sock))
            self.assertEqual(-signal.SIGTERM, daemon.wait())
            self.assertNotIn("Traceback", daemon.log)

    def test_fixture(self) -> None:
        """In a test the service need not be named: it fails twice, then replies."""
        with serve("echo", faults=["reset at accept, first 2"]) as server:
            for expected in (None, None, b"hi"):
                with connected((server.host, server.port)) as sock:
                    if expected is None:
                        self.assertRaises(ConnectionResetError, sock.recv, 1)
                    else:
                        sock.sendall(expected)
                        self.assertEqual(expected, sock.recv(9))
            closed = [one.closed for one in server.connections]
            self.assertEqual(["fault reset"] * 2, closed[:2])
            self.assertIn("fault reset: reset (echo: reset at accept, first 2", server.journal())

    def test_curl(self) -> None:
        """curl with retries gets the fault twice, then the response."""
        with serve("hello", faults=["reset at accept, first 2"]) as server:
            url = f"http://{server.host}:{server.port}/?name=curl"
            command = [
                "curl",
                "-s",
                "--retry",
                "2",
                "--retry-all-errors",
                "--retry-delay",
                "1",
                url,
            ]
            got = subprocess.run(command, capture_output=True, timeout=PATIENCE)
            self.assertEqual((0, b"Hello World, curl!"), (got.returncode, got.stdout))
            self.assertEqual(3, len(server.connections))

    def test_TLS(self) -> None:
        """Faults act on plain text, with and without a journal; other data passes unchanged."""
        folder = temporaryFolder(self)
        context = ssl.create_default_context()
        certificates(folder).configure_trust(context)
        endpoint = f"ssl:0:privateKey={folder}/key.pem:certKey={folder}/cert.pem"
        rules = ("--fault", "echo: latency 20ms", "--fault", "echo: close in reply, the 2nd")
        for journal in ("0", "9"):
            self._checkTLS(context, "--journal", journal, f"--echo={endpoint}", *rules)

    def _checkTLS(self, context: ssl.SSLContext, *flags: str) -> None:
        with running("--only=echo", *flags) as daemon:
            with (
                connected(daemon.address("echo", "ssl")) as raw,
                context.wrap_socket(raw, server_hostname="localhost") as sock,
            ):
                sock.sendall(b"abcd")
                self.assertEqual(b"abcd", sock.recv(9))
                sock.sendall(b"efgh")
                self.assertEqual(b"ef", readAll(sock))
            daemon.waitFor("fault close; ")
            self.assertNotIn("Traceback", daemon.log)
