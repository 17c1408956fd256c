"""Metrics that are cheap to keep: histograms, and the values that a service offers."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate


class Histogram:
    """Counts values by `bounds`: up to each of them (they ascend), and beyond the last."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, *bounds: float) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, count: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += count
        self.sum += value * count

    def cumulated(self) -> list[int]:
        """Return the number of values up to each bound; the last is that of all values."""
        return list(accumulate(self.counts))


#: The metrics of a service by name: numbers and histograms.
Metrics = dict[str, "float | Histogram"]
