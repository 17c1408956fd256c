"""Pacing of a load run: when each sender sends, and from when on its latency counts."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter_ns

from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: Nanoseconds that a timer of the reactor may be late. It counts in milliseconds, rounded up:
#: that delay is the client's own, and not the server's.
MAX_TIMER_DELAY_NS = 2_000_000


@dataclass
class Schedule:
    """The interval between two messages of one sender, and whether the run goes on.

    An `interval` (nanoseconds) of 0 means that each answer is followed by the next message.
    """

    interval: int
    running: bool = True


class Sender:
    """Sends a message when it is due, once the one before has been answered.

    Times are those of `perf_counter_ns`. `waiting` is true while an answer is awaited, and
    `since` is the time from which the latency of that message counts.
    """

    def __init__(self, clock: IReactorTime, schedule: Schedule) -> None:
        self._clock = clock
        self._schedule = schedule
        self._due = 0
        self._timer: IDelayedCall | None = None
        self.since = 0
        self.waiting = False

    def send(self) -> None:
        """Send one message. Subclasses override this."""
        raise NotImplementedError

    def giveUp(self, now: int) -> None:
        """Give up a message that is lost. Subclasses whose messages may get lost override this."""

    def begin(self, due: int) -> None:
        """Send the first message when it is due."""
        self._due = due
        self._sendOrWait(perf_counter_ns())

    def next(self, now: int) -> None:
        """Go on with the next message: the answer came, or will not come."""
        self.waiting = False
        if self._schedule.running:
            self._due = self._due + self._schedule.interval if self._schedule.interval else now
            self._sendOrWait(now)

    def end(self) -> None:
        """Send nothing more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _sendOrWait(self, now: int) -> None:
        if self._due <= now:
            # An answer that came late delayed this message: that counts as the server's latency.
            self._sendAsOf(self._due)
        else:
            self._timer = self._clock.callLater((self._due - now) / 1e9, self._sendInTime)

    def _sendInTime(self) -> None:
        if self._schedule.running:
            now = perf_counter_ns()
            self._sendAsOf(now if now - self._due < MAX_TIMER_DELAY_NS else self._due)

    def _sendAsOf(self, since: int) -> None:
        self.since = since
        self.waiting = True
        self.send()
