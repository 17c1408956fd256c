"""What became of connections, counted by service."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from twistednet.core.events import Closed, Event, Opened, Refused

#: Different reasons that are told apart; a service of others' may make up its own.
MOST = 200


class Counts:
    """A sink that counts. Bytes are those of connections that are over."""

    def __init__(self) -> None:
        self.opened: Counter[str] = Counter()
        self.bytesIn: Counter[str] = Counter()
        self.bytesOut: Counter[str] = Counter()
        #: By service and reason.
        self.closed: Counter[tuple[str, str]] = Counter()
        #: By service and limit.
        self.refused: Counter[tuple[str, str]] = Counter()

    def __call__(self, event: Event) -> None:
        if getattr(event, "kind", None) == "udp":
            # A conversation without connection: its port counts.
            return
        if isinstance(event, Opened):
            self.opened[event.service] += 1
        elif isinstance(event, Closed):
            self.bytesIn[event.service] += event.bytesIn
            self.bytesOut[event.service] += event.bytesOut
            _count(self.closed, event.service, event.reason)
        elif isinstance(event, Refused):
            _count(self.refused, event.service, event.limit)

    def totals(self, daemon: Any) -> dict[str, Total]:
        """By service: what is over, and what the transports of open connections, and the
        UDP ports, count now."""
        totals = {
            name: Total(0, self.opened[name], self.bytesIn[name], self.bytesOut[name])
            for name in daemon.serving.names()
        }
        for service, count in daemon.serving.datagrams().items():
            totals[service].bytesIn += count["bytesIn"]
            totals[service].bytesOut += count["bytesOut"]
        for connection in daemon.connections:
            total = totals[connection.service]
            total.open += 1
            total.bytesIn += connection.transport.bytesIn
            total.bytesOut += connection.transport.bytesOut
        return totals


def _count(counter: Counter[tuple[str, str]], service: str, reason: str) -> None:
    key = service, reason
    if key not in counter and len(counter) >= MOST:
        key = service, "other"
    counter[key] += 1


@dataclass
class Total:
    """All connections of one service, those that are open included."""

    open: int = 0
    opened: int = 0
    bytesIn: int = 0
    bytesOut: int = 0
