"""daemon/logfile.py: the lines of the log, which the daemon never waits to write."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path
from typing import Any

from twisted.logger import LogEvent, PredicateResult
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.sinks.test_jsonfile import Reactor
from tests.support.processes import temporaryFolder
from twistednet.daemon import logfile
from twistednet.daemon.logfile import LogWriter, OncePerPlace
from twistednet.sinks import writing


def raised(key: str) -> LogEvent:
    """Return an event with the traceback of an exception, always of the same place."""
    try:
        raise ValueError("mine")
    except ValueError:
        return {key: Failure()}


class OncePerPlaceTests(SynchronousTestCase):
    """One traceback in ten seconds for each place."""

    def test_rate(self) -> None:
        """The second is left out, whether a Logger logs it or `log.err`; other lines pass."""
        for key in ("log_failure", "failure"):
            now = 100.0
            filtered = OncePerPlace(10, lambda: now)  # noqa: B023
            self.assertEqual(filtered(raised(key)), PredicateResult.maybe)
            now = 109.0
            self.assertEqual(filtered(raised(key)), PredicateResult.no, key)
            self.assertEqual(filtered({"log_format": "other"}), PredicateResult.maybe)
            now = 110.0
            self.assertEqual(filtered(raised(key)), PredicateResult.maybe)


class _Reactor(Reactor):
    """Notes what other threads and handlers of signals leave to it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def callFromThread(self, call: Any, *arguments: Any) -> None:
        self.calls.append((call, arguments))

    def runCalls(self) -> None:
        calls, self.calls = self.calls, []
        for call, arguments in calls:
            call(*arguments)

    def test_twisted(self) -> None:
        """What Twisted logs about each connection is limited, and what the daemon logs is not."""
        filtered = OncePerPlace(10, lambda: 100.0)
        line = {"log_namespace": "twisted.internet.tcp.Port", "log_format": "EMFILE"}
        self.assertEqual(PredicateResult.maybe, filtered(line))
        self.assertEqual(PredicateResult.no, filtered(line))
        self.assertEqual(PredicateResult.maybe, filtered({**line, "log_format": "other"}))
        own = {"log_namespace": "twistednet.sinks.log", "log_format": "connected"}
        self.assertEqual([PredicateResult.maybe] * 2, [filtered(own), filtered(own)])


class LogWriterTests(SynchronousTestCase):
    """A writer on a file whose system calls the test can replace."""

    def setUp(self) -> None:
        self.reactor = _Reactor()
        self.folder = temporaryFolder(self)
        self.path = self.folder / "n.log"
        self.writer = LogWriter(self.reactor, str(self.path))  # type: ignore[arg-type]
        self.addCleanup(self.writer.close)

    def blocks(self, fd: int, data: Any) -> int:
        raise BlockingIOError

    def isFull(self, fd: int, data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def test_atOnce(self) -> None:
        """A line is in the file when the call returns, and only owner and group read it."""
        self.writer.write("one")
        self.assertEqual("one\n", self.path.read_text())
        self.assertEqual(0o640, stat.S_IMODE(self.path.stat().st_mode))

    def test_lost(self) -> None:
        """What nobody reads waits, and then is lost; the next line that fits says how many."""
        self.patch(writing, "MAX_WAITING_BYTES", 1000)
        for write, why in ((self.blocks, "read too slowly"), (self.isFull, "no space left")):
            self.path.write_text("")
            self.writer._write = write
            for number in range(200):
                self.writer.write(f"line {number:04d}")
            self.writer._write = os.write
            self.reactor.advance(1)
            if self.reactor.writers:
                self.writer.doWrite()
            self.writer.write("after")
            *kept, marker, after = self.path.read_text().splitlines()
            self.assertEqual([f"line {number:04d}" for number in range(len(kept))], kept)
            self.assertLess(len(kept), 150)
            self.assertIn(f"(lines of the log that were lost here: {200 - len(kept)}; ", marker)
            self.assertIn(why, marker)
            self.assertEqual("after", after)

    def test_threads(self) -> None:
        """The reactor writes the lines of other threads, but for the watchdog's."""

        def write() -> None:
            self.writer.write("thread")
            self.writer.write("urgent", isUrgent=True)

        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        self.assertEqual("urgent\n", self.path.read_text())
        self.reactor.runCalls()
        self.assertEqual("urgent\nthread\n", self.path.read_text())

    def test_signals(self) -> None:
        """A handler that logs while a line is written, or waiting lines are, cuts none of them."""

        def interrupted(fd: int, data: Any) -> int:
            self.writer._write = os.write
            self.writer.write("handler")
            return os.write(fd, data)

        self.writer._write = interrupted
        self.writer.write("line")
        self.reactor.runCalls()
        self.writer._write = self.blocks
        self.writer.write("waits")
        self.writer._write = interrupted
        self.writer.doWrite()
        self.reactor.runCalls()
        self.assertEqual("line\nhandler\nwaits\nhandler\n", self.path.read_text())

    def test_rotation(self) -> None:
        """A file is rotated when it is full, before the line that follows; 3 are kept here."""
        self.patch(logfile, "MAX_FILE_BYTES", 8)
        self.patch(logfile, "MAX_FILES", 3)
        for number in range(8):
            self.writer.write(f"{number}23")
        self.assertEqual(
            {"n.log": "623\n723\n", "n.log.1": "423\n523\n", "n.log.2": "223\n323\n"},
            {path.name: path.read_text() for path in self.folder.iterdir()},
        )
        self.assertEqual(0o640, stat.S_IMODE(self.path.stat().st_mode))

    def test_rotatedByOthers(self) -> None:
        """A file that was moved or removed is made again."""
        self.path.unlink()
        self.writer.rotate()
        self.writer.write("new")
        self.assertEqual(["n.log"], os.listdir(self.folder))
        self.assertEqual("new\n", self.path.read_text())

    def test_notRotated(self) -> None:
        """A pipe is not moved away, and neither is a device."""
        path = self.folder / "pipe"
        os.mkfifo(path)
        for target in (path, Path("/dev/null")):
            writer = LogWriter(self.reactor, str(target))  # type: ignore[arg-type]
            self.addCleanup(writer.close)
            writer.rotate()
            writer.write("x")
            self.assertFalse(stat.S_ISREG(target.stat().st_mode))

    def test_finish(self) -> None:
        """A slow reader has a moment for the last lines; one that does not read has no more."""
        self.patch(logfile, "LAST_SECONDS", 0.1)
        blocked = iter([True, True, False])

        def slow(fd: int, data: Any) -> int:
            return self.blocks(fd, data) if next(blocked, False) else os.write(fd, data)

        self.writer._write = slow
        self.writer.write("last")
        self.writer.finish()
        self.assertEqual("last\n", self.path.read_text())
        self.writer._write = self.blocks
        self.writer.write("lost")
        self.writer.finish()
        self.assertEqual(set(), self.reactor.writers)
        self.assertEqual("last\n", self.path.read_text())
