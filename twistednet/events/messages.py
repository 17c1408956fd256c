"""Messages of a conversation: where each began and ended, and what ended it.

Nothing is guessed. A line end always ends a message; whether a pause ended one was reported by the
framer of the service that decided it (see `core.framing`), as a `PauseMark`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from twistednet.events.chunks import Chunk
from twistednet.events.marks import FaultMark, PauseMark

#: What ended a message: a line end, a pause, the client's FIN, or the end of one write. The last
#: is so for answers to a client that sends no line ends, which have none either.
LINE, PAUSE, FIN, WRITE = "line", "pause", "FIN", "write"


@dataclass(frozen=True, slots=True)
class MessageBounds:
    """One message, as a part of all data of its direction ("in" or "out").

    It is `data[begin:end]`, with its line end. `first` and `last` are the chunks of that direction
    in which it began and ended, counted from 1 without empty ones. `at` is when it began, as of a
    chunk, and `ending` what ended it.
    """

    direction: str
    at: float
    begin: int
    end: int
    first: int
    last: int
    ending: str


class MessageReader:
    """Yields the messages of a connection, given its chunks and its marks in order."""

    def __init__(self) -> None:
        self._in, self._out = _Side("in"), _Side("out")
        # As in the services: answers have a line end until a question had none.
        self._isBare = False

    def read(self, part: Chunk | FaultMark | PauseMark) -> Iterator[MessageBounds]:
        """Yield the messages that this part ends."""
        if isinstance(part, PauseMark):
            self._isBare = True
            yield from self._in.ended(PAUSE, part.size)
        elif isinstance(part, Chunk):
            yield from self._chunk(part)

    def _chunk(self, chunk: Chunk) -> Iterator[MessageBounds]:
        if chunk.direction == "out":
            yield from self._out.read(chunk)
            if self._isBare:
                yield from self._out.ended(WRITE)
        elif chunk.data:
            for message in self._in.read(chunk):
                self._isBare = False
                yield message
        else:
            for message in self._in.ended(FIN):
                self._isBare = self._isBare or not self._in.hasLines
                yield message


def messagesOf(parts: Iterable[Chunk | FaultMark | PauseMark]) -> list[MessageBounds]:
    """Return the messages of a connection."""
    reader = MessageReader()
    return [message for part in parts for message in reader.read(part)]


class _Side:
    """One direction: where its chunks begin, and the message that has begun."""

    def __init__(self, direction: str) -> None:
        self._direction = direction
        self._starts: list[int] = []
        self._times: list[float] = []
        self._begin = self._end = 0
        #: True once a line end was read.
        self.hasLines = False

    def read(self, chunk: Chunk) -> Iterator[MessageBounds]:
        """Yield the messages that line ends in this chunk end."""
        start = self._end
        self._starts.append(start)
        self._times.append(chunk.at)
        self._end += len(chunk.data)
        found = chunk.data.find(b"\n")
        while found >= 0:
            self.hasLines = True
            yield from self.ended(LINE, start + found + 1 - self._begin)
            found = chunk.data.find(b"\n", found + 1)

    def ended(self, ending: str, size: int | None = None) -> Iterator[MessageBounds]:
        """Yield the message that has begun, if any: `size` bytes, or all that there are."""
        begin, end = self._begin, self._end if size is None else self._begin + size
        if begin < end <= self._end:
            self._begin = end
            first, last = bisect_right(self._starts, begin), bisect_right(self._starts, end - 1)
            at = self._times[first - 1]
            yield MessageBounds(self._direction, at, begin, end, first, last, ending)
