"""The last conversations, each chunk as it was received and sent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from heapq import merge
from typing import Any, NamedTuple

from twistednet.core.events import Closed, Event, Opened

#: Bytes that are kept of one conversation, in both directions together.
MOST_OF_ONE = 64 * 1024
#: Chunks that are kept of one conversation.
MOST_CHUNKS = 2048
#: Bytes that are kept of all, what it costs to keep them counted in.
MOST_OF_ALL = 32 * 1024 * 1024

# What a chunk costs beside its bytes: a tuple, a float, the head of a bytes object.
_OVERHEAD = 160


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


class Conversation:
    """One connection, or what one peer and a UDP service sent each other.

    `kind` is tcp, tls, unix or udp; `peer` and `host` are addresses as text, the
    peer's and ours; `opened` is in seconds since 1970. `closed` is the reason, or None
    while it is open, and so is `seconds`. `truncated` if it had more than `chunks` has.
    """

    __slots__ = (
        "_chunks",
        "_held",
        "_room",
        "closed",
        "counters",
        "host",
        "id",
        "kind",
        "opened",
        "peer",
        "seconds",
        "service",
        "since",
        "truncated",
    )

    def __init__(self, opened: Opened) -> None:
        self.id = opened.connection
        self.service = opened.service
        self.kind = opened.kind
        self.peer = opened.peer
        self.host = opened.host
        self.opened = opened.time
        self.closed: str | None = None
        self.seconds: float | None = None
        self.truncated = False
        #: What has `bytesIn` and `bytesOut`; of an open connection, its transport.
        self.counters: Any = None
        self.since = opened.at
        self._chunks: list[tuple[float, str, bytes, str]] | None = None
        self._room = MOST_OF_ONE
        self._held = 0

    @property
    def bytesIn(self) -> int:
        """Bytes received, on the wire."""
        return getattr(self.counters, "bytesIn", 0)

    @property
    def bytesOut(self) -> int:
        """Bytes sent, on the wire."""
        return getattr(self.counters, "bytesOut", 0)

    @property
    def chunks(self) -> list[Chunk]:
        """What was received and sent, in that order."""
        return list(map(Chunk._make, self._chunks or ()))

    def data(self, direction: str) -> bytes:
        """All that came "in" or went "out"."""
        return b"".join(chunk[2] for chunk in self._chunks or () if chunk[1] == direction)

    def _take(self, at: float, direction: str, data: bytes, callback: str) -> int:
        """Keep it, as far as there is room. Returns what it costs."""
        if self._chunks is None:
            self._chunks = []
        isFull = len(self._chunks) >= MOST_CHUNKS
        size = 0 if isFull else min(len(data), self._room)
        if isFull or size < len(data):
            self.truncated = True
            if not size:
                return 0
        # A copy: what was read fills a small part of what it was read into, and would
        # keep the rest of that from being used again.
        data = memoryview(data)[:size].tobytes()
        self._room -= size
        self._chunks.append((at - self.since, direction, data, callback))
        self._held += size + _OVERHEAD
        return size + _OVERHEAD

    def _drop(self) -> int:
        """Keep no chunk, from now on either. Returns what they cost."""
        held, self._held = self._held, 0
        self.truncated = self.truncated or self._chunks is not None
        self._chunks = None
        self._room = 0
        return held


class Journal:
    """A sink that keeps the last `most` conversations; with 0, none.

    Chunks are no events for it: `add` takes them as they are. Of more than
    `most` the one goes that ended first, so long as half of them have ended, or else
    the one that was opened first. All chunks together hold 32 MiB: beyond that
    conversations lose theirs, in the same order.
    """

    def __init__(self, most: int = 1000) -> None:
        self.most = most
        #: Bytes that all chunks hold.
        self.held = 0
        self._open: OrderedDict[int, Conversation] = OrderedDict()
        self._ended: OrderedDict[int, Conversation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open) + len(self._ended)

    def __iter__(self) -> Iterator[Conversation]:
        """The oldest first."""
        yield from merge(
            list(self._open.values()),
            sorted(self._ended.values(), key=lambda one: one.id),
            key=lambda one: one.id,
        )

    def get(self, id: int) -> Conversation | None:
        """The conversation of this number, if it is still kept."""
        return self._open.get(id) or self._ended.get(id)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Opened) and self.most:
            self._open[event.connection] = Conversation(event)
            self._forget()
        elif isinstance(event, Closed):
            self._end(event)

    def keep(self, most: int) -> None:
        """From now on keep this many."""
        self.most = most
        self._forget()

    def begin(self, id: int, counters: Any) -> bool:
        """Count its bytes by what `counters` tells. Are its chunks wanted?"""
        conversation = self._open.get(id)
        if conversation is None:
            return False
        conversation.counters = counters
        return True

    def add(self, id: int, at: float, direction: str, data: bytes, callback: str) -> bool:
        """Keep a chunk of an open conversation. Is more of that conversation wanted?"""
        conversation = self._open.get(id)
        if conversation is None:
            return False
        self.held += conversation._take(at, direction, data, callback)
        if self.held > MOST_OF_ALL:
            self._makeRoom()
        return not conversation.truncated

    def find(
        self,
        *,
        service: str | None = None,
        peer: str | None = None,
        since: float | None = None,
        until: float | None = None,
        reason: str | None = None,
        text: str | None = None,
        open: bool | None = None,
    ) -> Iterator[Conversation]:
        """Those to which all that is given applies, the oldest first.

        `peer` is a part of an address, `since` and `until` seconds since 1970 within
        which it was opened, `text` what one side sent somewhere, in upper or lower
        case, however it was cut into chunks.
        """
        sought = None if text is None else text.encode().lower()
        for one in self:
            if (
                (service is None or one.service == service)
                and (peer is None or peer in one.peer)
                and (since is None or one.opened >= since)
                and (until is None or one.opened <= until)
                and (reason is None or one.closed == reason)
                and (open is None or (one.closed is None) == open)
                and (sought is None or _has(one, sought))
            ):
                yield one

    def _end(self, event: Closed) -> None:
        conversation = self._open.pop(event.connection, None)
        if conversation is not None:
            conversation.closed = event.reason
            conversation.seconds = event.seconds
            conversation.counters = event
            self._ended[conversation.id] = conversation

    def _forget(self) -> None:
        while len(self) > self.most:
            gone = self._ended if 2 * len(self._ended) >= self.most else self._open
            _, conversation = (gone or self._open).popitem(last=False)
            self.held -= conversation._drop()

    def _makeRoom(self) -> None:
        # An eighth at once, or each chunk would look through all that have none left.
        for conversation in (*self._ended.values(), *self._open.values()):
            if self.held <= MOST_OF_ALL * 7 // 8:
                return
            self.held -= conversation._drop()


def _has(conversation: Conversation, sought: bytes) -> bool:
    return any(sought in conversation.data(direction).lower() for direction in ("in", "out"))
