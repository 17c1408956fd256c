"""Timeouts: ends connections that stay silent, in TLS handshakes, idle or stalled for too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from twistednet.connections.tracking import Connections, TrackedConnection
from twistednet.transport.closing import unacknowledged

#: Seconds in which a peer must send its first byte while nine of ten places are taken, unless
#: the service has sent something.
SILENT_SECONDS = 10.0


@dataclass(frozen=True)
class Times:
    """The timeouts in seconds.

    `handshake` limits a TLS handshake, `idle` a time without a byte either way, and `stall` a
    time in which the peer acknowledges nothing of what was sent.
    """

    handshake: float
    idle: float
    stall: float


def sweep(
    connections: Connections,
    times: Times,
    isHandshaking: Callable[[object], bool],
    isClosing: Callable[[object], bool],
) -> Iterator[Deferred[None] | None]:
    """Check every connection once, and abort those that have timed out.

    It compares the counts of the transports with those of the last sweep, so no byte costs
    anything. Yields after each connection, so that the reactor's readers have their turn.
    """
    now = connections.clock.seconds()
    for connection in connections:
        protocol = connection.transport.protocol
        timeout = _timeout(connection, times, now, isClosing(protocol))
        if timeout is None and now - connection.opened >= times.handshake:
            timeout = "handshake" if isHandshaking(protocol) else None
        if timeout is None and not connection.transport.bytesIn:
            timeout = "silent" if _isSilent(connection, connections, now) else None
        if timeout is None:
            yield None
        else:
            # Thousands may time out at once: abort one a turn, so that none of the others waits.
            connection.abort(timeout)
            yield deferLater(connections.clock, 0)


def _timeout(
    connection: TrackedConnection, times: Times, now: float, isClosing: bool
) -> str | None:
    """Return the timeout that is over, or None."""
    stream = connection.transport
    sent, acknowledged = stream.bytesOut, connection.acknowledged
    if acknowledged != sent:
        # It costs a system call, so it is asked only while something may be on its way.
        acknowledged = connection.acknowledged = sent - unacknowledged(stream)
    isWriting = acknowledged != sent or isClosing or stream.queued > 0
    # A peer that sends but does not read makes no progress.
    total = acknowledged if isWriting else stream.bytesIn + sent
    if total != connection.total:
        connection.total = total
        connection.lastProgress = now
        return None
    quiet = now - connection.lastProgress
    if isWriting and quiet >= times.stall:
        return "write stall"
    return "idle" if quiet >= times.idle else None


def _isSilent(connection: TrackedConnection, connections: Connections, now: float) -> bool:
    """True if a peer that has sent nothing owes the first byte, and others need its place."""
    stream = connection.transport
    return (
        not (stream.bytesOut or stream.queued)
        and now - connection.opened >= SILENT_SECONDS
        and connections.admissionControl.isCrowded
    )
