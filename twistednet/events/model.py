"""Events: what happens on the wire, as data, and the stream that passes them to sinks.

docs/wire.md has the schema of the JSON lines; `SCHEMA` is its version. `at` is monotonic time
in seconds, which gives distances and no dates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

#: Changes when the meaning of a field changes, or a field is removed.
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection was accepted, or a peer sent its first datagram.

    `connection` counts from 1 for each daemon; UDP conversations have numbers of the same series.
    `kind` is tcp, tls, unix or udp, `host` the address of our side, `time` the wall clock's
    (seconds since 1970).
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
    """A chunk was read, or a datagram arrived, and is about to be passed to `callback`.

    An empty chunk of a connection is the peer's FIN. Under TLS the data is plain text.
    """

    connection: int
    service: str
    peer: str
    data: bytes
    callback: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Sent:
    """The service wrote a chunk, in `callback`, or outside of any callback ("later")."""

    connection: int
    service: str
    peer: str
    data: bytes
    callback: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Paused:
    """A pause ended a message of `size` bytes, on a stream without line ends so far.

    The framer of the service decided it. A line end always ends a message, and has no event.
    """

    connection: int
    service: str
    peer: str
    size: int
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Faulted:
    """A fault acted; `fault` is the name of its kind.

    `rule` is its text with the seed, `count` how often it has acted so far, and `did` a text that
    says what it did to which bytes.
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
    """A connection or datagram was refused; `limit` is the limit that was reached."""

    service: str
    peer: str
    limit: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Closed:
    """A connection or a UDP conversation ended.

    `reason` is one of: client FIN, client RST, connection lost, service, error, shutdown, admin,
    quiet, crowd, fault NAME, or the limit that was reached (idle, silent, write stall, handshake,
    message, messages, queue, HTTP request, HTTP Host, HTTP header, HTTP header time, HTTP body,
    HTTP body time). Bytes are counted on the wire; `seconds` is its age.
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


Event = Opened | Received | Sent | Paused | Faulted | Refused | Closed
Sink = Callable[[Event], None]


class EventStream:
    """Passes each event to each sink. A sink that raises is detached and reported.

    `Received`, `Sent` and `Paused` are passed only to sinks that want chunks, and are made only if
    there is one: otherwise `chunked` is empty. `failed(sink)` is called while the exception is
    handled, so that it can log the traceback.
    """

    def __init__(self, failed: Callable[[Sink], None]) -> None:
        self._sinks: tuple[Sink, ...] = ()
        self.chunked: tuple[Sink, ...] = ()
        #: Called when the first sink that wants chunks is attached.
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
        """Detach a sink; it may be one that is not attached."""
        self._sinks = tuple(other for other in self._sinks if other != sink)
        self.chunked = tuple(other for other in self.chunked if other != sink)

    def publish(self, event: Opened | Faulted | Refused | Closed) -> None:
        self._give(self._sinks, event)

    def publishChunk(self, chunk: Received | Sent | Paused) -> None:
        self._give(self.chunked, chunk)

    def _give(self, sinks: Iterable[Sink], event: Event) -> None:
        for sink in sinks:
            try:
                sink(event)
            except Exception:
                self.detach(sink)
                self._failed(sink)


class Tally:
    """A sink that counts by service: ended connections by reason, refusals by limit, faults.

    Bytes are those of ended connections. UDP is counted by its ports.
    """

    #: Distinct reasons that are counted; services of other packages may add their own.
    MAX_REASONS = 200

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
        if key not in counter and len(counter) >= self.MAX_REASONS:
            key = service, "other"
        counter[key] += 1

    def summary(self) -> str:
        """Return one line with all counts, the most frequent first."""
        closed = "".join(f", {count} by {reason}" for reason, count in _most(self.closed))
        refused = "".join(f", {count} for {limit}" for limit, count in _most(self.refused))
        return (
            f"connections: {self.opened.total()}{closed}; refused: {self.refused.total()}{refused}"
        )


def _most(counter: Counter[tuple[str, str]]) -> list[tuple[str, int]]:
    """Return how often each reason was counted in all services, the most frequent first."""
    total: Counter[str] = Counter()
    for (_, reason), count in counter.items():
        total[reason] += count
    return total.most_common()
