"""The last conversations, each chunk as it was received and sent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from time import monotonic
from typing import Any

from twistednet.core.limits import TokenBucket
from twistednet.events.chunks import ChunkLog, FaultMark, MemoryBudget
from twistednet.events.model import Closed, Event, Faulted, Opened

#: Bytes that are kept of all, what it costs to tell chunks apart counted in.
MOST_OF_ALL = 32 * 1024 * 1024
#: Chunks of all together that are kept at once, and then a second. To keep one costs a
#: microsecond or two, so this is what a daemon with much to do spends on it.
BURST, RATE = 32_768, 8_192


class Conversation(ChunkLog):
    """One connection, or what one peer and a UDP service sent each other.

    `kind` is tcp, tls, unix or udp; `peer` and `host` are addresses as text, the
    peer's and ours; `opened` is in seconds since 1970. `closed` is the reason, or None
    while it is open, and so is `seconds`.
    """

    __slots__ = (
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

    def __init__(self, opened: Opened, now: Callable[[], float], holder: MemoryBudget) -> None:
        super().__init__(opened.at, now, holder)
        self.id = opened.connection
        self.service = opened.service
        self.kind = opened.kind
        self.peer = opened.peer
        self.host = opened.host
        self.opened = opened.time
        self.closed: str | None = None
        self.seconds: float | None = None
        #: What has `bytesIn` and `bytesOut`; of an open connection, its transport.
        self.counters: Any = None

    @property
    def bytesIn(self) -> int:
        """Bytes received, on the wire."""
        return getattr(self.counters, "bytesIn", 0)

    @property
    def bytesOut(self) -> int:
        """Bytes sent, on the wire."""
        return getattr(self.counters, "bytesOut", 0)


class Journal:
    """A sink that keeps the last `most` conversations; with 0, none.

    Chunks are no events for it: each conversation is the tap of its own; what faults did is
    told it by events. Of more than
    `most` the one goes that ended first, so long as half of them have ended, or else
    the one that was opened first. All chunks together hold 32 MiB: beyond that
    conversations lose theirs, in the same order. Once all have kept `BURST` chunks at
    once, and `RATE` a second, one that asks for more room keeps no more.
    """

    def __init__(self, most: int = 1000, now: Callable[[], float] = monotonic) -> None:
        self.most = most
        self._now = now
        self._pace = TokenBucket(RATE, BURST)
        #: Bytes that chunks hold, or have been given room for.
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
            self._open[event.connection] = Conversation(event, self._now, self)
            self._forget()
        elif isinstance(event, Closed):
            self._end(event)
        elif isinstance(event, Faulted) and event.connection in self._open:
            one = self._open[event.connection]
            at = event.at - one.since
            one.mark(FaultMark(at, event.fault, event.rule, event.count, event.did))

    def keep(self, most: int) -> None:
        """From now on keep this many."""
        self.most = most
        self._forget()

    def begin(self, id: int, counters: Any) -> Conversation | None:
        """Count its bytes by what `counters` tells. The tap of its chunks, if they are wanted."""
        conversation = self._open.get(id)
        if conversation is not None:
            conversation.counters = counters
        return conversation

    def grant(self, size: int, chunks: int) -> bool:
        """As `MemoryBudget`: no, once too much is said by all together."""
        self.held += size
        if self.held > MOST_OF_ALL:
            self._makeRoom()
        return not chunks or self._pace.allow(self._now(), chunks)

    def free(self, size: int) -> None:
        """As `MemoryBudget`."""
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
        """Those to which all that is given applies, the oldest first; of `others`, which are
        in the journal's order and are not in it, too.

        `peer` is a part of an address, `since` and `until` seconds since 1970 within
        which it was opened, `text` what one side sent somewhere, in upper or lower
        case, however it was cut into chunks.
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
        # An eighth at once, or each chunk would look through all that have none left.
        for conversation in (*self._ended.values(), *self._open.values()):
            if self.held <= MOST_OF_ALL * 7 // 8:
                return
            conversation.drop()


def _has(conversation: Any, sought: bytes) -> bool:
    return any(sought in conversation.data(direction).lower() for direction in ("in", "out"))
