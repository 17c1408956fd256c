"""Which faults are in force, and whom they concern: decided as rules and connections come."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from time import monotonic
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistednet.core.text import hostOf
from twistednet.events.model import EventStream, Faulted, Refused
from twistednet.faults.active import ActiveFault, ActiveFaults
from twistednet.faults.pipeline import Pipeline
from twistednet.faults.rules import Rule
from twistednet.inject.streams import FaultWrapper


class FaultInjector:
    """The faults of one daemon. False while there are none: nobody is asked then."""

    log = Logger()

    def __init__(self, clock: IReactorTime, events: EventStream, open: Iterable[Any] = ()) -> None:
        """Of all connections that are `open`, whenever it is asked."""
        self.inForce = ActiveFaults()
        #: What is to be told when others are in force: whoever has a `changed()`.
        self.ports: list[Any] = []
        self._clock = clock
        self._events = events
        self._open = open
        self._settings: tuple[Rule, ...] = ()
        self._expiry: Any = None

    def __bool__(self) -> bool:
        return len(self.inForce) > 0

    def configure(self, rules: tuple[Rule, ...]) -> None:
        """The settings want these from now on; what else is in force stays so."""
        before, self._settings = self._settings, rules
        if rules != before:
            others = [fault.rule for fault in self.inForce if fault.asked not in before]
            self.replace([*rules, *others])

    def replace(self, rules: Iterable[Rule], isAnew: bool = False) -> None:
        """These are in force from now on, for the connections that are open, too; those that
        were stay as they are, or begin anew."""
        if self.inForce.replace(rules, self._clock.seconds(), isAnew):
            told = "; ".join(map(str, self.inForce)) or "none"
            self.log.info("faults in force: {rules}", rules=told)
            self._changed()

    def _changed(self) -> None:
        """Others are in force, or one has run out."""
        now = self._clock.seconds()
        for port in list(self.ports):
            port.changed()
        for connection in self._open:
            faultWrapper = connection.faultWrapper
            if faultWrapper is None:
                self.meet(connection)
                if connection.faultWrapper is not None:
                    connection.faultWrapper.join()
            else:
                faultWrapper.plan.replace(self._concerning(connection), now)
                connection.faultWrapper = faultWrapper if faultWrapper.replaced() else None
        self.close()
        left = self.inForce.left(now)
        self._expiry = None if left is None else self._clock.callLater(left, self._changed)

    def isOver(self, fault: ActiveFault) -> bool:
        """Has it run out by now? It still has its counts, until it is taken out."""
        return fault.isOver(self._clock.seconds())

    def close(self) -> None:
        """Wait no more for one to run out."""
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()

    def meet(self, connection: Any) -> None:
        """Stand between it and its service, if there are faults that concern it."""
        faults = self._concerning(connection)
        if faults:
            tell = partial(self.tell, connection)
            plan = Pipeline(faults, connection.opened, self._clock.seconds(), tell)
            connection.faultWrapper = FaultWrapper(connection, plan, self._clock)

    def _concerning(self, connection: Any) -> list[ActiveFault]:
        host = hostOf(connection.transport.getPeer())
        return self.concerning(connection.service, host, "stream", connection.opened)

    def concerning(
        self, service: str, host: str | None, carrier: str, opened: float
    ) -> list[ActiveFault]:
        """Those that can act, from now on, on what these say to each other."""
        faults = self.inForce.concerning(service, host, carrier, opened)
        return [fault for fault in faults if not self.isOver(fault)]

    def areThere(self, service: str, carrier: str) -> bool:
        """Are there any that can act, whoever the peer is?"""
        return any(
            fault.rule.service == service and carrier in fault.rule.kind.carriers
            for fault in self.inForce
            if not self.isOver(fault)
        )

    def tell(self, one: Any, fault: ActiveFault, did: str) -> None:
        """It has acted on this connection, or conversation over UDP."""
        name, text = fault.rule.kind.name, str(fault)
        self._events.publish(
            Faulted(one.id, one.service, one.peer, name, text, fault.acted, did, monotonic())
        )

    def refuse(self, service: str, peer: str) -> None:
        """What came from, or was for, this peer cannot wait any more, and is lost."""
        self._events.publish(Refused(service, peer, "fault delay", monotonic()))
