"""A daemon in a child process, for tests that want real sockets and real signals."""

from __future__ import annotations

import atexit
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Condition, Thread

ROOT = Path(__file__).parent.parent
TWISTD = Path(sys.executable).with_name("twistd")
#: Seconds that anything may take here before a test fails.
PATIENCE = 20.0


class Running:
    """`command`, which runs the daemon in the foreground, and what it has logged so far."""

    def __init__(
        self, command: Iterable[str | Path], environment: Mapping[str, str] | None = None
    ) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("NETDEMO_")}
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**inherited, **(environment or {})},
        )
        self.output = ""
        self._over = False
        self._more = Condition()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        atexit.register(self.stop)

    @classmethod
    def netdemo(cls, *flags: str, environment: Mapping[str, str] | None = None) -> Running:
        """`twistd -n netdemo` with these flags."""
        return cls([TWISTD, "-n", "--pidfile=", "netdemo", *flags], environment)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._more:
                self.output += line
                self._more.notify_all()
        with self._more:
            self._over = True
            self._more.notify_all()

    def logged(self, pattern: str) -> re.Match[str]:
        """Wait for `pattern` in what is logged."""

        def found() -> re.Match[str] | None:
            return re.search(pattern, self.output, re.MULTILINE)

        with self._more:
            self._more.wait_for(lambda: found() or self._over, PATIENCE)
            match = found()
        if match is None:
            raise AssertionError(f"no {pattern!r} in what was logged:\n{self.output}")
        return match

    def port(self, service: str) -> int:
        """The port of the service, from the table that the daemon starts with."""
        return int(self.logged(rf"^\t{service} +(?:udp )?127\.0\.0\.1:(\d+) ")[1])

    def connect(self, service: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port(service)), PATIENCE)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """End it with SIGTERM, if it still runs, and return its exit status."""
        atexit.unregister(self.stop)
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._reader.join(PATIENCE)
            if self.process.stdout is not None:
                self.process.stdout.close()


def untilEnd(connection: socket.socket) -> bytes:
    """All that comes before the daemon's FIN."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def asked(connection: socket.socket, text: bytes) -> bytes:
    """One line back for one line."""
    connection.sendall(text + b"\n")
    return line(connection)


def line(connection: socket.socket) -> bytes:
    """The next line, its newline not counted."""
    got = b""
    while not got.endswith(b"\n"):
        more = connection.recv(1)
        if not more:
            raise AssertionError(f"the connection ended after {got!r}")
        got += more
    return got[:-1]
