"""When each sender of a run sends, and since when it has been waiting."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any

#: Nanoseconds that a timer of the reactor may be late: it counts in milliseconds,
#: rounded up. That is our own delay, and none of the server's.
LATE = 2_000_000


class Schedule:
    """When messages are due, in nanoseconds, and whether the run is on."""

    def __init__(self, interval: int) -> None:
        self.running = True
        #: Between two messages of one sender; 0 for one after the other.
        self.interval = interval


class Sender:
    """Sends a message when it is due, if the answer to the one before has come."""

    def __init__(self, reactor: Any, schedule: Schedule) -> None:
        self._reactor = reactor
        self._schedule = schedule
        self._due = 0
        self._later: Any = None
        #: By `perf_counter_ns`, from when on the latency of the message under way counts.
        self.since = 0
        self.waiting = False

    def send(self) -> None:
        """Send one message: a subclass's."""
        raise NotImplementedError

    def begin(self, due: int) -> None:
        """Send the first message when it is due, by `perf_counter_ns`."""
        self._due = due
        self._sendOrWait(perf_counter_ns())

    def next(self, now: int) -> None:
        """The answer has come, or will not: go on with the next message."""
        self.waiting = False
        if self._schedule.running:
            self._due = self._due + self._schedule.interval if self._schedule.interval else now
            self._sendOrWait(now)

    def _sendOrWait(self, now: int) -> None:
        if self._due <= now:
            # Held back by an answer that came late, which is the server's doing.
            self._sendAsOf(self._due)
        else:
            self._later = self._reactor.callLater((self._due - now) / 1e9, self._sendInTime)

    def _sendInTime(self) -> None:
        if self._schedule.running:
            now = perf_counter_ns()
            self._sendAsOf(now if now - self._due < LATE else self._due)

    def _sendAsOf(self, since: int) -> None:
        self.since = since
        self.waiting = True
        self.send()

    def end(self) -> None:
        """Send nothing any more."""
        if self._later is not None and self._later.active():
            self._later.cancel()
