"""Chunk logs: the first chunks of a conversation, kept in little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import merge
from struct import Struct
from typing import ClassVar, NamedTuple, Protocol

from twistednet.events.marks import PAUSE_BYTES, FaultMark, PauseMark

#: Bytes of one conversation that are kept, both directions together.
MAX_BYTES = 64 * 1024
#: Chunks that are kept of one conversation.
MAX_CHUNKS = 2048
#: Actions of faults on one conversation that are kept.
MAX_MARKS = 100

# The head of a kept chunk: its time, and a number for its direction and callback. Python
# objects would take three times the memory of a small message, and touching new memory is
# what costs most here.
_HEAD = Struct("=dH")
_pack = _HEAD.pack
#: Bytes of a chunk besides its data: its head, that of a bytes object, and its place.
OVERHEAD = _HEAD.size + 41
#: Bytes that a log reserves at once.
_STEP = 4096


class Chunk(NamedTuple):
    """A chunk that was received by one callback, or sent by one write.

    `at` is in seconds since the start of the conversation, `direction` "in" or "out". `callback`
    is the Twisted callback that received it or wrote it, or "later". An empty chunk of a connection
    that came in is the peer's FIN.
    """

    at: float
    direction: str
    data: bytes
    callback: str


class _Codes(dict[str, int]):
    """The number of each callback of one direction; there are few."""

    #: What each number means.
    meanings: ClassVar[list[tuple[str, str]]] = []

    def __init__(self, direction: str) -> None:
        self._direction = direction

    def __missing__(self, callback: str) -> int:
        self.meanings.append((self._direction, callback))
        self[callback] = code = len(self.meanings) - 1
        return code


_RECEIVED, _SENT = _Codes("in"), _Codes("out")


class MemoryBudget(Protocol):
    """The owner of the memory of chunk logs."""

    def reserve(self, size: int, chunks: int) -> bool:
        """Let a log hold `size` bytes more. False if it must not.

        It has kept `chunks` chunks since its last call. It may be dropped to make room, as
        any other log.
        """

    def release(self, size: int) -> None:
        """Give back `size` bytes."""


class ChunkLog:
    """A tap that keeps the chunks that pass it, up to 64 KiB and 2,048 chunks.

    `since` and `now()` are of one clock, in seconds. `truncated` is set once a chunk was not kept
    whole. The first 100 actions of faults are kept too; their memory is used only if there are any.
    """

    __slots__ = (
        "_asked",
        "_budget",
        "_chunks",
        "_faulted",
        "_granted",
        "_isSealed",
        "_marks",
        "_now",
        "_pauses",
        "_room",
        "inside",
        "since",
        "truncated",
    )

    def __init__(self, since: float, now: Callable[[], float], budget: MemoryBudget) -> None:
        self.since = since
        #: The callback that runs now.
        self.inside = "connectionMade"
        self.truncated = False
        self._now = now
        self._budget = budget
        self._isSealed = False
        #: Each behind its head.
        self._chunks: list[bytes] = []
        #: Bytes that it may hold, and how many of them may still come.
        self._granted = self._room = 0
        #: How many chunks there were when it last asked for more.
        self._asked = 0

    @property
    def chunks(self) -> list[Chunk]:
        """The chunks, in order."""
        return self.after(0)

    def after(self, count: int) -> list[Chunk]:
        """Return the chunks without the first `count`."""
        return list(map(_read, self._chunks[count:]))

    @property
    def faulted(self) -> int:
        """The number of times that faults acted."""
        return getattr(self, "_faulted", 0)

    @property
    def marks(self) -> list[FaultMark]:
        """The first actions of faults."""
        return getattr(self, "_marks", [])

    @property
    def pauses(self) -> list[PauseMark]:
        """The pauses that ended messages."""
        return getattr(self, "_pauses", [])

    def story(
        self, chunks: int = 0, marks: int = 0, pauses: int = 0
    ) -> Iterator[Chunk | FaultMark | PauseMark]:
        """Yield chunks, actions of faults and pauses in order, without the first ones of each."""
        parts: list[list[Chunk] | list[FaultMark] | list[PauseMark]] = [
            self.after(chunks),
            self.marks[marks:],
            self.pauses[pauses:],
        ]
        return merge(*parts, key=lambda one: one.at)

    def data(self, direction: str) -> bytes:
        """Return all data of one direction, "in" or "out"."""
        chunks = map(_read, self._chunks)
        return b"".join(chunk.data for chunk in chunks if chunk.direction == direction)

    def received(self, data: bytes, callback: str) -> bool:
        """Keep the data of a callback. True if more is wanted."""
        self.inside = callback
        return self._keep(self._now() - self.since, _RECEIVED[callback], data)

    def sent(self, data: bytes) -> bool:
        """Keep data that the current callback wrote. True if more is wanted."""
        return self._keep(self._now() - self.since, _SENT[self.inside], data)

    def mark(self, mark: FaultMark) -> None:
        """Keep one action of a fault if there is room, and count it."""
        self._faulted = self.faulted + 1
        if self._isSealed or len(self.marks) >= MAX_MARKS:
            return
        # It may be this one that is dropped to make room.
        if self._budget.reserve(mark.size, 1) and not self._isSealed:
            self._marks = [*self.marks, mark]
        else:
            self._budget.release(mark.size)

    def paused(self, size: int) -> None:
        """Keep a pause that ended a message, if there is room; each has a chunk before it."""
        if self._isSealed or len(self.pauses) >= MAX_CHUNKS:
            return
        if self._budget.reserve(PAUSE_BYTES, 0) and not self._isSealed:
            self._pauses = self.pauses
            self._pauses.append(PauseMark(self._now() - self.since, size))
        else:
            self._budget.release(PAUSE_BYTES)

    def seal(self) -> None:
        """Keep nothing more; the chunks stay until the log is dropped."""
        self._isSealed = True
        self._budget.release(self._room)
        self._granted -= self._room
        self._room = 0

    def drop(self) -> None:
        """Keep nothing more, and drop the chunks."""
        self._isSealed = True
        self.truncated = self.truncated or bool(self._chunks)
        self._chunks.clear()
        self._budget.release(self._granted + sum(mark.size for mark in self.marks))
        self._budget.release(len(self.pauses) * PAUSE_BYTES)
        self.marks.clear()
        self.pauses.clear()
        self._granted = self._room = 0

    def _keep(self, at: float, code: int, data: bytes) -> bool:
        room = self._room - len(data) - OVERHEAD
        if room < 0:
            return self._keepWhatFits(at, code, data)
        self._room = room
        # A copy, which is as well: what was read fills a small part of what it was read
        # into, and would keep the rest of that from being used again.
        self._chunks.append(_pack(at, code) + data)
        return True

    def _keepWhatFits(self, at: float, code: int, data: bytes) -> bool:
        chunks = MAX_CHUNKS - len(self._chunks)
        left = MAX_BYTES - (self._granted - self._room - len(self._chunks) * OVERHEAD)
        fits = data[:left]
        # So little that whatever fits into it exceeds no limit.
        room = max(min(_STEP, left, chunks * OVERHEAD), len(fits) + OVERHEAD)
        isOver = self._isSealed or not chunks or (data and not fits)
        if isOver or not self._ask(room - self._room):
            self.truncated = True
            return False
        self._keep(at, code, fits)
        self.truncated = len(fits) < len(data)
        return not self.truncated

    def _ask(self, size: int) -> bool:
        self._granted += size
        self._room += size
        count, self._asked = len(self._chunks) - self._asked, len(self._chunks)
        isGranted = self._budget.reserve(size, count)
        if not isGranted:
            self.seal()
        return not self._isSealed


def _read(kept: bytes) -> Chunk:
    at, code = _HEAD.unpack_from(kept)
    direction, callback = _Codes.meanings[code]
    return Chunk(at, direction, kept[_HEAD.size :], callback)
