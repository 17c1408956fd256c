"""What happens on the wire, as data: one stream of events, several sinks.

docs/wire.md has the schema that others see; `SCHEMA` is its version. `at` is the
monotonic clock's time in seconds, which tells distances and not dates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

#: Changes whenever an event's fields change their meaning, or one goes.
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection was accepted, or a peer sent its first datagram.

    `connection` counts up from 1 in one daemon; conversations over UDP have their
    numbers from the same row. `kind` is tcp, tls, unix or udp, `host` our side's
    address, `time` the wall clock's (seconds since 1970).
    """

    connection: int
    service: str
    peer: str
    kind: str = "tcp"
    host: str = ""
    at: float = 0.0
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Received:
    """A chunk as it was read, or a datagram, about to be given to `callback`.

    On a connection an empty chunk is the peer's FIN. Under TLS it is plain text.
    """

    connection: int
    service: str
    peer: str
    data: bytes
    callback: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A chunk as the service wrote it, inside of `callback`, or "later"."""

    connection: int
    service: str
    peer: str
    data: bytes
    callback: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Faulted:
    """A fault that was asked for came to pass; `fault` names it."""

    connection: int
    service: str
    peer: str
    fault: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """A connection or datagram was turned away; `limit` names what forbade it."""

    service: str
    peer: str
    limit: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Closed:
    """A connection ended, or a conversation over UDP.

    `reason` is one of: client FIN, client RST, connection lost, service, error,
    shutdown, admin, quiet, crowd, or the limit that was reached (idle, write stall,
    handshake, message, messages, queue, HTTP request, HTTP Host, HTTP header, HTTP
    header time, HTTP body, HTTP body time). Bytes are those on the wire, `seconds` its
    age.
    """

    connection: int
    service: str
    peer: str
    reason: str
    bytesIn: int
    bytesOut: int
    seconds: float
    kind: str = "tcp"
    at: float = 0.0


Event = Opened | Received | Sent | Faulted | Refused | Closed
Sink = Callable[[Event], None]


class EventStream:
    """Gives each event to each sink. A sink that raises is taken off, and told of.

    `Received` and `Sent` go only to those that want `chunks`, and are made only if
    there is one: `chunked` is empty else. `failed(sink)` is called inside the
    exception's handler, so that the caller can log the traceback.
    """

    def __init__(self, failed: Callable[[Sink], None]) -> None:
        self._sinks: tuple[Sink, ...] = ()
        self.chunked: tuple[Sink, ...] = ()
        #: Called when chunks, which nobody wanted, are wanted.
        self.chunksWanted: list[Callable[[], None]] = []
        self._failed = failed

    def attach(self, sink: Sink, chunks: bool = False) -> None:
        self._sinks = (*self._sinks, sink)
        if chunks:
            self.chunked = (*self.chunked, sink)
            if len(self.chunked) == 1:
                for wanted in self.chunksWanted:
                    wanted()

    def detach(self, sink: Sink) -> None:
        """It gets nothing more; one that is not attached may be detached."""
        self._sinks = tuple(other for other in self._sinks if other != sink)
        self.chunked = tuple(other for other in self.chunked if other != sink)

    def publish(self, event: Opened | Faulted | Refused | Closed) -> None:
        for sink in self._sinks:
            self._give(sink, event)

    def publishChunk(self, chunk: Received | Sent) -> None:
        for sink in self.chunked:
            self._give(sink, chunk)

    def _give(self, sink: Sink, event: Event) -> None:
        try:
            sink(event)
        except Exception:
            self.fail(sink)

    def fail(self, sink: Sink) -> None:
        """Inside an exception's handler: that was this sink's, and its last."""
        self.detach(sink)
        self._failed(sink)


class Tally:
    """A sink that counts: connections by how they ended, refusals by limit. (UDP has none.)"""

    def __init__(self) -> None:
        self.opened = 0
        self.closed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def __call__(self, event: Event) -> None:
        if getattr(event, "kind", None) == "udp":
            return
        if isinstance(event, Opened):
            self.opened += 1
        elif isinstance(event, Closed):
            self.closed[event.reason] += 1
        elif isinstance(event, Refused):
            self.refused[event.limit] += 1

    def summary(self) -> str:
        """One line of all counts, the most frequent first."""
        closed = "".join(f", {count} by {reason}" for reason, count in self.closed.most_common())
        refused = "".join(f", {count} for {limit}" for limit, count in self.refused.most_common())
        return f"connections: {self.opened}{closed}; refused: {self.refused.total()}{refused}"
