"""The sink for people: a line in the log for each event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistednet.core.limits import TokenBucket
from twistednet.events.model import Closed, Event, Faulted, Opened, Refused


class LogSink:
    """Logs a line for each event: of each kind and service 10 at once, and then one a second.

    So the log stays readable, and cheap, with ten thousand connections, and a flood of one
    service hides no line of another. Lines that are left out are counted, and the next line that
    fits says how many.
    """

    RATE: ClassVar[float] = 1
    BURST: ClassVar[float] = 10
    log = Logger()

    _FORMATS: ClassVar[dict[type, str]] = {
        Opened: "{event.service}: {event.peer} connected (#{event.connection})",
        Refused: "{event.service}: refused {event.peer}: {event.limit}",
        Faulted: "{event.service}: {event.peer} (#{event.connection}): fault {event.fault}: "
        "{event.did} ({event.rule}; {event.count} by now)",
        Closed: "{event.service}: {event.peer} closed (#{event.connection}): {event.reason}; "
        "{event.bytesIn} B in, {event.bytesOut} B out, {event.seconds:.3f} s",
    }

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._limits: dict[tuple[type, str], _Limit] = {}

    def __call__(self, event: Event) -> None:
        if getattr(event, "kind", None) == "udp":
            # Its service displays datagrams.
            return
        kind = type(event)
        key = kind, event.service
        limit = self._limits.get(key)
        if limit is None:
            limit = self._limits[key] = _Limit(TokenBucket(self.RATE, self.BURST))
        now = self._clock.seconds()
        if now < limit.silentUntil:
            limit.leftOut += 1
            return
        limit.bucket.allow(now)
        limit.silentUntil = now + limit.bucket.wait()
        if limit.leftOut:
            self.log.info(
                "{service}: ({count} more {kind})",
                service=event.service,
                count=limit.leftOut,
                kind=kind.__name__.lower(),
            )
            limit.leftOut = 0
        self.log.info(self._FORMATS[kind], event=event)


@dataclass
class _Limit:
    """The limit of one kind of line of one service: how many were left out, and until when."""

    bucket: TokenBucket
    silentUntil: float = 0.0
    leftOut: int = 0
