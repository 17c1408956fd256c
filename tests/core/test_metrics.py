"""core/metrics.py: metrics that are cheap to keep."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twistednet.core.metrics import Histogram


class HistogramTests(SynchronousTestCase):
    """The number of values up to each bound."""

    def test_counts(self) -> None:
        """A value on a bound counts for it; one beyond the last counts only for the last number."""
        histogram = Histogram(1, 10)
        for value in (0.5, 1, 2, 10, 11):
            histogram.add(value)
        self.assertEqual(([2, 4, 5], 24.5), (histogram.cumulated(), histogram.sum))
