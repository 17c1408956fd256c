"""What a fault keeps waiting: a queue for one direction of one connection, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from twisted.internet.interfaces import IReactorTime
from zope.interface import directlyProvides, providedBy

from twistednet.faults.model import Action

#: Bytes that may wait in one direction before what brings more is paused.
MOST = 16 * 1024
#: Steps that are taken before others have their turn: a thousand lanes may all be late.
TURN = 8


class DelayQueue:
    """Takes steps in their order, none before its time, and none while it is `held`.

    `size` is how many bytes wait; a step without bytes counts as one.
    """

    def __init__(
        self, clock: IReactorTime, take: Callable[[Action], None], changed: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._take = take
        self._changed = changed
        self._steps: deque[Action] = deque()
        #: How much of the first one is through.
        self._begun = 0
        self._call: Any = None
        self._isRunning = False
        self.size = 0
        self.held = False

    def put(self, steps: Iterable[Action]) -> None:
        """Take them after those that wait: at once, if nothing is against it."""
        for step in steps:
            self._steps.append(step)
            self.size += len(step.data) or 1
        self.run()

    def run(self) -> None:
        """Take what may be taken now, and see to the rest."""
        if self._isRunning:
            self._changed()
            return
        self._isRunning = True
        try:
            for _ in range(TURN):
                if not self._steps or self.held or self._due() > self._clock.seconds():
                    break
                self._take(self._next())
        finally:
            self._isRunning = False
        self._wait()
        self._changed()

    def drain(self) -> list[Action]:
        """Let go of all that waits."""
        steps = list(self._steps)
        if self._begun:
            steps[0] = replace(steps[0], data=steps[0].data[self._begun :])
        self._steps.clear()
        self.size = self._begun = 0
        self._wait()
        return steps

    def keep(self, isKept: Callable[[Action], bool]) -> None:
        """Let go of the others that wait, and have not begun."""
        for step in [step for step in self._steps if not isKept(step)]:
            self._steps.remove(step)
            self.size -= len(step.data) or 1
        self.run()

    def _due(self) -> float:
        """When the first one may be taken, or its next piece."""
        first = self._steps[0]
        return first.at + (first.gap * (self._begun // first.piece) if first.piece else 0.0)

    def _next(self) -> Action:
        """The first one, or its next piece, which then no longer waits."""
        first, begin = self._steps[0], self._begun
        if first.isEndless:
            self._steps[0] = replace(first, at=first.at + first.gap)
            return first
        self._begun += first.piece or len(first.data)
        if self._begun >= len(first.data):
            self._steps.popleft()
            self._begun = 0
        if not first.piece:
            self.size -= len(first.data) or 1
            return first
        data = first.data[begin : begin + first.piece]
        self.size -= len(data)
        return Action(first.at, first.act, data)

    def _wait(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        if self._steps and not self.held:
            wait = max(0.0, self._due() - self._clock.seconds())
            self._call = self._clock.callLater(wait, self.run)


class ProducerProxy:
    """Stands before a service's producer, which is held by the transport or by a lane."""

    def __init__(
        self, producer: Any, isPush: bool, lane: DelayQueue, isPaused: bool = False
    ) -> None:
        self.producer = producer
        self._isPush = isPush
        self._lane = lane
        self._isWanted = isPush and not isPaused
        self._isFlowing = not isPaused

    def pauseProducing(self) -> None:
        self._isWanted = False
        self.adjust()

    def resumeProducing(self) -> None:
        self._isWanted = True
        self.adjust()

    def stopProducing(self) -> None:
        self.producer.stopProducing()

    def lost(self) -> None:
        """What it has written last was dropped."""
        if not self._isPush:
            self.resumeProducing()

    def adjust(self) -> None:
        """The lane has more or less."""
        if not self._isPush:
            if self._isWanted and not self._lane.size:
                self._isWanted = False
                self.producer.resumeProducing()
            return
        flows = self._isWanted and self._lane.size <= MOST
        if flows != self._isFlowing:
            self._isFlowing = flows
            (self.producer.resumeProducing if flows else self.producer.pauseProducing)()


class FaultTransport:
    """The transport that a service has while a fault stands between it and its own."""

    def __init__(self, faultWrapper: Any, real: Any) -> None:
        self._between = faultWrapper
        self._real = real
        directlyProvides(self, providedBy(real))
        self.write = faultWrapper.write
        self.loseConnection = self.stopProducing = faultWrapper.lose
        self.loseWriteConnection = faultWrapper.loseWrite
        self.abortConnection = faultWrapper.abort
        self.registerProducer = faultWrapper.registerProducer
        self.unregisterProducer = faultWrapper.unregisterProducer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @property
    def queued(self) -> int:
        """Bytes written by the protocol that the kernel has not taken."""
        waiting: int = self._between.waiting
        return waiting + int(self._real.queued)

    @property
    def disconnecting(self) -> bool:
        return bool(self._between.isClosing or self._real.disconnecting)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def pauseProducing(self) -> None:
        self._between.want(False)

    def resumeProducing(self) -> None:
        self._between.want(True)
