"""transport/turns.py: work that is done at once while nobody waits, and in turns otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twistednet.transport import turns
from twistednet.transport.turns import Turns


class TurnsTests(SynchronousTestCase):
    """On two clocks of the test's: the reactor's, and the one that measures the work."""

    def setUp(self) -> None:
        self.clock, self.now = Clock(), 100.0
        self.patch(turns, "monotonic", lambda: self.now)
        self.turns = Turns(self.clock)
        self.failures: list[Failure] = []

    def work(self, seconds: float) -> None:
        """Do work that takes so long."""
        self.now += seconds

    def test_atOnce(self) -> None:
        """Work is done at once until it is a millisecond without a pause."""
        for _ in range(4):
            self.assertTrue(self.turns.begin())
            self.work(0.0003)
            self.turns.end()
        self.assertFalse(self.turns.begin())
        self.now += 0.0005
        self.assertTrue(self.turns.begin())

    def test_others(self) -> None:
        """While somebody waits, nothing is done at once; afterwards it is again."""
        self.turns.take(iter([None, None]), self.failures.append)
        self.assertFalse(self.turns.begin())
        self.clock.advance(0)
        self.assertTrue(self.turns.begin())

    def test_inTurn(self) -> None:
        """A millisecond of each turn of the reactor is for all that wait, one step each."""
        done: list[str] = []

        def steps(name: str) -> Iterator[None]:
            for _ in range(3):
                done.append(name)
                self.work(0.0004)
                yield

        self.turns.take(steps("a"), self.failures.append)
        self.turns.take(steps("b"), self.failures.append)
        self.clock.callLater(0, done.append, "reactor")
        self.clock.advance(0)
        self.assertEqual(done, ["a", "b", "a", "reactor", "b", "a", "b"])

    def test_failed(self) -> None:
        """What raises is reported, and nobody else waits for it; what is stopped is not."""

        def broken() -> Iterator[None]:
            raise ZeroDivisionError
            yield

        self.turns.take(broken(), self.failures.append)
        self.turns.take(iter([None]), self.failures.append).stop()
        self.clock.advance(0)
        self.assertEqual([failure.type for failure in self.failures], [ZeroDivisionError])
        self.assertTrue(self.turns.begin())
