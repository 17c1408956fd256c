"""Clients that send without end, and do not disturb others."""

from __future__ import annotations

import signal
import socket
import threading
import time
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.support.adminsite import Admin
from tests.support.processes import ANYWHERE, PATIENCE, Running, environment, readUntil, running

#: The clients of each flood, and the seconds for which it is watched.
FLOODS = 20
SECONDS = 1.0


#: Clients that read nothing keep their connections as long as they may.
DRAIN = ("--drain-timeout", "2")


def flood(address: tuple[str, int], request: bytes, ended: threading.Event) -> None:
    """Pipeline requests on one connection until it is closed, and read no response."""
    with socket.create_connection(address, timeout=0.1) as sock:
        while not ended.is_set():
            try:
                sock.sendall(request * 500)
            except TimeoutError:
                continue
            except OSError:
                return


def resident(daemon: Running) -> int:
    """Return the daemon's resident memory in bytes."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


class PipeliningTests(TestCase):
    """The whole daemon under clients that pipeline without end."""

    def floods(self, daemon: Running, address: tuple[str, int], request: bytes) -> None:
        """Start the flood; it ends with the daemon, or with the test."""
        ended = threading.Event()
        threads = [
            threading.Thread(target=flood, args=(address, request, ended)) for _ in range(FLOODS)
        ]
        for thread in threads:
            thread.start()
            self.addCleanup(thread.join, PATIENCE)
        self.addCleanup(ended.set)

    def checkOthers(self, daemon: Running, address: tuple[str, int], request: bytes) -> None:
        with daemon.connect("echo") as echo:
            before = resident(daemon)
            self.floods(daemon, address, request)
            latencies = []
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                begun = time.monotonic()
                echo.sendall(b"x\n")
                readUntil(echo, b"\n")
                latencies.append(time.monotonic() - begun)
            # Without turns it is one answer in 7 s.
            self.assertLess(sorted(latencies)[len(latencies) // 2], 0.1)
            self.assertLess((resident(daemon) - before) / FLOODS, 256 * 1024)
        begun = time.monotonic()
        daemon.signal(signal.SIGTERM)
        daemon.wait()
        self.assertLess(time.monotonic() - begun, 15)
        self.assertNotIn("Traceback", daemon.log)

    def test_hello(self) -> None:
        """Echo answers while clients pipeline requests to hello, and the daemon stops in time."""
        with running(*ANYWHERE, "--journal", "0", *DRAIN) as daemon:
            address = daemon.address("hello")
            self.checkOthers(daemon, address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    def test_metrics(self) -> None:
        """The same on the admin site, without a token."""
        flags = (*ANYWHERE, "--admin", "tcp:0", "--journal", "0", *DRAIN)
        with running(*flags, env=environment(NETDEMO_ADMIN="tcp:0")) as daemon:
            admin = Admin(daemon)
            request = f"GET /metrics HTTP/1.1\r\nHost: {admin.host}:{admin.port}\r\n\r\n"
            self.checkOthers(daemon, (admin.host, admin.port), request.encode())
