"""The daemon as its user starts it: a process of its own, spoken to over sockets."""

from __future__ import annotations

import atexit
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase, TestCase

from twistednet.services.catalog import SERVICES

ROOT = Path(__file__).parents[2]
TWISTD = str(Path(sys.executable).with_name("twistd"))
#: The same, with more lines in its log.
_VERBOSE_TWISTD = [sys.executable, str(Path(__file__).with_name("verbosetwistd.py"))]

#: Seconds that anything may take before a test calls it hung.
PATIENCE = 20

#: Every service on a port that the system chooses, and nothing on the defaults.
ANYWHERE = [
    word
    for service in SERVICES
    for kind in dict.fromkeys(text.partition(":")[0] for text in service.listen)
    for word in (f"--{service.name}", f"{kind}:0")
]


def temporaryFolder(case: SynchronousTestCase) -> Path:
    """A folder that is gone with the test. (trial's mktemp leaves its own where pytest runs.)"""
    folder = tempfile.TemporaryDirectory()
    case.addCleanup(folder.cleanup)
    return Path(folder.name)


def environment(**more: str) -> dict[str, str]:
    """Ours, without what would set the daemon; the admin site has one port for all."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NETDEMO_")}
    return {**kept, "NETDEMO_ADMIN": "off", "PYTHONUNBUFFERED": "1", **more}


def run(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """A twistd that is expected to end by itself."""
    more.setdefault("env", environment())
    with tempfile.TemporaryDirectory() as folder:
        more.setdefault("cwd", folder)
        return subprocess.run(
            [TWISTD, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            **more,
        )


class Running:
    """One daemon. `log` grows as it speaks; `address` tells where a service listens.

    `command` starts it in some other way, in which it need not serve at once.
    """

    def __init__(
        self,
        *flags: str,
        twistd: Sequence[str] = (),
        command: Sequence[str] | None = None,
        **more: Any,
    ) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        more.setdefault("env", environment())
        self.process = subprocess.Popen(
            command or [*_VERBOSE_TWISTD, "-n", "--pidfile=", *twistd, "netdemo", *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.path,
            **more,
        )
        self.log = ""
        atexit.register(self.close)
        if command is None:
            self.waitFor("serving\n")

    def readLog(self) -> None:
        """Add to `log` what the daemon has written so far, so that the pipe has room."""
        assert self.process.stdout is not None
        while select.select([self.process.stdout], [], [], 0)[0]:
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return
            self.log += data.decode()

    def waitFor(self, pattern: str, since: int = 0) -> re.Match[str]:
        """The first place in the log from `since` on that matches."""
        deadline = time.monotonic() + PATIENCE
        assert self.process.stdout is not None
        while not (found := re.compile(pattern, re.MULTILINE).search(self.log, since)):
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"no {pattern!r} in the log:\n{self.log}")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise AssertionError(f"it ended without {pattern!r}:\n{self.log}")
            self.log += data.decode()
        return found

    def address(self, service: str, kind: str = "") -> tuple[str, int]:
        """Host and port, of TCP or of `kind` (udp, ssl), once a table has told."""
        row = rf"^\t{service} +{kind}{' ' if kind else ''}(\S+):(\d+) "
        self.waitFor(row)
        *_, last = re.finditer(row, self.log, re.MULTILINE)
        return last[1].strip("[]"), int(last[2])

    def connect(self, service: str) -> socket.socket:
        """A connection to it over TCP, whose every call has patience and no more."""
        return socket.create_connection(self.address(service), timeout=PATIENCE)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit status; what it still had to say is in `log`."""
        assert self.process.stdout is not None
        if not self.process.stdout.closed:
            rest, _ = self.process.communicate(timeout=PATIENCE * 3)
            self.log += rest.decode()
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        """End it as its user would, and return its exit status."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        status = self.wait()
        self.close()
        return status

    def close(self) -> None:
        """End it if it still runs, and leave nothing behind."""
        atexit.unregister(self.close)
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process.wait()
        self.folder.cleanup()


@contextmanager
def running(*flags: str, **more: Any) -> Iterator[Running]:
    """A daemon for one test."""
    daemon = Running(*flags, **more)
    try:
        yield daemon
    finally:
        daemon.close()


def readAll(sock: socket.socket) -> bytes:
    """Everything up to the other side's FIN."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def line(sock: socket.socket) -> bytes:
    """The next line, its newline not counted."""
    got = b""
    while not got.endswith(b"\n"):
        more = sock.recv(1)
        if not more:
            raise AssertionError(f"the connection ended after {got!r}")
        got += more
    return got[:-1]


def asked(sock: socket.socket, text: bytes) -> bytes:
    """One line back for one line."""
    sock.sendall(text + b"\n")
    return line(sock)


def readUntil(sock: socket.socket, end: Callable[[bytes], object] | bytes) -> bytes:
    """Everything until it ends so, or the condition holds of it, or the FIN."""
    data = b""
    holds = end if callable(end) else lambda data: data.endswith(end)
    while not holds(data):
        more = sock.recv(65536)
        if not more:
            break
        data += more
    return data


class DaemonTests(TestCase):
    """One daemon for all tests of a class; each looks at its own connections only.

    (trial knows no setUpClass: the first test starts it, and the end of the run ends it.)
    """

    flags: tuple[str, ...] = tuple(ANYWHERE)
    daemon: Running

    def setUp(self) -> None:
        self.daemon = _daemonOf(type(self))

    def tearDown(self) -> None:
        self.assertNotIn("Traceback", self.daemon.log)

    def connect(self, service: str) -> socket.socket:
        """A connection that is closed with the test."""
        sock = self.daemon.connect(service)
        self.addCleanup(sock.close)
        return sock

    def datagrams(self) -> socket.socket:
        """A UDP socket that is closed with the test."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(PATIENCE)
        sock.bind(("127.0.0.1", 0))
        self.addCleanup(sock.close)
        return sock

    def logged(self, pattern: str, sock: socket.socket) -> str:
        """The line of the log about this socket's own address."""
        host, port = sock.getsockname()[:2]
        return self.daemon.waitFor(f"(?m)^.*{host}:{port} .*{pattern}.*(?:\n\t.*)*")[0]


@cache
def _daemonOf(case: type[DaemonTests]) -> Running:
    return Running(*case.flags)
