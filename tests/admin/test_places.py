"""Who gives way when the admin site is full."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, closing
from unittest import skipUnless

import pytest
from twisted.trial.unittest import TestCase

from tests.support.adminsite import Admin
from tests.support.processes import PATIENCE, Running, readUntil, running
from twistednet.admin.places import HELD, PLACES

#: One small service, and the site.
FLAGS = ("--only", "echo", "--echo", "tcp:0", "--admin", "tcp:0")
PROBE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connected(admin: Admin) -> socket.socket:
    return socket.create_connection((admin.host, admin.port), PATIENCE)


def answered(sock: socket.socket, request: bytes) -> bytes:
    """The status of the answer, once all of it is here."""
    sock.sendall(request)
    return readUntil(sock, b"ok\n").partition(b"\r\n")[0]


class PlacesTests(TestCase):
    """A site of which somebody takes every place."""

    def setUp(self) -> None:
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)
        self.daemon: Running = self.stack.enter_context(running(*FLAGS))
        self.admin = Admin(self.daemon)

    def open(self, request: bytes = b"") -> socket.socket:
        sock = self.stack.enter_context(closing(connected(self.admin)))
        sock.sendall(request)
        return sock

    def probe(self) -> None:
        """A new connection is answered."""
        with connected(self.admin) as sock:
            self.assertEqual(b"HTTP/1.1 200 OK", answered(sock, PROBE))

    def refusals(self, limit: str) -> int:
        page = self.admin.ask("/metrics").body.decode()
        found = re.search(
            rf'twistednet_refused_total{{limit="{limit}",service="admin"}} (\d+)', page
        ) or re.search(rf'twistednet_refused_total{{service="admin",limit="{limit}"}} (\d+)', page)
        return 0 if found is None else int(found[1])

    def test_idle(self) -> None:
        """The connection that has been idle for longest is closed, with a FIN, and no other."""
        idle = [self.open() for _ in range(PLACES)]
        for sock in idle:
            self.assertEqual(b"HTTP/1.1 200 OK", answered(sock, PROBE))
        # The first has been used again since.
        self.assertEqual(b"HTTP/1.1 200 OK", answered(idle[0], PROBE))
        self.probe()
        self.assertEqual(b"", idle[1].recv(1))
        for sock in (idle[0], idle[2], idle[-1]):
            self.assertEqual(b"HTTP/1.1 200 OK", answered(sock, PROBE))
        self.daemon.waitFor("admin: refused 127.0.0.1:.*: gave way")
        self.assertGreater(self.refusals("gave way"), 0)

    def test_silent(self) -> None:
        """One that sends nothing, or half a request, gives way too; an idle one goes first."""
        silent = [self.open() for _ in range(PLACES // 2)]
        half = [self.open(PROBE[:-2]) for _ in range(PLACES - 1 - len(silent))]
        idle = self.open()
        self.assertEqual(b"HTTP/1.1 200 OK", answered(idle, PROBE))
        self.probe()
        self.assertEqual(b"", idle.recv(1))
        for _ in range(PLACES):
            self.probe()
        half[-1].sendall(b"\r\n")
        self.assertTrue(readUntil(half[-1], b"ok\n").startswith(b"HTTP/1.1 200 OK"))

    def test_token(self) -> None:
        """A request with the token keeps its place, and some places are not for such requests:
        they are refused with a 503, and probes are answered."""
        request = (
            "POST /api/v1/try HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nX-Netdemo: 1\r\n"
            f"Authorization: Bearer {self.admin.token}\r\n\r\n"
        ).encode()
        held = [self.open(request) for _ in range(HELD)]
        # Each was read once a later connection is answered.
        self.probe()
        late = self.open(request + b"123456789")
        self.assertIn(b"HTTP/1.1 503 ", readUntil(late, b"}\n"))
        silent = [self.open() for _ in range(2 * PLACES)]
        self.probe()
        self.assertEqual(HELD, len(held))
        for sock in held:
            sock.sendall(b"123456789")
            self.assertIn(b"HTTP/1.1 415 ", sock.recv(100))
        with self.assertRaises(ConnectionResetError):
            silent[0].recv(1)
        self.assertEqual(1, self.refusals("requests"))


@pytest.mark.slow
@skipUnless(shutil.which("slowhttptest"), "slowhttptest is not installed")
class SlowClientTests(TestCase):
    """slowhttptest opens 400 connections to the site, 100 a second."""

    def probeBeside(self, *how: str) -> None:
        with running(*FLAGS) as daemon:
            admin = Admin(daemon)
            url = f"http://{admin.host}:{admin.port}/metrics"
            attack = subprocess.Popen(
                ["slowhttptest", *how, *("-c", "400", "-r", "100", "-l", "6", "-u", url)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.addCleanup(attack.wait)
            self.addCleanup(attack.kill)
            slowest, count = 0.0, 0
            while attack.poll() is None:
                for path in ("/livez", "/readyz", "/api/v1/services"):
                    began = time.monotonic()
                    self.assertEqual(200, admin.ask(path).status)
                    slowest = max(slowest, time.monotonic() - began)
                    count += 1
            self.assertGreater(count, 30)
            # 0.1 s are promised; this machine may be busy with other tests.
            self.assertLess(slowest, 1.0)
            self.assertNotIn("Traceback", daemon.log)

    def test_slowHeaders(self) -> None:
        """Headers that never end."""
        self.probeBeside("-H", "-i", "1")

    def test_slowBodies(self) -> None:
        """Bodies that never end."""
        self.probeBeside("-B", "-i", "1")

    def test_slowReaders(self) -> None:
        """Responses that are hardly read."""
        self.probeBeside("-X", "-k", "3", "-w", "1", "-y", "10", "-n", "2", "-z", "1")

    def test_ranges(self) -> None:
        """Requests for many ranges."""
        self.probeBeside("-R", "-a", "1", "-b", "3000")
