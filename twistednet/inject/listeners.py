"""Faults of a listening port: whether clients can connect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistednet.core.text import addressText
from twistednet.faults.actions import Action
from twistednet.faults.actiontypes import ActionType
from twistednet.faults.active import ActiveFault
from twistednet.faults.model import KindState
from twistednet.inject.injector import FaultInjector
from twistednet.transport.refusing import Undo, refuse, stall

#: For each effect on a port: what does it, and what the event reports.
_EFFECTS = {
    ActionType.REFUSE: (refuse, "new connections are refused"),
    ActionType.STALL: (stall, "new connections get no answer"),
}


class ListenerFaults:
    """Applies to one port the first rule that matches it, for as long as the rule is active."""

    log = Logger()
    #: The number of no connection: the event of such a fault is about a port.
    id = 0

    def __init__(
        self, service: str, port: Any, clock: IReactorTime, injector: FaultInjector
    ) -> None:
        self.service = service
        self.peer = addressText(port.getHost())
        self._port = port
        self._clock = clock
        self._injector = injector
        self._fault: ActiveFault | None = None
        self._undo: Undo | None = None
        injector.observers.append(self)
        self.faultsChanged()

    def faultsChanged(self) -> None:
        """Apply the first rule that matches now."""
        now = self._clock.seconds()
        matching = self._injector.matching(self.service, None, "listener", now)
        fault = next(iter(matching), None)
        if fault is not self._fault:
            if self._open():
                self.log.info(
                    "{service}: {peer} is open again", service=self.service, peer=self.peer
                )
            if fault is not None:
                self._apply(fault, now)

    def stop(self) -> None:
        """Open the port again; it is about to be closed."""
        self._injector.observers.remove(self)
        self._open()

    def _open(self) -> bool:
        """Undo what a fault has done. Return True if there was anything to undo."""
        undo, fault = self._undo, self._fault
        self._undo = self._fault = None
        return undo is not None and self._succeeds(undo, fault)

    def _apply(self, fault: ActiveFault, now: float) -> None:
        self._fault = fault
        rule = fault.rule
        listen = Action(now, ActionType.LISTEN)
        [action] = rule.kind.act(listen, KindState(fault.random), rule.values)
        act, did = _EFFECTS[action.type]
        fault.seen += 1
        if self._succeeds(lambda: self._act(act), fault):
            fault.acted += 1
            self._injector.report(self, fault, did)

    def _act(self, act: Callable[[Any], Undo]) -> None:
        self._undo = act(self._port)

    def _succeeds(self, do: Callable[[], None], fault: ActiveFault | None) -> bool:
        """Do it, and return True. If the system refuses, log why and return False."""
        try:
            do()
        except OSError as error:
            self.log.error(
                "{service}: {peer}: {rule}: {error}",
                service=self.service,
                peer=self.peer,
                rule=str(fault),
                error=error,
            )
            return False
        return True
