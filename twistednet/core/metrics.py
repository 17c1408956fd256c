"""Figures that are cheap to keep."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate


class Histogram:
    """How many values there were up to each of `bounds`, which ascend, and beyond the last."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, *bounds: float) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulated(self) -> list[int]:
        """Values up to each bound; the last is all of them."""
        return list(accumulate(self.counts))


#: What a service tells of itself, by name: a number, or a histogram.
Metrics = dict[str, "float | Histogram"]
