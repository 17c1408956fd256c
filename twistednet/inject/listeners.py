"""Faults that were asked for, of a listening port: whether anybody can connect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistednet.core.text import addressText
from twistednet.faults.active import ActiveFault
from twistednet.faults.model import Action, KindState
from twistednet.inject.injector import FaultInjector
from twistednet.transport.refusing import Undo, refuse, stall

#: How it is done, and how it is told.
_ACTS = {
    "refuse": (refuse, "who connects is refused"),
    "stall": (stall, "nobody can connect"),
}


class ListenerFaults:
    """Does to one port what the first rule asks that concerns it, for as long as it holds."""

    log = Logger()
    #: No connection: what the event of a fault says of whom it met.
    id = 0

    def __init__(
        self, service: str, port: Any, clock: IReactorTime, faulting: FaultInjector
    ) -> None:
        self.service = service
        self.peer = addressText(port.getHost())
        self._port = port
        self._clock = clock
        self._faulting = faulting
        self._fault: ActiveFault | None = None
        self._undo: Undo | None = None
        faulting.ports.append(self)
        self.changed()

    def changed(self) -> None:
        """Other rules are in force."""
        now = self._clock.seconds()
        concerning = self._faulting.concerning(self.service, None, "listener", now)
        fault = next(iter(concerning), None)
        if fault is not self._fault:
            if self._open():
                self.log.info(
                    "{service}: {peer} is open again", service=self.service, peer=self.peer
                )
            if fault is not None:
                self._do(fault, now)

    def stop(self) -> None:
        """The port is about to be closed."""
        self._faulting.ports.remove(self)
        self._open()

    def _open(self) -> bool:
        """Undo what was done. Has anything been?"""
        undo, fault = self._undo, self._fault
        self._undo = self._fault = None
        return undo is not None and self._tried(undo, fault)

    def _do(self, fault: ActiveFault, now: float) -> None:
        self._fault = fault
        rule = fault.rule
        [step] = rule.kind.act(Action(now, "listen"), KindState(fault.random), *rule.values)
        act, did = _ACTS[step.act]
        fault.seen += 1
        if self._tried(lambda: self._keep(act), fault):
            fault.acted += 1
            self._faulting.tell(self, fault, did)

    def _keep(self, act: Callable[[Any], Undo]) -> None:
        self._undo = act(self._port)

    def _tried(self, do: Callable[[], None], fault: ActiveFault | None) -> bool:
        """Has it been done? If the system would not, the log says why."""
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
