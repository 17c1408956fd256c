"""What a fault keeps waiting: a queue for one direction of one connection, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from zope.interface import directlyProvides, providedBy

from twistednet.core.faultkinds import Step

#: Bytes that may wait in one direction before what brings more is paused.
MOST = 16 * 1024


class Lane:
    """Takes steps in their order, none before its time, and none while it is `held`.

    `size` is how many bytes wait; a step without bytes counts as one.
    """

    def __init__(
        self, clock: IReactorTime, take: Callable[[Step], None], changed: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._take = take
        self._changed = changed
        self._steps: deque[Step] = deque()
        self._call: Any = None
        self._isRunning = False
        self.size = 0
        self.held = False

    def put(self, steps: Iterable[Step]) -> None:
        """Take them after those that wait: at once, if nothing is against it."""
        for step in steps:
            self._steps.append(step)
            self.size += len(step.data) or 1
        self.run()

    def run(self) -> None:
        """Take all whose time has come."""
        if self._isRunning:
            return
        self._isRunning = True
        try:
            while self._steps and not self.held and self._steps[0].at <= self._clock.seconds():
                self._take(self._pop())
        finally:
            self._isRunning = False
        self._wait()
        self._changed()

    def drain(self) -> list[Step]:
        """Let go of all that waits."""
        steps = list(self._steps)
        self._steps.clear()
        self.size = 0
        self._wait()
        return steps

    def _pop(self) -> Step:
        step = self._steps.popleft()
        self.size -= len(step.data) or 1
        return step

    def _wait(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        if self._steps and not self.held:
            wait = max(0.0, self._steps[0].at - self._clock.seconds())
            self._call = self._clock.callLater(wait, self.run)


class Valve:
    """Stands before a service's producer, which is held by the transport or by a lane."""

    def __init__(self, producer: Any, isPush: bool, lane: Lane) -> None:
        self._producer = producer
        self._isPush = isPush
        self._lane = lane
        self._isWanted = isPush
        self._isFlowing = True

    def pauseProducing(self) -> None:
        self._isWanted = False
        self.adjust()

    def resumeProducing(self) -> None:
        self._isWanted = True
        self.adjust()

    def stopProducing(self) -> None:
        self._producer.stopProducing()

    def adjust(self) -> None:
        """The lane has more or less."""
        if not self._isPush:
            if self._isWanted and not self._lane.size:
                self._isWanted = False
                self._producer.resumeProducing()
            return
        flows = self._isWanted and self._lane.size <= MOST
        if flows != self._isFlowing:
            self._isFlowing = flows
            (self._producer.resumeProducing if flows else self._producer.pauseProducing)()


class Outside:
    """The transport that a service has while a fault stands between it and its own."""

    def __init__(self, between: Any, real: Any) -> None:
        self._between = between
        self._real = real
        directlyProvides(self, providedBy(real))
        self.write = between.write
        self.loseConnection = self.stopProducing = between.lose
        self.loseWriteConnection = between.loseWrite
        self.abortConnection = between.abort
        self.registerProducer = between.registerProducer
        self.unregisterProducer = between.unregisterProducer

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
