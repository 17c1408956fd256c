"""A log of peers' traffic that stays readable when the traffic is heavy."""

from __future__ import annotations

from time import monotonic
from typing import ClassVar

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistednet.core.limits import TokenBucket


class RateLimitedLog:
    """Logs 100 lines at once, and then 20 a second.

    Lines that are left out are counted, and the next line that fits says how many.
    """

    RATE: ClassVar[float] = 20
    BURST: ClassVar[float] = 100

    def __init__(self, log: Logger, clock: IReactorTime | None = None) -> None:
        self._log = log
        self._seconds = monotonic if clock is None else clock.seconds
        self._bucket = TokenBucket(self.RATE, self.BURST)
        self._leftOut = 0

    def show(self, format: str, **values: object) -> None:
        """Log `format` with `values`, which must be printable already."""
        if not self._bucket.allow(self._seconds()):
            self._leftOut += 1
            return
        if self._leftOut:
            self._log.info("({count} more not shown)", count=self._leftOut)
            self._leftOut = 0
        self._log.info(format, **values)

    def leaveOut(self, count: int) -> bool:
        """Count `count` lines as left out, if none could be logged now. True if so."""
        if self._bucket.ready(self._seconds()):
            return False
        self._leftOut += count
        return True
