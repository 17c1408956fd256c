"""What each service has done until now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Total:
    """All connections of one service, those that are open included."""

    open: int = 0
    opened: int = 0
    bytesIn: int = 0
    bytesOut: int = 0


def totals(daemon: Any) -> dict[str, Total]:
    """By service: what is over, and what the transports of open connections, and the UDP
    ports, count now."""
    tally = daemon.tally
    totals = {
        name: Total(0, tally.opened[name], tally.bytesIn[name], tally.bytesOut[name])
        for name in daemon.ports.names()
    }
    for service, count in daemon.ports.datagrams().items():
        totals[service].bytesIn += count["bytesIn"]
        totals[service].bytesOut += count["bytesOut"]
    for connection in daemon.connections:
        total = totals[connection.service]
        total.open += 1
        total.bytesIn += connection.transport.bytesIn
        total.bytesOut += connection.transport.bytesOut
    return totals
