"""sinks/jsonfile.py: events in a file or a pipe, at nobody's cost."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import stat
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import temporaryFolder
from twistednet.events.model import Opened, Received
from twistednet.sinks import jsonfile as room
from twistednet.sinks import writing
from twistednet.sinks.jsonfile import CannotWrite, JSONLinesSink


class Reactor(Clock):
    """Notes who waits until writing is possible."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: set[Any] = set()
        self.addWriter = self.writers.add
        self.removeWriter = self.writers.remove


class Complaints:
    """A logger that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, format: str, **values: Any) -> None:
        self.lines.append(format.format(**values))


def event(number: int) -> Opened:
    return Opened(number, "echo", "127.0.0.1:5", at=float(number))


class EventLinesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Reactor()
        self.folder = temporaryFolder(self)
        self.complaints = Complaints()
        self.open: set[JSONLinesSink] = set()

    def lines(self, path: Path | str, payload: int = 256) -> JSONLinesSink:
        lines = JSONLinesSink(self.reactor, str(path), payload)
        lines.log = self.complaints  # type: ignore[assignment]
        self.open.add(lines)
        self.addCleanup(self.end, lines)
        return lines

    def end(self, lines: JSONLinesSink) -> None:
        if lines in self.open:
            self.open.remove(lines)
            lines.close()

    def fifo(self) -> Path:
        path = self.folder / "pipe"
        os.mkfifo(path)
        return path

    def read(self, fd: int) -> bytes:
        """All that is in a pipe now."""
        data = b""
        while select.select([fd], [], [], 0)[0]:
            data += os.read(fd, 1 << 20)
        return data

    def numbers(self, data: bytes) -> list[int]:
        """Of whole lines: the id of each event, or what was dropped, as a negative."""
        self.assertEqual(b"\n", data[-1:])
        events = map(json.loads, data.splitlines())
        return [one["id"] if "id" in one else -one["count"] for one in events]

    def test_file(self) -> None:
        """A line an event; those of one turn are written at once; what was there stays."""
        path = self.folder / "events"
        path.write_text("before\n")
        lines = self.lines(path)
        for number in (1, 2):
            lines(event(number))
        self.assertEqual("before\n", path.read_text())
        self.reactor.advance(0)
        before, *events = path.read_text().splitlines()
        self.assertEqual(("before", [1, 2]), (before, [json.loads(one)["id"] for one in events]))
        self.assertEqual(([], set()), (self.reactor.getDelayedCalls(), self.reactor.writers))

    def test_mode(self) -> None:
        """What it makes is for owner and group: peers' words are in it."""
        path = self.folder / "events"
        self.lines(path)
        self.assertEqual(0, stat.S_IMODE(path.stat().st_mode) & 0o137)

    def test_payload(self) -> None:
        """Of a chunk as much is shown as was asked for, from now on."""
        path = self.folder / "events"
        lines = self.lines(path, 3)
        chunk = Received(1, "echo", "p", b"hello", "dataReceived")
        lines(chunk)
        lines.payload = 4
        lines(chunk)
        self.end(lines)
        shown = [json.loads(one) for one in path.read_text().splitlines()]
        self.assertEqual([("hel", 5), ("hell", 5)], [(one["data"], one["size"]) for one in shown])

    def test_nobodyReads(self) -> None:
        """A pipe that nobody reads takes what it can; the rest waits, then is dropped and told."""
        self.patch(writing, "MAX_WAITING_BYTES", 10_000)
        path = self.fifo()
        lines = self.lines(path)
        for number in range(1, 2001):
            lines(event(number))
            self.reactor.advance(0)
        self.assertEqual({lines}, self.reactor.writers)
        self.assertEqual([], self.reactor.getDelayedCalls())
        self.assertGreater(lines.dropped, 500)
        self.assertLess(len(lines._waiting), 11_000)
        self.assertEqual(1, len(self.complaints.lines))
        # Somebody comes who reads: what waited arrives whole, and what did not is told.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, fd)
        data = self.read(fd)
        while self.reactor.writers:
            lines.doWrite()
            data += self.read(fd)
        lines(event(3000))
        self.reactor.advance(0)
        data += self.read(fd)
        got = self.numbers(data)
        self.assertEqual([*range(1, 2001 - lines.dropped), -lines.dropped, 3000], got)

    def test_hysteresis(self) -> None:
        """Once events are dropped they are until half of the room is free: few lines tell of it."""
        self.patch(writing, "MAX_WAITING_BYTES", 10_000)
        path = self.folder / "events"
        lines = self.lines(path)
        budget = 0

        def write(fd: int, data: Any) -> int:
            nonlocal budget
            if not budget:
                raise BlockingIOError
            written = os.write(fd, data[:budget])
            budget = 0
            return written

        lines._write = write
        for number in range(1, 1001):
            lines(event(number))
            self.reactor.advance(0)
            if number % 10 == 0:
                budget = 1000
                lines.doWrite()
        lines._write = os.write
        self.end(lines)
        got = self.numbers(path.read_bytes())
        told = [number for number in got if number < 0]
        self.assertEqual(lines.dropped, -sum(told))
        self.assertEqual(1000, len(got) - len(told) + lines.dropped)
        self.assertGreater(len(told), 1)
        self.assertLess(len(told), 10)

    def test_fullDisk(self) -> None:
        """A disk that is full is tried again each second, and told of; no line is cut."""
        path = self.folder / "events"
        lines = self.lines(path)
        room = 7

        def write(fd: int, data: Any) -> int:
            nonlocal room
            if not room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = os.write(fd, data[:room])
            room -= written
            return written

        lines._write = write
        lines(event(1))
        self.reactor.advance(0)
        self.assertEqual(7, path.stat().st_size)
        self.assertIn("no space left on device", self.complaints.lines[0])
        lines(event(2))
        self.reactor.advance(1)
        self.assertEqual(7, path.stat().st_size)
        room = 1 << 20
        self.reactor.advance(0.9)
        self.assertEqual(7, path.stat().st_size)
        self.reactor.advance(0.1)
        self.assertEqual([1, 2], self.numbers(path.read_bytes()))
        self.assertEqual(1, len(self.complaints.lines))

    def test_devFull(self) -> None:
        """On /dev/full all is dropped in the end, and nothing raises."""
        self.patch(writing, "MAX_WAITING_BYTES", 1000)
        lines = self.lines("/dev/full")
        for number in range(100):
            lines(event(number))
            self.reactor.advance(0.5)
        self.assertGreater(lines.dropped, 80)
        self.assertIn("no space left", self.complaints.lines[0])

    def test_readerGone(self) -> None:
        """A reader may hang up, and another may come: what was sent meanwhile waits for it."""
        ours, theirs = socket.socketpair()
        self.patch(room, "opened", lambda path: ours.detach())
        lines = self.lines("-")
        lines(event(1))
        self.reactor.advance(0)
        self.assertEqual([1], self.numbers(theirs.recv(1000)))
        theirs.close()
        lines(event(2))
        self.reactor.advance(0)
        self.assertEqual(1, len(self.complaints.lines))
        self.assertEqual(1, len(self.reactor.getDelayedCalls()))
        lines(event(3))
        self.assertEqual(1, len(self.reactor.getDelayedCalls()))

    def test_connectionLost(self) -> None:
        """A reactor that finds the other end gone drops who waits; it is tried again later."""
        path = self.fifo()
        lines = self.lines(path)
        lines._write = self.wouldBlock
        lines(event(1))
        self.reactor.advance(0)
        self.assertEqual({lines}, self.reactor.writers)
        self.reactor.writers.clear()
        lines.connectionLost(Failure(OSError()))
        lines._write = os.write
        self.reactor.advance(1)
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, fd)
        self.assertEqual([1], self.numbers(self.read(fd)))
        self.assertEqual((lines._fd, "events"), (lines.fileno(), lines.logPrefix()))

    def wouldBlock(self, fd: int, data: Any) -> int:
        raise BlockingIOError

    def test_close(self) -> None:
        """At the end is written what can be; the rest is counted, and nobody waits for it."""
        lines = self.lines(self.fifo())
        lines._write = self.wouldBlock
        lines(event(1))
        self.reactor.advance(0)
        lines(event(2))
        self.end(lines)
        self.assertEqual((2, set()), (lines.dropped, self.reactor.writers))
        self.assertIn(": 2", self.complaints.lines[-1])

    def test_rotated(self) -> None:
        """A file that was moved away, replaced or removed is no longer at its path."""
        path = self.folder / "events"
        lines = self.lines(path)
        self.assertTrue(lines.isAt(str(path)))
        self.assertFalse(lines.isAt(str(path) + "2"))
        path.rename(self.folder / "events.1")
        self.assertFalse(lines.isAt(str(path)))
        path.write_text("")
        self.assertFalse(lines.isAt(str(path)))

    def test_cannot(self) -> None:
        """Where nothing can be written, one line says why."""
        for path, why in (
            (self.folder, "is a directory"),
            (self.folder / "no" / "where", "no such file or directory"),
        ):
            error = self.assertRaises(CannotWrite, self.lines, path)
            self.assertEqual(f"--events {path}: {why}", str(error))
