"""Who listens to what passes between peers and services, if anybody does."""

from __future__ import annotations

from time import monotonic, time
from typing import Any, Protocol

from twistednet.events.journal import Conversation, Journal
from twistednet.events.model import Closed, EventStream, Opened, Received, Sent
from twistednet.transport.interfaces import Tap


class Traced(Protocol):
    """A connection, or what stands for one over UDP."""

    id: int
    service: str
    peer: str
    kind: str


class ConnectionTap:
    """The tap of one speaker for the journal and, when there are any, sinks of chunks."""

    __slots__ = ("_events", "_kept", "_speaker", "inside")

    def __init__(
        self, speaker: Traced, events: EventStream, kept: Conversation | None, inside: str
    ) -> None:
        self._speaker = speaker
        self._events = events
        self._kept = kept
        self.inside = inside

    def received(self, data: bytes, callback: str) -> bool:
        self.inside = callback
        isKept = self._kept is not None and self._kept.received(data, callback)
        return self._publish(Received, data) or isKept

    def sent(self, data: bytes) -> bool:
        isKept = False
        if self._kept is not None:
            self._kept.inside = self.inside
            isKept = self._kept.sent(data)
        return self._publish(Sent, data) or isKept

    def _publish(self, kind: type[Received | Sent], data: bytes) -> bool:
        if not self._events.chunked:
            return False
        one = self._speaker
        self._events.publishChunk(
            kind(one.id, one.service, one.peer, data, self.inside, monotonic())
        )
        return True


class Recorder:
    """The journal, and sinks of events.

    Chunks go to the journal as they are; events are made of them only for sinks that
    want chunks.
    """

    def __init__(self, events: EventStream, journal: Journal) -> None:
        self.events = events
        self._journal = journal

    @property
    def isThere(self) -> bool:
        """Does anybody listen to what is said by who comes now?"""
        return bool(self._journal.most or self.events.chunked)

    def opened(self, one: Traced, host: str, counters: Any) -> Conversation | None:
        """It begins; `counters` has its `bytesIn` and `bytesOut`. What the journal keeps of it."""
        self.events.publish(
            Opened(one.id, one.service, one.peer, one.kind, host, monotonic(), time())
        )
        return self._journal.begin(one.id, counters)

    def tap(self, one: Traced, kept: Conversation | None, inside: str) -> Tap | None:
        """Whom to tell of its chunks from now on."""
        return ConnectionTap(one, self.events, kept, inside) if self.events.chunked else kept

    def kept(self, one: Traced) -> Conversation | None:
        """What the journal keeps of an open one."""
        return self._journal.get(one.id)

    def closed(self, one: Traced, reason: str, counters: Any, seconds: float) -> None:
        """It is over."""
        sizes = (counters.bytesIn, counters.bytesOut)
        self.events.publish(
            Closed(one.id, one.service, one.peer, reason, *sizes, seconds, one.kind, monotonic())
        )
