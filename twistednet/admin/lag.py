"""Lag of the reactor: how late timed calls are."""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twistednet.core.metrics import Histogram

#: Seconds between two measurements.
INTERVAL_SECONDS = 0.25


class Lag:
    """Measures the lag all the time; `seconds` has all measurements."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._call: IDelayedCall | None = None
        self.seconds = Histogram(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

    def start(self) -> None:
        self._due = self._clock.seconds() + INTERVAL_SECONDS
        self._call = self._clock.callLater(INTERVAL_SECONDS, self._measure)

    def stop(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _measure(self) -> None:
        self.seconds.add(max(0.0, self._clock.seconds() - self._due))
        self.start()
