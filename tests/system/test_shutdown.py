"""No client is reset by a shutdown: a connection that the kernel completed is served."""

from __future__ import annotations

import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import PATIENCE, Running, readAll, running, temporaryFolder

#: The connections that wait to be accepted at the signal.
QUEUED = 1000
#: The clients that connect again and again while the daemon stops.
LOOPING = 40

_Connect = Callable[[], socket.socket]


def outcome(sock: socket.socket, request: bytes = b"hi") -> str:
    """Echo once and end the connection; return "served", or what went wrong."""
    with sock:
        try:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            got = readAll(sock)
        except OSError as error:
            return type(error).__name__
    return "served" if got == request or b" 200 OK" in got[:20] else f"got {got[:60]!r}"


class Loopers:
    """Clients that connect, echo and close until they are refused; `ends` counts the outcomes."""

    def __init__(self, connect: _Connect, request: bytes = b"hi") -> None:
        self.ends: Counter[str] = Counter()
        self._connect = connect
        self._request = request
        self._threads = [threading.Thread(target=self._loop, daemon=True) for _ in range(LOOPING)]
        self._busy = threading.Event()
        for thread in self._threads:
            thread.start()

    def _loop(self) -> None:
        while True:
            try:
                sock = self._connect()
            except (ConnectionRefusedError, FileNotFoundError):
                return
            except OSError as error:
                self.ends[f"connect: {type(error).__name__}"] += 1
                return
            self.ends[outcome(sock, self._request)] += 1
            if self.ends["served"] > 10 * LOOPING:
                self._busy.set()

    def waitUntilBusy(self) -> None:
        """Wait until each has had some turns."""
        assert self._busy.wait(PATIENCE), self.ends

    def wait(self) -> None:
        """Wait until all are refused."""
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), self.ends


class ShutdownTestCase(SynchronousTestCase):
    """Daemons with one echo port of each family."""

    def connects(self, daemon: Running, endpoint: str) -> _Connect:
        """Return a function that connects to the daemon's echo."""
        if endpoint.startswith("unix:"):
            path = endpoint.removeprefix("unix:")

            def connect() -> socket.socket:
                sock = socket.socket(socket.AF_UNIX)
                sock.settimeout(PATIENCE)
                try:
                    sock.connect(path)
                except BaseException:
                    sock.close()
                    raise
                return sock

            return connect
        address = daemon.address("echo")
        return lambda: socket.create_connection(address, PATIENCE)

    def endpoints(self) -> list[str]:
        return ["tcp:0", "tcp6:0", f"unix:{temporaryFolder(self) / 'echo.sock'}"]

    def echo(self, endpoint: str, *flags: str) -> Any:
        return running("--only", "echo", "--echo", endpoint, *flags)


class QueuedTests(ShutdownTestCase):
    """Connections that clients have completed and that the daemon has not accepted."""

    def _queued(self, daemon: Running, endpoint: str, stop: Callable[[], None]) -> Counter[str]:
        connect = self.connects(daemon, endpoint)
        daemon.signal(signal.SIGSTOP)
        try:
            socks = [connect() for _ in range(QUEUED)]
            stop()
        finally:
            daemon.signal(signal.SIGCONT)
        return Counter(map(outcome, socks))

    def test_term(self) -> None:
        """SIGTERM: each of 1,000 is served, over IPv4, IPv6 and a UNIX socket."""
        for endpoint in self.endpoints():
            with self.echo(endpoint) as daemon:
                ends = self._queued(daemon, endpoint, lambda: daemon.signal(signal.SIGTERM))
                self.assertEqual({"served": QUEUED}, ends, endpoint)
                self.assertEqual(-signal.SIGTERM, daemon.wait())
                self.assertIn(f"connections: {QUEUED}, {QUEUED} by client FIN", daemon.log)

    def test_moved(self) -> None:
        """SIGHUP that moves the port: each of 1,000 is served."""
        settings = temporaryFolder(self) / "netdemo.toml"
        for endpoint in self.endpoints():
            settings.write_text(f'only = ["echo"]\necho = "{endpoint}"\n')
            with running("--config", str(settings)) as daemon:
                self.connects(daemon, endpoint)
                settings.write_text('only = ["echo"]\necho = "tcp:0"\n')
                ends = self._queued(daemon, endpoint, lambda: daemon.signal(signal.SIGHUP))
                self.assertEqual({"served": QUEUED}, ends, endpoint)
                self.assertEqual(b"again", self._echoed(daemon))

    def _echoed(self, daemon: Running) -> bytes:
        daemon.waitFor("settings read again")
        with daemon.connect("echo") as sock:
            sock.sendall(b"again")
            return sock.recv(10)


class LiveTests(ShutdownTestCase):
    """Clients that connect all the time."""

    def _stopped(self, endpoint: str, number: int = signal.SIGTERM) -> None:
        with self.echo(endpoint) as daemon:
            loopers = Loopers(self.connects(daemon, endpoint))
            loopers.waitUntilBusy()
            daemon.signal(number)
            loopers.wait()
            served = loopers.ends.pop("served")
            self.assertEqual(({}, True), (loopers.ends, served > 0), endpoint)
            self.assertEqual(-number, daemon.wait())
            self.assertNotIn("Traceback", daemon.log)

    def test_stop(self) -> None:
        """40 looping clients: each is served until it is refused."""
        for endpoint in self.endpoints():
            self._stopped(endpoint)

    @pytest.mark.slow
    def test_ten(self) -> None:
        """The same, ten times for each kind of socket."""
        for _ in range(10):
            self.test_stop()

    def test_requests(self) -> None:
        """A connection to hello that was just accepted gets the response to its request."""
        request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        with running("--only", "hello", "--hello", "tcp:0") as daemon:
            address = daemon.address("hello")
            loopers = Loopers(lambda: socket.create_connection(address, PATIENCE), request)
            loopers.waitUntilBusy()
            daemon.signal(signal.SIGTERM)
            loopers.wait()
            del loopers.ends["served"]
            self.assertEqual({}, loopers.ends)


class FaultTests(ShutdownTestCase):
    """A rule that closes the port, while clients wait and connect."""

    def test_refuse(self) -> None:
        """`refuse` serves each connection that waits, and each looping client."""
        settings = temporaryFolder(self) / "netdemo.toml"
        for endpoint in ("tcp:0", "tcp6:0"):
            settings.write_text(f'only = ["echo"]\necho = "{endpoint}"\n')
            with running("--config", str(settings)) as daemon:
                connect = self.connects(daemon, endpoint)
                loopers = Loopers(connect)
                loopers.waitUntilBusy()
                daemon.signal(signal.SIGSTOP)
                socks = [connect() for _ in range(QUEUED // 2)]
                settings.write_text(settings.read_text() + 'fault = ["echo: refuse"]\n')
                daemon.signal(signal.SIGHUP)
                daemon.signal(signal.SIGCONT)
                self.assertEqual({"served": QUEUED // 2}, Counter(map(outcome, socks)), endpoint)
                loopers.wait()
                del loopers.ends["served"]
                self.assertEqual({}, loopers.ends, endpoint)
