"""The player of scenarios: it makes the rules of one part after the other active."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twistednet.faults.active import ActiveFault
from twistednet.faults.rules import Rule
from twistednet.faults.scenario import Part, Scenario
from twistednet.inject.injector import FaultInjector


class Player:
    """Plays one scenario at a time. Rules from elsewhere stay as they are."""

    log = Logger()

    def __init__(self, clock: IReactorTime, injector: FaultInjector) -> None:
        self.scenario: Scenario | None = None
        #: The number of the current part, from 0, and the time at which it ends (seconds).
        self.part = 0
        self.until = 0.0
        self._clock = clock
        self._injector = injector
        #: The faults that are part of the scenario.
        self._own: list[ActiveFault] = []
        self._call: IDelayedCall | None = None

    @property
    def left(self) -> float:
        """The seconds left of the current part."""
        return max(0.0, self.until - self._clock.seconds())

    def play(self, scenario: Scenario) -> None:
        """Play this scenario from its start, in place of the current one."""
        self._cancel()
        self.scenario = scenario
        self.until = self._clock.seconds()
        self._begin(0)

    def stop(self) -> None:
        """Stop the scenario, and remove its rules."""
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
        # Counted from when the last part should have ended, so that a busy daemon does not
        # make it longer. After a longer stop, no more than one part is made up for.
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

    def _replace(self, rules: Iterable[Rule]) -> None:
        others = [fault for fault in self._injector.active if fault not in self._own]
        self._injector.replace([*(fault.rule for fault in others), *rules])
        self._own = [fault for fault in self._injector.active if fault not in others]
