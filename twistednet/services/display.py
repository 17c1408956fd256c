"""Lines that show a peer's traffic, bounded when the traffic is not."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistednet.core.limits import TokenBucket


class RateLimitedLog:
    """Logs a line for each thing that is shown, 100 at once and then 20 a second.

    What is left out is counted, and the next line that fits tells how many.
    """

    RATE: ClassVar[float] = 20
    BURST: ClassVar[float] = 100

    def __init__(self, log: Logger, clock: IReactorTime) -> None:
        self._log = log
        self._clock = clock
        self._bucket = TokenBucket(self.RATE, self.BURST)
        self._leftOut = 0

    def show(self, format: str, **values: Any) -> None:
        """Log `format` with `values`, which must be safe to show already."""
        if not self._bucket.allow(self._clock.seconds()):
            self._leftOut += 1
            return
        if self._leftOut:
            self._log.info("({count} more not shown)", count=self._leftOut)
            self._leftOut = 0
        self._log.info(format, **values)

    def leaveOut(self, count: int) -> bool:
        """Count `count` things as left out, if none of them could be shown now."""
        if self._bucket.ready(self._clock.seconds()):
            return False
        self._leftOut += count
        return True
