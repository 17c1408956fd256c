"""What happens on the wire, as data: one stream of events, several sinks.

docs/wire.md has the schema that others see; `SCHEMA` is its version. `at` is the
monotonic clock's time in seconds, which tells distances and not dates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
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
    """A fault that was asked for came to pass; `fault` names it.

    `rule` is its text, seed included, `count` how often it has acted by now, and `did`
    what it did to which bytes, for people.
    """

    connection: int
    service: str
    peer: str
    fault: str
    rule: str = ""
    count: int = 0
    did: str = ""
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
    shutdown, admin, quiet, crowd, fault NAME, or the limit that was reached (idle,
    write stall, handshake, message, messages, queue, HTTP request, HTTP Host, HTTP
    header, HTTP header time, HTTP body, HTTP body time). Bytes are those on the wire,
    `seconds` its age.
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
        self._give(self._sinks, event)

    def publishChunk(self, chunk: Received | Sent) -> None:
        self._give(self.chunked, chunk)

    def _give(self, sinks: Iterable[Sink], event: Event) -> None:
        for sink in sinks:
            try:
                sink(event)
            except Exception:
                self.detach(sink)
                self._failed(sink)


class Tally:
    """A sink that counts by service: connections by how they ended, refusals by limit, what
    each fault did.

    Bytes are those of connections that are over. UDP has no connections: its ports count.
    """

    #: Different reasons that are told apart; a service of others' may make up its own.
    MOST = 200

    def __init__(self) -> None:
        self.opened: Counter[str] = Counter()
        self.bytesIn: Counter[str] = Counter()
        self.bytesOut: Counter[str] = Counter()
        #: By service and reason.
        self.closed: Counter[tuple[str, str]] = Counter()
        #: By service and limit.
        self.refused: Counter[tuple[str, str]] = Counter()
        #: By service and fault.
        self.faulted: Counter[tuple[str, str]] = Counter()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Opened):
            if event.kind != "udp":
                self.opened[event.service] += 1
        elif isinstance(event, Closed):
            if event.kind != "udp":
                self.bytesIn[event.service] += event.bytesIn
                self.bytesOut[event.service] += event.bytesOut
                self._count(self.closed, event.service, event.reason)
        elif isinstance(event, Refused):
            self._count(self.refused, event.service, event.limit)
        elif isinstance(event, Faulted):
            self._count(self.faulted, event.service, event.fault)

    def _count(self, counter: Counter[tuple[str, str]], service: str, reason: str) -> None:
        key = service, reason
        if key not in counter and len(counter) >= self.MOST:
            key = service, "other"
        counter[key] += 1

    def summary(self) -> str:
        """One line of all counts, the most frequent first."""
        closed = "".join(f", {count} by {reason}" for reason, count in _most(self.closed))
        refused = "".join(f", {count} for {limit}" for limit, count in _most(self.refused))
        return (
            f"connections: {self.opened.total()}{closed}; refused: {self.refused.total()}{refused}"
        )


def _most(counter: Counter[tuple[str, str]]) -> list[tuple[str, int]]:
    """How often each reason was counted, whatever the service; the most frequent first."""
    total: Counter[str] = Counter()
    for (_, reason), count in counter.items():
        total[reason] += count
    return total.most_common()
