"""What happens on the wire, as data: one stream of events, several sinks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection was accepted. `connection` counts up from 1 in one daemon."""

    connection: int
    service: str
    peer: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A connection or datagram was turned away; `limit` names what forbade it."""

    service: str
    peer: str
    limit: str


@dataclass(frozen=True, slots=True)
class Closed:
    """A connection ended.

    `reason` is one of: client FIN, client RST, connection lost, service, error,
    shutdown, or the limit that was reached (idle, write stall, handshake,
    message, messages, queue, HTTP request, HTTP Host, HTTP header, HTTP header time,
    HTTP body, HTTP body time). Bytes are those on the wire, `seconds` its age.
    """

    connection: int
    service: str
    peer: str
    reason: str
    bytesIn: int
    bytesOut: int
    seconds: float


Event = Opened | Refused | Closed
Sink = Callable[[Event], None]


class EventStream:
    """Gives each event to each sink. A sink that raises is taken off, and told of.

    `failed(sink)` is called inside the exception's handler, so that the caller
    can log the traceback.
    """

    def __init__(self, failed: Callable[[Sink], None]) -> None:
        self._sinks: tuple[Sink, ...] = ()
        self._failed = failed

    def attach(self, sink: Sink) -> None:
        self._sinks = (*self._sinks, sink)

    def publish(self, event: Event) -> None:
        for sink in self._sinks:
            try:
                sink(event)
            except Exception:
                self._sinks = tuple(other for other in self._sinks if other is not sink)
                self._failed(sink)


class Tally:
    """A sink that counts: connections by how they ended, refusals by limit."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Opened):
            self.opened += 1
        elif isinstance(event, Closed):
            self.closed[event.reason] += 1
        else:
            self.refused[event.limit] += 1

    def summary(self) -> str:
        """One line of all counts, the most frequent first."""
        closed = "".join(f", {count} by {reason}" for reason, count in self.closed.most_common())
        refused = "".join(f", {count} for {limit}" for limit, count in self.refused.most_common())
        return f"connections: {self.opened}{closed}; refused: {self.refused.total()}{refused}"
