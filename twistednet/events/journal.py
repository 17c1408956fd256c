"""The journal: the last conversations, with each chunk that was received and sent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from time import monotonic
from typing import Any

from twistednet.core.limits import TokenBucket
from twistednet.core.secrets import Secrets
from twistednet.events.chunks import Chunk, ChunkLog
from twistednet.events.marks import FaultMark
from twistednet.events.model import Closed, Event, Faulted, Opened

#: Bytes that all conversations may take, with the overhead of each chunk.
MAX_ALL_BYTES = 32 * 1024 * 1024
#: Chunks of all conversations that are kept at once, and then per second. One costs a
#: microsecond or two, so a busy daemon spends under 2 % of its time on it.
BURST, RATE = 32_768, 8_192


class Conversation(ChunkLog):
    """One connection, or the datagrams of one peer and a UDP service.

    `kind` is tcp, tls, unix or udp; `peer` and `host` are the addresses of the peer and of our
    side; `opened` is in seconds since 1970. `closed` is the reason, and `seconds` the age; both
    are None while it is open.
    """

    __slots__ = (
        "_secrets",
        "closed",
        "counters",
        "host",
        "id",
        "kind",
        "opened",
        "peer",
        "seconds",
        "service",
    )

    def __init__(self, opened: Opened, now: Callable[[], float], journal: Journal) -> None:
        super().__init__(opened.at, now, journal)
        self._secrets = journal.secrets
        self.id = opened.connection
        self.service = opened.service
        self.kind = opened.kind
        self.peer = opened.peer
        self.host = opened.host
        self.opened = opened.time
        self.closed: str | None = None
        self.seconds: float | None = None
        #: An object with `bytesIn` and `bytesOut`; for an open connection its transport.
        self.counters: Any = None

    def after(self, count: int) -> list[Chunk]:
        """Return the chunks without the first `count`, with secrets masked."""
        return _masked(super().after(0), self._secrets)[count:]

    @property
    def bytesIn(self) -> int:
        """Bytes received, on the wire."""
        return getattr(self.counters, "bytesIn", 0)

    @property
    def bytesOut(self) -> int:
        """Bytes sent, on the wire."""
        return getattr(self.counters, "bytesOut", 0)


class Journal:
    """A sink that keeps the last `most` conversations; 0 keeps none.

    Chunks are not events for it: each conversation is the tap of its own stream. Actions of faults
    arrive as events. Of more than `most` conversations it drops the one that ended first if half of
    them have ended, and otherwise the one that was opened first. All chunks together take at most
    32 MiB: above that, conversations lose their chunks in the same order. Once `BURST` chunks were
    kept at once, `RATE` a second are kept; a conversation that needs more room keeps no more.

    The chunks that it returns have no secrets in them, for they are shown and exported.
    """

    def __init__(
        self,
        most: int = 1000,
        now: Callable[[], float] = monotonic,
        secrets: Secrets | None = None,
    ) -> None:
        self.most = most
        self.secrets = secrets or Secrets()
        self._now = now
        self._pace = TokenBucket(RATE, BURST)
        #: Bytes that chunk logs have reserved.
        self.held = 0
        self._open: OrderedDict[int, Conversation] = OrderedDict()
        self._ended: OrderedDict[int, Conversation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open) + len(self._ended)

    def __iter__(self) -> Iterator[Conversation]:
        """Yield all conversations, the oldest first."""
        yield from merge(
            list(self._open.values()),
            sorted(self._ended.values(), key=lambda one: one.id),
            key=lambda one: one.id,
        )

    def get(self, id: int) -> Conversation | None:
        """Return the conversation with this number, if it is still kept."""
        return self._open.get(id) or self._ended.get(id)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Opened) and self.most:
            self._open[event.connection] = Conversation(event, self._now, self)
            self._forget()
        elif isinstance(event, Closed):
            self._end(event)
        elif isinstance(event, Faulted) and event.connection in self._open:
            one = self._open[event.connection]
            at = event.at - one.since
            one.mark(FaultMark(at, event.fault, event.rule, event.count, event.did))

    def keep(self, most: int) -> None:
        """Keep this many conversations from now on."""
        self.most = most
        self._forget()

    def begin(self, id: int, counters: Any) -> Conversation | None:
        """Return the tap of a conversation, if it is kept; `counters` counts its bytes."""
        conversation = self._open.get(id)
        if conversation is not None:
            conversation.counters = counters
        return conversation

    def reserve(self, size: int, chunks: int) -> bool:
        """Reserve memory (see `MemoryBudget`). False once all conversations keep too much."""
        self.held += size
        if self.held > MAX_ALL_BYTES:
            self._makeRoom()
        return not chunks or self._pace.allow(self._now(), chunks)

    def release(self, size: int) -> None:
        """Give back memory (see `MemoryBudget`)."""
        self.held -= size

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
        others: Iterable[Any] = (),
    ) -> Iterator[Any]:
        """Yield the conversations that match every filter that is given, the oldest first.

        `others` are not in the journal, and are in the same order. `peer` is part of an address,
        `since` and `until` limit `opened` (seconds since 1970), and `text` is searched in the
        data of each direction, in upper or lower case, across chunks.
        """
        sought = None if text is None else text.encode().lower()
        for one in merge(self, others, key=lambda one: one.id):
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
            conversation.seal()
            self._ended[conversation.id] = conversation

    def _forget(self) -> None:
        while len(self._open) + len(self._ended) > self.most:
            gone = self._ended if 2 * len(self._ended) >= self.most else self._open
            _, conversation = (gone or self._open).popitem(last=False)
            conversation.drop()

    def _makeRoom(self) -> None:
        # An eighth at once, or each chunk would search all conversations that have none left.
        for conversation in (*self._ended.values(), *self._open.values()):
            if self.held <= MAX_ALL_BYTES * 7 // 8:
                return
            conversation.drop()


def _masked(chunks: list[Chunk], secrets: Secrets) -> list[Chunk]:
    """Mask secrets, also where one is cut into several chunks."""
    for direction in ("in", "out"):
        data = b"".join(one.data for one in chunks if one.direction == direction)
        masked = secrets.masked(data)
        if masked == data:
            continue
        begin = 0
        for place, one in enumerate(chunks):
            if one.direction == direction:
                end = begin + len(one.data)
                chunks[place] = one._replace(data=masked[begin:end])
                begin = end
    return chunks


def _has(conversation: Any, sought: bytes) -> bool:
    return any(sought in conversation.data(direction).lower() for direction in ("in", "out"))
