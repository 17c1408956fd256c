"""Delay queue: actions that a fault holds back, in one direction of one connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twistednet.faults.actions import Action

#: Bytes that may wait in one direction before what brings more is paused.
MAX_WAITING_BYTES = 16 * 1024
#: Actions that one queue performs before others have their turn: thousands may be late.
MAX_ACTIONS_PER_TURN = 8


class DelayQueue:
    """Performs actions in their order, none before its time, and none while it `isPaused`.

    `waitingBytes` counts an action without bytes as one. `changed` is called whenever
    actions were added or performed.
    """

    def __init__(
        self,
        clock: IReactorTime,
        perform: Callable[[Action], None],
        changed: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._perform = perform
        self._changed = changed
        self._actions: deque[Action] = deque()
        #: Bytes of the first action that have passed.
        self._passedBytes = 0
        self._call: IDelayedCall | None = None
        self._isRunning = False
        self.waitingBytes = 0
        self.isPaused = False

    def add(self, actions: Iterable[Action]) -> None:
        """Perform the actions after those that wait, at once if possible."""
        for action in actions:
            self._actions.append(action)
            self.waitingBytes += len(action.data) or 1
        self.performDue()

    def performDue(self) -> None:
        """Perform the actions that are due, and schedule the others."""
        if self._isRunning:
            self._changed()
            return
        self._isRunning = True
        try:
            for _ in range(MAX_ACTIONS_PER_TURN):
                if not self._actions or self.isPaused or self._due() > self._clock.seconds():
                    break
                self._perform(self._next())
        finally:
            self._isRunning = False
        self._schedule()
        self._changed()

    def clear(self) -> list[Action]:
        """Remove all actions that wait, and return them."""
        actions = list(self._actions)
        if self._passedBytes:
            actions[0] = replace(actions[0], data=actions[0].data[self._passedBytes :])
        self._actions.clear()
        self.waitingBytes = self._passedBytes = 0
        self._schedule()
        return actions

    def discard(self, isUnwanted: Callable[[Action], bool]) -> None:
        """Remove the unwanted actions, none of which may have passed in part."""
        for action in [action for action in self._actions if isUnwanted(action)]:
            self._actions.remove(action)
            self.waitingBytes -= len(action.data) or 1
        self.performDue()

    def _due(self) -> float:
        """Return the time of the first action, or of its next piece."""
        first = self._actions[0]
        pieces = self._passedBytes // first.piece if first.piece else 0
        return first.at + first.gap * pieces

    def _next(self) -> Action:
        """Return the first action, or its next piece, which waits no longer."""
        first, start = self._actions[0], self._passedBytes
        if first.isEndless:
            self._actions[0] = replace(first, at=first.at + first.gap)
            return first
        self._passedBytes += first.piece or len(first.data)
        if self._passedBytes >= len(first.data):
            self._actions.popleft()
            self._passedBytes = 0
        if not first.piece:
            self.waitingBytes -= len(first.data) or 1
            return first
        data = first.data[start : start + first.piece]
        self.waitingBytes -= len(data)
        return Action(first.at, first.type, data)

    def _schedule(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        if self._actions and not self.isPaused:
            wait = max(0.0, self._due() - self._clock.seconds())
            self._call = self._clock.callLater(wait, self.performDue)
