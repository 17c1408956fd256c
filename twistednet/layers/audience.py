"""Who listens to what passes between peers and services, if anybody does."""

from __future__ import annotations

from time import monotonic, time
from typing import Any, Protocol

from twistednet.core.events import Closed, EventStream, Opened, Received, Sent
from twistednet.core.journal import Journal


class Speaker(Protocol):
    """A connection, or what stands for one over UDP."""

    id: int
    service: str
    peer: str
    kind: str


class Audience:
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

    def opened(self, one: Speaker, host: str, counters: Any) -> bool:
        """It begins; `counters` has its `bytesIn` and `bytesOut`. Are its chunks wanted?"""
        self.events.publish(
            Opened(one.id, one.service, one.peer, one.kind, host, monotonic(), time())
        )
        return self._journal.begin(one.id, counters) or bool(self.events.chunked)

    def heard(self, one: Speaker, direction: str, data: bytes, callback: str) -> bool:
        """A chunk came "in" or goes "out". Is more of it wanted?"""
        at = monotonic()
        try:
            isWanted = self._journal.add(one.id, at, direction, data, callback)
        except Exception:
            isWanted = False
            self.events.fail(self._journal)
        if not self.events.chunked:
            return isWanted
        kind = Received if direction == "in" else Sent
        self.events.publishChunk(kind(one.id, one.service, one.peer, data, callback, at))
        return True

    def closed(self, one: Speaker, reason: str, counters: Any, seconds: float) -> None:
        """It is over."""
        sizes = (counters.bytesIn, counters.bytesOut)
        self.events.publish(
            Closed(one.id, one.service, one.peer, reason, *sizes, seconds, one.kind, monotonic())
        )
