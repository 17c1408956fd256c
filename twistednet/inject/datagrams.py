"""Faults that were asked for, of what passes between a UDP port and its service."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol

from twistednet.core.text import addressText
from twistednet.faults.model import Action
from twistednet.faults.pipeline import Pipeline
from twistednet.inject.injector import FaultInjector

#: Peers that are remembered, and datagrams that may wait; more are dropped.
MOST_PEERS = MOST_WAITING = 1_000
#: Seconds that a datagram waits for the next one, to change places with it.
HOLD = 0.1

_Address = tuple[str, int]


class TracedPeers(Protocol):
    """The UDP conversations of one port, as far as faults need them."""

    def speaker(self, address: _Address) -> Any:
        """Return the conversation with this peer, which the event of a fault names."""


class DatagramFaults:
    """Gives the service what arrives, and is its transport, while rules concern it."""

    def __init__(
        self,
        service: str,
        protocol: Any,
        clock: IReactorTime,
        faulting: FaultInjector,
        conversations: TracedPeers,
    ) -> None:
        self._service = service
        self._protocol = protocol
        self._clock = clock
        self._faulting = faulting
        self._conversations = conversations
        self._real: Any = None
        self._plans: OrderedDict[_Address, Pipeline] = OrderedDict()
        #: What changes places with the next one, by peer and direction.
        self._held: dict[tuple[_Address, str], bytes] = {}
        self._calls: set[Any] = set()
        self._astray: Any = None
        #: Is there a rule that may concern this port?
        self.isThere = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def makeConnection(self, transport: Any) -> None:
        self._real = transport
        self._faulting.ports.append(self)
        self.changed()

    def stop(self) -> None:
        """The port is closed."""
        if self in self._faulting.ports:
            self._faulting.ports.remove(self)
        for call in self._calls:
            call.cancel()
        self._calls.clear()
        if self._astray is not None:
            self._astray.stopListening()
            self._astray = None

    def changed(self) -> None:
        """Other rules are in force."""
        self.isThere = self._faulting.areThere(self._service, "datagram")
        if getattr(self._protocol, "transport", None) is not None:
            self._protocol.transport = self if self.isThere else self._real
        if not self.isThere:
            self._plans.clear()
        now = self._clock.seconds()
        for address, plan in self._plans.items():
            plan.replace(self._concerning(address, plan.opened), now)

    def received(self, data: bytes, address: _Address) -> None:
        """It has arrived, and the service is to be given it."""
        self._pass("in", data, address)

    def write(self, data: bytes, address: _Address) -> None:
        """The service sends it."""
        self._pass("out", data, address)

    def _pass(self, direction: str, data: bytes, address: _Address) -> None:
        now = self._clock.seconds()
        for step in self._plan(address, now).steps(Action(now, "pass", data), direction):
            if step.at <= now:
                self._take(step, direction, address)
            else:
                self._later(step.at - now, address, partial(self._take, step, direction, address))

    def _later(self, seconds: float, address: _Address, do: Any) -> bool:
        """May one more wait?"""
        if len(self._calls) >= MOST_WAITING:
            self._faulting.refuse(self._service, addressText(address))
            return False

        def run() -> None:
            self._calls.discard(call)
            do()

        call = self._clock.callLater(seconds, run)
        self._calls.add(call)
        return True

    def _take(self, step: Action, direction: str, address: _Address) -> None:
        key = address, direction
        if step.act == "hold" and key not in self._held:
            if self._later(HOLD, address, partial(self._release, key, step.data)):
                self._held[key] = step.data
            return
        if step.act == "astray" and direction == "out":
            # What was said before goes before it.
            self._real.flush()
            self._elsewhere().write(step.data, address)
        else:
            self._give(step.data, direction, address)
        self._release(key, self._held.get(key))

    def _release(self, key: tuple[_Address, str], data: bytes | None) -> None:
        if data is not None and self._held.get(key) is data:
            del self._held[key]
            self._give(data, key[1], key[0])

    def _give(self, data: bytes, direction: str, address: _Address) -> None:
        if direction == "in":
            self._protocol.datagramReceived(data, address)
        else:
            self._real.write(data, address)

    def _elsewhere(self) -> Any:
        if self._astray is None:
            host = self._real.getHost().host
            self._astray = self._real.reactor.listenUDP(0, DatagramProtocol(), interface=host)
        return self._astray

    def _plan(self, address: _Address, now: float) -> Pipeline:
        plan = self._plans.get(address)
        if plan is None:
            if len(self._plans) >= MOST_PEERS:
                self._plans.popitem(last=False)
            tell = partial(self._tell, address)
            plan = self._plans[address] = Pipeline(
                self._concerning(address, now), now, now, tell, isStream=False
            )
        return plan

    def _concerning(self, address: _Address, opened: float) -> Any:
        return self._faulting.concerning(self._service, address[0], "datagram", opened)

    def _tell(self, address: _Address, *what: Any) -> None:
        self._faulting.tell(self._conversations.speaker(address), *what)
