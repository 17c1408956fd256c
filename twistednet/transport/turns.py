"""Turns: the work of many connections, of which each reactor turn does a millisecond."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import CooperativeTask, Cooperator, TaskStopped
from twisted.python.failure import Failure

#: Seconds of each reactor turn in which work is done, or a little more: a step is not split.
TURN_SECONDS = 0.001


def fairCooperator(clock: IReactorTime) -> Cooperator:
    """Return a cooperator that takes a millisecond of each reactor turn for all its tasks."""
    return Cooperator(_turn, lambda work: clock.callLater(0, work))


class Turns:
    """The turns of the connections of one site.

    While nobody waits and little was done lately, work is done at once: `begin` is true, and
    `end` follows. Otherwise it takes its turn.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.cooperator = fairCooperator(clock)
        self._waiting = 0
        #: Seconds of work since others had their turn. The time between two pieces of work
        #: was theirs.
        self._spent = 0.0
        self._begun = self._ended = 0.0

    def begin(self) -> bool:
        """True if work may be done at once; `end` must be called after it."""
        if self._waiting:
            return False
        self._begun = monotonic()
        self._spent = max(0.0, self._spent - (self._begun - self._ended))
        self._ended = self._begun
        return self._spent < TURN_SECONDS

    def end(self) -> None:
        """Count the time since `begin` returned True."""
        self._ended = monotonic()
        self._spent += self._ended - self._begun

    def take(
        self, steps: Iterator[object], failed: Callable[[Failure], object]
    ) -> CooperativeTask[Iterator[object]]:
        """Do the work of a connection step by step, in turn with that of the others.

        If it raises, `failed` is called with that.
        """
        self._waiting += 1
        task = self.cooperator.cooperate(steps)
        task.whenDone().addErrback(_unlessStopped, failed).addBoth(self._done)
        return task

    def _done(self, result: object) -> None:
        self._waiting -= 1
        self._spent = 0.0


def _unlessStopped(failure: Failure, failed: Callable[[Failure], object]) -> None:
    if not failure.check(TaskStopped):
        failed(failure)


def _turn() -> Callable[[], bool]:
    end = monotonic() + TURN_SECONDS
    return lambda: monotonic() > end
