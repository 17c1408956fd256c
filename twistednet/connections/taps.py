"""Recording: passes the chunks of connections and UDP conversations to the journal and sinks."""

from __future__ import annotations

from time import monotonic, time
from typing import Protocol

from twistednet.events.journal import Conversation, Journal
from twistednet.events.model import Closed, EventStream, Opened, Paused, Received, Sent
from twistednet.transport.interfaces import Tap


class Traced(Protocol):
    """What events name: a connection, or a UDP conversation."""

    id: int
    service: str
    peer: str
    kind: str


class ByteCounts(Protocol):
    """The bytes that a connection or a UDP conversation has received and sent."""

    @property
    def bytesIn(self) -> int:
        """Bytes received."""

    @property
    def bytesOut(self) -> int:
        """Bytes sent."""


class ConnectionTap:
    """The tap of one traced connection, for the journal and for sinks that want chunks."""

    __slots__ = ("_conversation", "_events", "_traced", "inside")

    def __init__(
        self, traced: Traced, events: EventStream, conversation: Conversation | None, inside: str
    ) -> None:
        self._traced = traced
        self._events = events
        self._conversation = conversation
        self.inside = inside

    def received(self, data: bytes, callback: str) -> bool:
        self.inside = callback
        isKept = self._conversation is not None and self._conversation.received(data, callback)
        return self._publish(Received, data) or isKept

    def sent(self, data: bytes) -> bool:
        isKept = False
        if self._conversation is not None:
            self._conversation.inside = self.inside
            isKept = self._conversation.sent(data)
        return self._publish(Sent, data) or isKept

    def paused(self, size: int) -> None:
        if self._conversation is not None:
            self._conversation.paused(size)
        if self._events.chunked:
            traced = self._traced
            self._events.publishChunk(
                Paused(traced.id, traced.service, traced.peer, size, monotonic())
            )

    def _publish(self, kind: type[Received | Sent], data: bytes) -> bool:
        if not self._events.chunked:
            return False
        traced = self._traced
        self._events.publishChunk(
            kind(traced.id, traced.service, traced.peer, data, self.inside, monotonic())
        )
        return True


class Recorder:
    """The journal and the sinks of events.

    The journal takes chunks as they are. Events are made of chunks only while a sink wants
    chunks.
    """

    def __init__(self, events: EventStream, journal: Journal) -> None:
        self.events = events
        self._journal = journal

    @property
    def isActive(self) -> bool:
        """True if the data of new connections is recorded."""
        return bool(self._journal.most or self.events.chunked)

    def opened(self, traced: Traced, host: str, counts: ByteCounts) -> Conversation | None:
        """Publish its begin. Return its conversation in the journal, if the journal keeps it."""
        self.events.publish(
            Opened(traced.id, traced.service, traced.peer, traced.kind, host, monotonic(), time())
        )
        return self._journal.begin(traced.id, counts)

    def tap(self, traced: Traced, conversation: Conversation | None, inside: str) -> Tap | None:
        """Return the tap for its chunks from now on; None if nothing wants them."""
        if self.events.chunked:
            return ConnectionTap(traced, self.events, conversation, inside)
        return conversation

    def conversation(self, traced: Traced) -> Conversation | None:
        """Return the conversation that the journal keeps of an open connection."""
        return self._journal.get(traced.id)

    def closed(self, traced: Traced, reason: str, counts: ByteCounts, seconds: float) -> None:
        """Publish its end, `seconds` after its begin."""
        sizes = (counts.bytesIn, counts.bytesOut)
        self.events.publish(
            Closed(
                traced.id,
                traced.service,
                traced.peer,
                reason,
                *sizes,
                seconds,
                traced.kind,
                monotonic(),
            )
        )
