"""daemon/logfile.py: what the log leaves out."""

from __future__ import annotations

from twisted.logger import LogEvent, PredicateResult
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twistednet.daemon.logfile import OncePerPlace


def raised(key: str) -> LogEvent:
    """Return an event with the traceback of an exception, always of the same place."""
    try:
        raise ValueError("mine")
    except ValueError:
        return {key: Failure()}


class OncePerPlaceTests(SynchronousTestCase):
    """One traceback in ten seconds for each place."""

    def test_rate(self) -> None:
        """The second is left out, whether a Logger logs it or `log.err`; other lines pass."""
        for key in ("log_failure", "failure"):
            now = 100.0
            filtered = OncePerPlace(10, lambda: now)  # noqa: B023
            self.assertEqual(filtered(raised(key)), PredicateResult.maybe)
            now = 109.0
            self.assertEqual(filtered(raised(key)), PredicateResult.no, key)
            self.assertEqual(filtered({"log_format": "other"}), PredicateResult.maybe)
            now = 110.0
            self.assertEqual(filtered(raised(key)), PredicateResult.maybe)
