"""What a connection may not do for long, and what a datagram may not be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from twistednet.connections.tracking import Connections, TrackedConnection


@dataclass(frozen=True)
class Times:
    """Seconds that a connection may take: for its TLS handshake, without a byte
    either way, and with bytes queued of which the peer reads none."""

    handshake: float
    idle: float
    stall: float


def sweep(
    connections: Connections,
    times: Times,
    isHandshaking: Callable[[Any], bool],
    isClosing: Callable[[Any], bool],
) -> Iterator[Deferred[None] | None]:
    """Look at every connection once, and end those whose time is up.

    All is read off the transports' own counters, so that no byte pays for it.
    Yields between connections, for the others' turn.
    """
    now = connections.clock.seconds()
    for connection in connections:
        transport = connection.transport
        overdue = _overdue(connection, times, now, isClosing(transport.protocol))
        if overdue is None and now - connection.opened >= times.handshake:
            overdue = "handshake" if isHandshaking(transport.protocol) else None
        if overdue is None:
            yield None
        else:
            # Thousands may be overdue at once: one a turn, so that nobody waits.
            connection.abort(overdue)
            yield deferLater(connections.clock, 0)


def _overdue(connection: TrackedConnection, times: Times, now: float, closing: bool) -> str | None:
    transport = connection.transport
    stuck = transport.queued > 0 or closing
    # A peer that sends but does not read makes no progress.
    total = transport.bytesOut if stuck else transport.bytesIn + transport.bytesOut
    if total != connection.total:
        connection.total = total
        connection.lastProgress = now
        return None
    quiet = now - connection.lastProgress
    if stuck and quiet >= times.stall:
        return "write stall"
    return "idle" if quiet >= times.idle else None
