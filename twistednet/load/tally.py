"""What a load run counts, and the latencies it saw."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

#: Latencies are kept in nanoseconds, to three digits, from 100 ns to 10 minutes.
LOWEST, HIGHEST, DIGITS = 100, 600 * 10**9, 3
PERCENTILES = (50.0, 90.0, 99.0, 99.9)


def histogram() -> HdrHistogram:
    return HdrHistogram(LOWEST, HIGHEST, DIGITS)


@dataclass
class LoadTally:
    """Counts of one run. `answered` are those with the right answer, in time."""

    connections: int
    sent: int = 0
    answered: int = 0
    late: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    cpu: float = 0.0
    #: Messages a second that were asked for; None for as many as the server answers.
    rate: float | None = None
    measured: HdrHistogram = field(default_factory=histogram)

    def answer(self, nanoseconds: int) -> None:
        self.answered += 1
        self.measured.record_value(nanoseconds if nanoseconds > LOWEST else LOWEST)

    @property
    def lost(self) -> int:
        """Sent, and never answered."""
        return max(0, self.sent - self.answered - self.late)

    @property
    def perSecond(self) -> float:
        return self.answered / self.seconds if self.seconds else 0.0

    def latencies(self) -> HdrHistogram:
        """Corrected for coordinated omission.

        A connection that waits for a slow answer does not send what it would have
        sent meanwhile, and so leaves out the very samples that would have been slow.
        With a rate, latency is measured from when a message should have been sent,
        which needs no correction. Without one, the messages left out are put back:
        each connection would have sent one every mean interval (as wrk and
        HdrHistogram do it).
        """
        if self.rate is not None or not self.answered:
            return self.measured
        interval = int(self.seconds * 1e9 * self.connections / self.answered)
        corrected = histogram()
        for step in self.measured.get_recorded_iterator():
            value, count = step.value_iterated_to, step.count_added_in_this_iter_step
            corrected.record_value(value, count)
            # Not record_corrected_value: it also adds what is left below one interval.
            for missing in range(value - interval, interval - 1, -interval):
                corrected.record_value(missing, count)
        return corrected
