"""`netdemo watch`: the connections of a running daemon, as its log tells of them.

The daemon writes a line for each connection that opens, closes or is refused; the
lines are followed as `tail -F` does, over a rotation too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from twisted.internet.task import deferLater

from twistednet.client.errors import CannotConnect
from twistednet.client.running import show
from twistednet.core.text import shown

#: Seconds between two looks at the log.
LOOK = 0.2

_OPENED = re.compile(r"(\w[\w-]*): (\S+) connected \(#(\d+)\)$")
_CLOSED = re.compile(r"(\w[\w-]*): (\S+) closed \(#(\d+)\): (.+)$")
_REFUSED = re.compile(r"(\w[\w-]*): refused (\S+): (.+)$")


@dataclass
class Watched:
    """Who is connected now, by number, and what happened last."""

    open: dict[int, str] = field(default_factory=dict)

    def take(self, line: str) -> str | None:
        """What a line of the log means for a person; None if it is about something else."""
        text = line.partition("] ")[2]
        if match := _OPENED.match(text):
            self.open[int(match[3])] = f"{match[1]} {match[2]}"
            return f"+ {self.open[int(match[3])]}  ({len(self.open)} open)"
        if match := _CLOSED.match(text):
            self.open.pop(int(match[3]), None)
            return f"- {match[1]} {match[2]}: {match[4]}  ({len(self.open)} open)"
        if match := _REFUSED.match(text):
            return f"! {match[1]} {match[2]} refused: {match[3]}"
        return None


class Follower:
    """The lines of a file that grows, and may be rotated away under its name."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._file = self._opened()
        self._rest = ""

    def _opened(self) -> TextIO:
        return self._path.open(encoding="utf-8", errors="backslashreplace")

    def lines(self) -> Iterator[str]:
        """The whole lines that are new."""
        yield from self._new()
        if self._isRotated():
            yield from self._new()
            self._file.close()
            self._file = self._opened()
            self._rest = ""
            yield from self._new()

    def _new(self) -> Iterator[str]:
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        yield from lines

    def _isRotated(self) -> bool:
        try:
            now = self._path.stat()
        except OSError:
            return False
        before = os.fstat(self._file.fileno())
        return (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino)

    def close(self) -> None:
        self._file.close()


async def watched(reactor: Any, path: str, follow: bool) -> None:
    """Show what the log tells, from its beginning. Raises CannotConnect without a log."""
    try:
        log = Follower(path)
    except OSError as error:
        raise CannotConnect(
            f"{shown(path)}: {(error.strerror or 'cannot be read').lower()}: "
            "name the daemon's log, as in twistd --logfile FILE netdemo"
        ) from None
    state = Watched()
    try:
        while True:
            for line in log.lines():
                told = state.take(line)
                if told is not None:
                    show(told)
            if not follow:
                return
            await deferLater(reactor, LOOK, lambda: None)
    finally:
        log.close()
