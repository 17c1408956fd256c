"""services/ratelimitedlog.py: lines about traffic, and how many were left out."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twistednet.services.ratelimitedlog import RateLimitedLog


class Lines:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def info(self, format: str, **values: Any) -> None:
        self.texts.append(format.format(**values))


class LeftOutTests(SynchronousTestCase):
    """Lines beyond the rate."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.lines = Lines()
        self.display = RateLimitedLog(self.lines, self.clock)  # type: ignore[arg-type]

    def show(self, count: int) -> None:
        for number in range(count):
            self.display.show("line {number}", number=number)

    def test_countedOnce(self) -> None:
        """The next line that fits says how many were left out, and the one after it does not."""
        self.show(int(RateLimitedLog.BURST) + 7)
        self.assertEqual(RateLimitedLog.BURST, len(self.lines.texts))
        self.lines.texts.clear()
        self.clock.advance(2 / RateLimitedLog.RATE)
        self.show(2)
        self.assertEqual(["(7 more not shown)", "line 0", "line 1"], self.lines.texts)

    def test_withoutALine(self) -> None:
        """What is left out unseen counts too."""
        self.show(int(RateLimitedLog.BURST))
        self.assertTrue(self.display.leaveOut(64))
        self.lines.texts.clear()
        self.clock.advance(1 / RateLimitedLog.RATE)
        self.assertFalse(self.display.leaveOut(64))
        self.show(1)
        self.assertEqual(["(64 more not shown)", "line 0"], self.lines.texts)
