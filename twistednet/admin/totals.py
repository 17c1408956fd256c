"""Totals of each service since the start."""

from __future__ import annotations

from dataclasses import dataclass

from twistednet.admin.interfaces import DaemonAPI


@dataclass
class Total:
    """The totals of one service, with its open connections."""

    open: int = 0
    opened: int = 0
    bytesIn: int = 0
    bytesOut: int = 0


def totals(daemon: DaemonAPI) -> dict[str, Total]:
    """Return the totals by service: those of closed connections, and the present counts of open
    connections and UDP ports.
    """
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
