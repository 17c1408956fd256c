"""inject/queue.py: actions that wait."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twistednet.faults.actions import Action
from twistednet.faults.actiontypes import ActionType
from twistednet.inject.queue import DelayQueue


class PausedTests(SynchronousTestCase):
    """A queue whose actions are due, and which must not perform them."""

    def test_idle(self) -> None:
        """It asks the clock for nothing until it goes on, so that the daemon is idle too."""
        clock = Clock()
        performed: list[bytes] = []
        queue = DelayQueue(clock, lambda action: performed.append(action.data), lambda: None)
        queue.add([Action(1.0, ActionType.PASS, b"first"), Action(1.0, ActionType.PASS, b"second")])
        self.assertEqual(1, len(clock.getDelayedCalls()))
        queue.isPaused = True
        # Not by the clock: a queue that asks again and again would hold it up for ever.
        queue.performDue()
        self.assertEqual(([], []), (performed, clock.getDelayedCalls()))
        queue.add([Action(1.0, ActionType.PASS, b"third")])
        self.assertEqual(([], []), (performed, clock.getDelayedCalls()))
        clock.advance(1)
        queue.isPaused = False
        queue.performDue()
        self.assertEqual([b"first", b"second", b"third"], performed)
