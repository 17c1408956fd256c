"""The first chunks that one side and the other sent, kept in little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import merge
from struct import Struct
from typing import Any, ClassVar, NamedTuple, Protocol

#: Bytes that are kept of one conversation, in both directions together.
MOST_OF_ONE = 64 * 1024
#: Chunks that are kept of one conversation.
MOST_CHUNKS = 2048
#: Times that faults acted on one conversation of which what they did is kept.
MOST_MARKS = 100
#: What a mark costs beside its texts.
MARK_OVERHEAD = 220

# What stands before a chunk's bytes: when it was, and a number for its direction and
# callback. Objects of Python's own would take three times the memory of a small message,
# and to use memory that was never used before is what costs most here.
_HEAD = Struct("=dH")
_pack = _HEAD.pack
#: What a chunk costs beside its bytes: its head, that of a bytes object, and its place.
OVERHEAD = _HEAD.size + 41
#: Bytes that a record is given room for at once.
_STEP = 4096


class Chunk(NamedTuple):
    """What was received by one callback, or sent by one write.

    `at` is in seconds since the conversation was opened, `direction` "in" or "out".
    `callback` is the Twisted callback that it was given to or written in, or "later".
    An empty one that came in on a connection is the peer's FIN.
    """

    at: float
    direction: str
    data: bytes
    callback: str


@dataclass(frozen=True, slots=True)
class FaultMark:
    """A fault acted, at `at` as of a chunk; `Faulted` says what the others are."""

    at: float
    fault: str
    rule: str
    count: int
    did: str

    def __str__(self) -> str:
        return f"fault {self.fault}: {self.did} ({self.rule}; {self.count} by now)"

    @property
    def isReset(self) -> bool:
        """Has it ended the connection with a RST?"""
        return self.did.split(", ")[-1] == "reset"

    @property
    def size(self) -> int:
        """Bytes that it takes to keep it."""
        return MARK_OVERHEAD + len(self.rule) + len(self.did)


class _Codes(dict[str, int]):
    """A number for each callback that chunks of one direction had; they are few."""

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
    """Who has the memory that records are kept in."""

    def grant(self, size: int, chunks: int) -> bool:
        """May a record hold `size` bytes more, having kept so many chunks since it last
        asked? It may be dropped to make room, as any other."""

    def free(self, size: int) -> None:
        """So many bytes are not held any more."""


class ChunkLog:
    """A tap that keeps what it is told, up to 64 KiB and 2,048 chunks.

    `since` and `now()` are of one clock, in seconds. `truncated` if more was said than is kept.
    Of faults it keeps the first 100 times; what is for them does not exist before.
    """

    __slots__ = (
        "_asked",
        "_chunks",
        "_faulted",
        "_granted",
        "_holder",
        "_isSealed",
        "_marks",
        "_now",
        "_room",
        "inside",
        "since",
        "truncated",
    )

    def __init__(self, since: float, now: Callable[[], float], holder: MemoryBudget) -> None:
        self.since = since
        #: The callback that runs now.
        self.inside = "connectionMade"
        self.truncated = False
        self._now = now
        self._holder = holder
        self._isSealed = False
        #: Each behind its head.
        self._chunks: list[bytes] = []
        #: Bytes that it may hold, and how many of them may still come.
        self._granted = self._room = 0
        #: How many chunks there were when it last asked for more.
        self._asked = 0

    @property
    def chunks(self) -> list[Chunk]:
        """What was received and sent, in that order."""
        return self.after(0)

    def after(self, count: int) -> list[Chunk]:
        """The chunks without the first `count`."""
        return list(map(_read, self._chunks[count:]))

    @property
    def faulted(self) -> int:
        """How often faults have acted on it."""
        return getattr(self, "_faulted", 0)

    @property
    def marks(self) -> list[FaultMark]:
        """What they did, the first times."""
        return getattr(self, "_marks", [])

    def story(self, chunks: int = 0, marks: int = 0) -> Iterator[Chunk | FaultMark]:
        """Chunks and marks as they came, without the first so many of each."""
        parts: list[list[Any]] = [self.after(chunks), self.marks[marks:]]
        return merge(*parts, key=lambda one: one.at)

    def data(self, direction: str) -> bytes:
        """All that came "in" or went "out"."""
        return b"".join(chunk.data for chunk in self.chunks if chunk.direction == direction)

    def received(self, data: bytes, callback: str) -> bool:
        """Keep what this callback is about to be given. Is more wanted?"""
        self.inside = callback
        return self._keep(self._now() - self.since, _RECEIVED[callback], data)

    def sent(self, data: bytes) -> bool:
        """Keep what was written in the callback that runs now. Is more wanted?"""
        return self._keep(self._now() - self.since, _SENT[self.inside], data)

    def mark(self, mark: FaultMark) -> None:
        """Keep it, if there is room, and count it."""
        self._faulted = self.faulted + 1
        if self._isSealed or len(self.marks) >= MOST_MARKS:
            return
        # It may be this one that is dropped to make room.
        if self._holder.grant(mark.size, 1) and not self._isSealed:
            self._marks = [*self.marks, mark]
        else:
            self._holder.free(mark.size)

    def seal(self) -> None:
        """Keep nothing more; what there is stays, until it is dropped."""
        self._isSealed = True
        self._holder.free(self._room)
        self._granted -= self._room
        self._room = 0

    def drop(self) -> None:
        """Keep nothing more, nor what there is."""
        self._isSealed = True
        self.truncated = self.truncated or bool(self._chunks)
        self._chunks.clear()
        self._holder.free(self._granted + sum(mark.size for mark in self.marks))
        self.marks.clear()
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
        chunks = MOST_CHUNKS - len(self._chunks)
        left = MOST_OF_ONE - (self._granted - self._room - len(self._chunks) * OVERHEAD)
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
        isGranted = self._holder.grant(size, count)
        if not isGranted:
            self.seal()
        return not self._isSealed


def _read(kept: bytes) -> Chunk:
    at, code = _HEAD.unpack_from(kept)
    direction, callback = _Codes.meanings[code]
    return Chunk(at, direction, kept[_HEAD.size :], callback)
