"""Results of a load run: counts, and a histogram of latencies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, cast

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

#: The latencies that the histogram tells apart, in nanoseconds: 100 ns to 10 minutes.
MIN_LATENCY_NS, MAX_LATENCY_NS = 100, 600 * 10**9
SIGNIFICANT_DIGITS = 3
PERCENTILES = (50.0, 90.0, 99.0, 99.9)


class HistogramStep(Protocol):
    """A step of the iteration over a histogram: a value, and how often it was recorded."""

    value_iterated_to: int
    count_added_in_this_iter_step: int


class LatencyHistogram(Protocol):
    """What is used of an `HdrHistogram`, which has no types; values are in nanoseconds."""

    def record_value(self, value: int, count: int = 1) -> object: ...

    def get_recorded_iterator(self) -> Iterator[HistogramStep]: ...

    def get_total_count(self) -> int: ...

    def get_value_at_percentile(self, percentile: float) -> int: ...

    def get_min_value(self) -> int: ...

    def get_max_value(self) -> int: ...


def histogram() -> LatencyHistogram:
    """Return an empty histogram."""
    return cast(LatencyHistogram, HdrHistogram(MIN_LATENCY_NS, MAX_LATENCY_NS, SIGNIFICANT_DIGITS))


@dataclass
class LoadTally:
    """The counts of one run. `answered` messages got the right answer in time.

    `seconds` is how long the run took, `cpu` the seconds of CPU time that this client used.
    `rate` is the number of messages a second on request, None for as many as are answered.
    """

    connections: int
    sent: int = 0
    answered: int = 0
    late: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    cpu: float = 0.0
    rate: float | None = None
    measured: LatencyHistogram = field(default_factory=histogram)

    def answer(self, nanoseconds: int) -> None:
        """Count a right answer and its latency."""
        self.answered += 1
        self.measured.record_value(nanoseconds if nanoseconds > MIN_LATENCY_NS else MIN_LATENCY_NS)

    @property
    def lost(self) -> int:
        """The number of messages that were sent and never answered."""
        return max(0, self.sent - self.answered - self.late)

    @property
    def perSecond(self) -> float:
        """The number of answers a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    def latencies(self) -> LatencyHistogram:
        """Return the latencies, corrected for coordinated omission.

        A connection that waits for a slow answer does not send the messages that it would
        have sent meanwhile, and so leaves out the very samples that would have been slow.
        With a rate, latency counts from when a message was due, which needs no correction.
        Without one, the omitted messages are put back: each connection would have sent one
        every mean interval (as wrk and HdrHistogram do it).
        """
        if self.rate is not None or not self.answered:
            return self.measured
        interval = int(self.seconds * 1e9 * self.connections / self.answered)
        corrected = histogram()
        for step in self.measured.get_recorded_iterator():
            value, count = step.value_iterated_to, step.count_added_in_this_iter_step
            corrected.record_value(value, count)
            # Not record_corrected_value: it also adds the remainder below one interval.
            for omitted in range(value - interval, interval - 1, -interval):
                corrected.record_value(omitted, count)
        return corrected
