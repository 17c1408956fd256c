"""A scenario that is being played: its rules come into force, part after part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistednet.faults.active import ActiveFault
from twistednet.faults.scenario import Part, Scenario
from twistednet.inject.injector import FaultInjector


class Player:
    """Plays one scenario at a time. All other rules stay as they are."""

    log = Logger()

    def __init__(self, clock: IReactorTime, faulting: FaultInjector) -> None:
        self.scenario: Scenario | None = None
        #: Which part is on, counted from 0, and until when.
        self.part = 0
        self.until = 0.0
        self._clock = clock
        self._faulting = faulting
        self._mine: list[ActiveFault] = []
        self._call: Any = None

    @property
    def left(self) -> float:
        """Seconds of the part that is on."""
        return max(0.0, self.until - self._clock.seconds())

    def play(self, scenario: Scenario) -> None:
        """From its beginning on, in place of what is being played."""
        self._cancel()
        self.scenario = scenario
        self.until = self._clock.seconds()
        self._begin(0)

    def stop(self) -> None:
        """All is again as it was."""
        if self.scenario is not None:
            self.log.info("scenario {name}: over", name=self.scenario.name)
            self._cancel()
            self.scenario = None
            self._replace(())

    def _cancel(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _begin(self, number: int) -> None:
        assert self.scenario is not None
        self.part = number
        part: Part = self.scenario.parts[number]
        self.log.info("scenario {name}: {part}", name=self.scenario.name, part=str(part))
        self._replace(part.rules)
        # By when it was to end, so that a busy daemon does not make it longer. Of what was
        # missed while it did not run at all, no more than one part is made up for.
        self.until = max(self.until + part.seconds, self._clock.seconds())
        self._call = self._clock.callLater(self.left, self._end)

    def _end(self) -> None:
        assert self.scenario is not None
        if self.part + 1 < len(self.scenario.parts):
            self._begin(self.part + 1)
        elif self.scenario.isEndless:
            self._begin(0)
        else:
            self.stop()

    def _replace(self, rules: Iterable[Any]) -> None:
        others = [fault for fault in self._faulting.inForce if fault not in self._mine]
        self._faulting.replace([*(one.rule for one in others), *rules])
        self._mine = [fault for fault in self._faulting.inForce if fault not in others]
