"""The injector: which faults are active, and what each of them applies to."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from time import monotonic
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twistednet.core.text import hostOf
from twistednet.events.model import EventStream, Faulted, Refused
from twistednet.faults.active import ActiveFault, ActiveFaults
from twistednet.faults.model import Carrier
from twistednet.faults.pipeline import Pipeline
from twistednet.faults.rules import Rule
from twistednet.inject.interfaces import FaultTarget, OpenConnection
from twistednet.inject.streams import FaultWrapper


class FaultObserver(Protocol):
    """What needs to know that other faults are active: a port, or the site of a service."""

    def faultsChanged(self) -> None:
        """Look at the active faults again."""


class FaultableConnection(OpenConnection, Protocol):
    """An open connection, with what applies faults to it."""

    faultWrapper: FaultWrapper | None


class FaultInjector:
    """The faults of one daemon. It is false while there are none, which is quick to see.

    `connections` yields all that are open, each time that it is iterated.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        events: EventStream,
        connections: Iterable[FaultableConnection] = (),
    ) -> None:
        self.active = ActiveFaults()
        #: Notified when other faults become active.
        self.observers: list[FaultObserver] = []
        self._clock = clock
        self._events = events
        self._connections = connections
        self._settings: tuple[Rule, ...] = ()
        self._expiry: IDelayedCall | None = None

    def __bool__(self) -> bool:
        return len(self.active) > 0

    def configure(self, rules: tuple[Rule, ...]) -> None:
        """Make the rules of the settings active; rules from elsewhere stay."""
        before, self._settings = self._settings, rules
        if rules != before:
            others = [fault.rule for fault in self.active if fault.requested not in before]
            self.replace([*rules, *others])

    def replace(self, rules: Iterable[Rule], isReset: bool = False) -> None:
        """Make these the active rules, for open connections too.

        Those that are active already keep their seeds and counts, unless all are reset.
        """
        if self.active.replace(rules, self._clock.seconds(), isReset):
            texts = "; ".join(map(str, self.active)) or "none"
            self.log.info("active faults: {rules}", rules=texts)
            self._changed()

    def _changed(self) -> None:
        """Apply the rules after others have become active, or the time of one is over."""
        for observer in list(self.observers):
            observer.faultsChanged()
        for connection in self._connections:
            self._update(connection)
        self.close()
        left = self.active.secondsLeft(self._clock.seconds())
        self._expiry = None if left is None else self._clock.callLater(left, self._changed)

    def _update(self, connection: FaultableConnection) -> None:
        wrapper = connection.faultWrapper
        if wrapper is not None:
            isNeeded = wrapper.replaceFaults(self._matching(connection))
            connection.faultWrapper = wrapper if isNeeded else None
            return
        self.wrap(connection)
        if connection.faultWrapper is not None:
            connection.faultWrapper.attach()

    def isOver(self, fault: ActiveFault) -> bool:
        """True if its time is over. It stays in the list, with its counts."""
        return fault.isOver(self._clock.seconds())

    def close(self) -> None:
        """Stop waiting for the time of a rule to be over."""
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()

    def wrap(self, connection: FaultableConnection) -> None:
        """Stand between a new connection and its service, if faults apply to it."""
        faults = self._matching(connection)
        if faults:
            report = partial(self.report, connection)
            pipeline = Pipeline(faults, connection.opened, self._clock.seconds(), report)
            connection.faultWrapper = FaultWrapper(connection, pipeline, self._clock)

    def _matching(self, connection: OpenConnection) -> list[ActiveFault]:
        host = hostOf(connection.transport.getPeer())
        return self.matching(connection.service, host, "stream", connection.opened)

    def matching(
        self, service: str, host: str | None, carrier: Carrier, opened: float
    ) -> list[ActiveFault]:
        """Return the faults that apply to such a connection from now on."""
        faults = self.active.matching(service, host, carrier, opened)
        return [fault for fault in faults if not self.isOver(fault)]

    def mayApply(self, service: str, carrier: Carrier) -> bool:
        """True if a fault can apply to some peer of the service."""
        return any(
            fault.rule.service == service and carrier in fault.rule.kind.carriers
            for fault in self.active
            if not self.isOver(fault)
        )

    def report(self, target: FaultTarget, fault: ActiveFault, did: str) -> None:
        """Publish that the fault has acted on the target."""
        name, text = fault.rule.kind.name, str(fault)
        self._events.publish(
            Faulted(
                target.id, target.service, target.peer, name, text, fault.acted, did, monotonic()
            )
        )

    def reportDropped(self, service: str, peer: str) -> None:
        """Publish that a datagram of this peer was dropped, as too many are delayed."""
        self._events.publish(Refused(service, peer, "fault delay", monotonic()))
