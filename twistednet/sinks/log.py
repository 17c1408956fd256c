"""The sink for people: a line in the log for each event."""

from __future__ import annotations

from typing import ClassVar

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistednet.core.limits import TokenBucket
from twistednet.events.model import Closed, Event, Faulted, Opened, Refused


class LogSink:
    """Logs a line for each event: 10 at once of each kind, and then one a second.

    So the log stays readable, and cheap, with ten thousand connections. Lines that are left out
    are counted, and the next line that fits says how many.
    """

    RATE: ClassVar[float] = 1
    BURST: ClassVar[float] = 10
    log = Logger()

    _FORMATS: ClassVar = {
        Opened: "{event.service}: {event.peer} connected (#{event.connection})",
        Refused: "{event.service}: refused {event.peer}: {event.limit}",
        Faulted: "{event.service}: {event.peer} (#{event.connection}): fault {event.fault}: "
        "{event.did} ({event.rule}; {event.count} by now)",
        Closed: "{event.service}: {event.peer} closed (#{event.connection}): {event.reason}; "
        "{event.bytesIn} B in, {event.bytesOut} B out, {event.seconds:.3f} s",
    }

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._buckets = {kind: TokenBucket(self.RATE, self.BURST) for kind in self._FORMATS}
        #: Until when a kind is left out, and how many were.
        self._silent = dict.fromkeys(self._FORMATS, 0.0)
        self._leftOut = dict.fromkeys(self._FORMATS, 0)

    def __call__(self, event: Event) -> None:
        if getattr(event, "kind", None) == "udp":
            # Its service displays datagrams.
            return
        kind, now = type(event), self._clock.seconds()
        if now < self._silent[kind]:
            self._leftOut[kind] += 1
            return
        bucket = self._buckets[kind]
        bucket.allow(now)
        self._silent[kind] = now + bucket.wait()
        if self._leftOut[kind]:
            self.log.info(
                "({count} more {kind})", count=self._leftOut[kind], kind=kind.__name__.lower()
            )
            self._leftOut[kind] = 0
        self.log.info(self._FORMATS[kind], event=event)
