"""The log and the events where nobody reads them: the daemon serves, and stops when asked."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from tests.support.processes import PATIENCE, TWISTD, environment, readAll, temporaryFolder

#: Messages that receive logs, and what they are: together more than a page.
MESSAGES = 40
MESSAGE = b"x" * 200
#: The bytes that a pipe may hold.
PAGE = 4096


class UnreadTests(TestCase):
    """Daemons whose output goes where nothing more fits."""

    def setUp(self) -> None:
        self.folder = temporaryFolder(self)
        self.path = self.folder / "echo.sock"
        self.receiver = self.folder / "receive.sock"

    def pipe(self) -> tuple[int, int]:
        """Return the ends of a pipe that holds a page."""
        ends = os.pipe()
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, PAGE)
        for end in ends:
            self.addCleanup(os.close, end)
        return ends

    def start(
        self, *flags: str, twistd: tuple[str, ...] = (), program: str = TWISTD, **more: Any
    ) -> Any:
        """Start a daemon, and wait until it serves."""
        more.setdefault("stderr", subprocess.DEVNULL)
        process = subprocess.Popen(
            [
                sys.executable,
                program,
                "-n",
                "--pidfile=",
                *twistd,
                "netdemo",
                "--only",
                "echo,receive",
                "--echo",
                f"unix:{self.path}",
                "--receive",
                f"unix:{self.receiver}",
                *flags,
            ],
            cwd=self.folder,
            env=environment(),
            **more,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.echo()
        return process

    def echo(self) -> None:
        """Connect once, as soon as the daemon listens, and be served."""
        deadline = time.monotonic() + PATIENCE
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            while True:
                try:
                    sock.connect(str(self.path))
                    break
                except OSError:
                    self.assertLess(time.monotonic(), deadline)
            sock.sendall(b"hi")
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(b"hi", readAll(sock))

    def say(self) -> None:
        """Send messages to receive, which logs them."""
        for _ in range(MESSAGES):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(PATIENCE)
                sock.connect(str(self.receiver))
                sock.sendall(MESSAGE)
                sock.shutdown(socket.SHUT_WR)
                self.assertEqual(b"", readAll(sock))

    def serves(self, process: Any) -> None:
        """Check that it serves while it logs more than its output takes, and then stops."""
        self.say()
        self.echo()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(-signal.SIGTERM, process.wait(PATIENCE))

    def test_pipe(self) -> None:
        """A pipe that nobody drains, as of a pager or of Popen(stdout=PIPE)."""
        ours, theirs = self.pipe()
        self.serves(self.start(stdout=theirs))
        self.assertIn(b"serving\n", os.read(ours, PAGE))

    def test_pipeOfAnotherUser(self) -> None:
        """One that cannot be opened again, as without /dev/fd, is not waited for either."""
        for flags in ((), ("--events", "-")):
            _, theirs = self.pipe()
            program = self.folder / "twistd"
            program.write_text(
                "import os, sys\n"
                "opened = os.open\n"
                "def open(path, *rest, **more):\n"
                "    if str(path).startswith('/dev/fd/'): raise PermissionError(13, 'no')\n"
                "    return opened(path, *rest, **more)\n"
                "os.open = open\n"
                "from twisted.scripts.twistd import run\n"
                "run()\n"
            )
            self.serves(self.start(*flags, stdout=theirs, program=str(program)))

    def test_late(self) -> None:
        """A reader that comes late gets every line, in order."""
        ours, theirs = self.pipe()
        process = self.start(stdout=theirs)
        self.say()
        data = self.readUntil(ours, lambda data: data.count(MESSAGE) == MESSAGES)
        process.send_signal(signal.SIGTERM)
        data += self.readUntil(ours, lambda data: b"stopped; " in data)
        self.assertEqual(-signal.SIGTERM, process.wait(PATIENCE))
        self.assertNotIn(b"lost", data)

    def readUntil(self, pipe: int, isEnough: Callable[[bytes], bool]) -> bytes:
        """Read from a pipe until it is enough."""
        data = b""
        while not isEnough(data):
            self.assertTrue(select.select([pipe], [], [], PATIENCE)[0], data[-500:])
            data += os.read(pipe, PAGE)
        return data

    def test_hungUp(self) -> None:
        """A reader that has gone away."""
        ours, theirs = os.pipe()
        process = self.start(stdout=theirs)
        os.close(ours)
        os.close(theirs)
        self.serves(process)

    def test_socket(self) -> None:
        """A socket that nobody reads."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        self.serves(self.start(stdout=theirs))

    def test_terminal(self) -> None:
        """A terminal that is stopped, as by Ctrl-S."""
        ours, theirs = os.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        process = self.start(stdout=theirs)
        termios.tcflow(theirs, termios.TCOOFF)
        self.serves(process)

    def test_events(self) -> None:
        """Events on a pipe that nobody drains, and the log as well."""
        _, events = self.pipe()
        _, log = self.pipe()
        self.serves(self.start("--events", "-", stdout=events, stderr=log))

    def test_full(self) -> None:
        """A disk that is full: for the log on standard output, in a file, and for events."""
        with open("/dev/full", "wb") as full:
            self.serves(self.start(stdout=full))
            self.serves(self.start("--events", "-", stdout=full, stderr=full))
        self.serves(self.start(twistd=("--logfile=/dev/full",), stdout=subprocess.DEVNULL))
        mode = stat.S_IMODE(os.stat("/dev/full").st_mode)
        self.assertEqual(0o666, mode)

    def test_fifo(self) -> None:
        """A log file that is a pipe without a reader."""
        path = self.folder / "pipe"
        os.mkfifo(path)
        self.serves(self.start(twistd=(f"--logfile={path}",), stdout=subprocess.DEVNULL))

    def closing(self, *numbers: int) -> Callable[[], None]:
        def close() -> None:
            for number in numbers:
                os.close(number)

        return close

    def test_closed(self) -> None:
        """Standard streams that are closed, one or all."""
        for numbers in ((0,), (1,), (2,), (0, 1, 2)):
            self.serves(self.start(preexec_fn=self.closing(*numbers)))

    def test_closedForEvents(self) -> None:
        """Events for a standard output that is closed are a mistake; one line says so."""
        process = subprocess.run(
            [TWISTD, "-n", "--pidfile=", "netdemo", "--only", "echo", "--events", "-"],
            cwd=self.folder,
            env=environment(),
            preexec_fn=self.closing(1),
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
        )
        self.assertEqual(1, process.returncode)
        expected = b"twistd netdemo: --events -: standard output is closed\n"
        self.assertEqual(expected, process.stderr)

    def test_closedInTheBackground(self) -> None:
        """All closed, and without -n: the ports outlive twistd's redirection of the streams."""
        subprocess.run(
            [TWISTD, "netdemo", "--only", "echo", "--echo", f"unix:{self.path}"],
            cwd=self.folder,
            env=environment(),
            preexec_fn=self.closing(0, 1, 2),
            timeout=PATIENCE,
            check=True,
        )
        handle = os.pidfd_open(int(Path(self.folder / "twistd.pid").read_text()))
        self.addCleanup(os.close, handle)
        self.addCleanup(signal.pidfd_send_signal, handle, signal.SIGTERM)
        self.echo()
