"""The clock of limits, faults, rates and the drain: time that nobody can set."""

from __future__ import annotations

from time import monotonic

from twisted.internet.base import ReactorBase


def useMonotonicTime(reactor: ReactorBase) -> None:
    """Make `reactor.seconds()`, by which its timers run, monotonic.

    Twisted's is the wall clock: set ahead, it ends every wait at once, and set back, it ends
    none. Call this before anything is scheduled. Dates that people see come from `time.time`.
    """
    reactor.seconds = monotonic
