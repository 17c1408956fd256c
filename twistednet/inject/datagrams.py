"""Faults of datagrams: what stands between a UDP port and its service."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast

from twisted.internet.interfaces import IDelayedCall, IReactorTime, IUDPTransport
from twisted.internet.protocol import DatagramProtocol

from twistednet.core.text import addressText
from twistednet.faults.actions import Action
from twistednet.faults.actiontypes import ActionType
from twistednet.faults.active import ActiveFault
from twistednet.faults.pipeline import Pipeline
from twistednet.inject.injector import FaultInjector
from twistednet.inject.interfaces import FaultTarget
from twistednet.transport.interfaces import DatagramAddress, DatagramTransport

#: Peers that are remembered; the first of them is forgotten for one more.
MAX_PEERS = 1_000
#: Datagrams that may wait at one port; further ones are dropped.
MAX_WAITING_DATAGRAMS = 1_000
#: Seconds that a datagram waits for the next one, to be sent after it.
HOLD_SECONDS = 0.1


class TracedPeers(Protocol):
    """The UDP conversations of one port, as far as faults need them."""

    def traced(self, address: DatagramAddress) -> FaultTarget:
        """Return the conversation with this peer, which the event of a fault names."""


class DatagramFaults:
    """Stands between a UDP port and its service, while rules may apply to the port.

    It gives the service what arrives, and is its transport.
    """

    def __init__(
        self,
        service: str,
        protocol: DatagramProtocol,
        clock: IReactorTime,
        injector: FaultInjector,
        conversations: TracedPeers,
    ) -> None:
        self._service = service
        self._protocol = protocol
        self._clock = clock
        self._injector = injector
        self._conversations = conversations
        self._real: Any = None
        self._pipelines: OrderedDict[DatagramAddress, Pipeline] = OrderedDict()
        #: The datagrams that wait for the next one, by peer and direction.
        self._held: dict[tuple[DatagramAddress, str], bytes] = {}
        self._calls: set[IDelayedCall] = set()
        #: Sends from another port; opened when it is first needed.
        self._otherPort: DatagramTransport | None = None
        #: True if there is a rule that may apply to this port.
        self.isActive = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def makeConnection(self, transport: Any) -> None:
        """Begin with the port's own transport."""
        self._real = transport
        self._injector.observers.append(self)
        self.faultsChanged()

    def stop(self) -> None:
        """Drop what waits; the port is closed."""
        if self in self._injector.observers:
            self._injector.observers.remove(self)
        for call in self._calls:
            call.cancel()
        self._calls.clear()
        if self._otherPort is not None:
            self._otherPort.stopListening()
            self._otherPort = None

    def faultsChanged(self) -> None:
        """Apply the rules that are active now; stand aside if there are none."""
        self.isActive = self._injector.mayApply(self._service, "datagram")
        if getattr(self._protocol, "transport", None) is not None:
            self._protocol.transport = cast(IUDPTransport, self) if self.isActive else self._real
        if not self.isActive:
            self._pipelines.clear()
        now = self._clock.seconds()
        for address, pipeline in self._pipelines.items():
            pipeline.replace(self._matching(address, pipeline.opened), now)

    def received(self, data: bytes, address: DatagramAddress) -> None:
        """Give the service a datagram that has arrived."""
        self._pass("in", data, address)

    def write(self, data: bytes, address: DatagramAddress) -> None:
        """Send a datagram of the service."""
        self._pass("out", data, address)

    def _pass(self, direction: str, data: bytes, address: DatagramAddress) -> None:
        now = self._clock.seconds()
        pass_ = Action(now, ActionType.PASS, data)
        for action in self._pipeline(address, now).apply(pass_, direction):
            perform = partial(self._perform, action, direction, address)
            if action.at <= now:
                perform()
            else:
                self._callLater(action.at - now, address, perform)

    def _callLater(self, seconds: float, address: DatagramAddress, do: Callable[[], None]) -> bool:
        """Do it later. Return False if too many datagrams wait already."""
        if len(self._calls) >= MAX_WAITING_DATAGRAMS:
            self._injector.reportDropped(self._service, addressText(address))
            return False

        def run() -> None:
            self._calls.discard(call)
            do()

        call = self._clock.callLater(seconds, run)
        self._calls.add(call)
        return True

    def _perform(self, action: Action, direction: str, address: DatagramAddress) -> None:
        key = address, direction
        if action.type is ActionType.HOLD and key not in self._held:
            release = partial(self._release, key, action.data)
            if self._callLater(HOLD_SECONDS, address, release):
                self._held[key] = action.data
            return
        if action.type is ActionType.OTHER_PORT and direction == "out":
            # What the service has sent before goes out before it.
            self._real.flush()
            self._openOtherPort().write(action.data, address)
        else:
            self._give(action.data, direction, address)
        self._release(key, self._held.get(key))

    def _release(self, key: tuple[DatagramAddress, str], data: bytes | None) -> None:
        """Pass a held datagram, unless it has passed already."""
        if data is not None and self._held.get(key) is data:
            del self._held[key]
            self._give(data, key[1], key[0])

    def _give(self, data: bytes, direction: str, address: DatagramAddress) -> None:
        if direction == "in":
            self._protocol.datagramReceived(data, address)
        else:
            self._real.write(data, address)

    def _openOtherPort(self) -> DatagramTransport:
        if self._otherPort is None:
            host = self._real.getHost().host
            self._otherPort = self._real.reactor.listenUDP(0, DatagramProtocol(), interface=host)
        return self._otherPort

    def _pipeline(self, address: DatagramAddress, now: float) -> Pipeline:
        pipeline = self._pipelines.get(address)
        if pipeline is None:
            if len(self._pipelines) >= MAX_PEERS:
                self._pipelines.popitem(last=False)
            report = partial(self._report, address)
            matching = self._matching(address, now)
            pipeline = Pipeline(matching, now, now, report, isStream=False)
            self._pipelines[address] = pipeline
        return pipeline

    def _matching(self, address: DatagramAddress, opened: float) -> list[ActiveFault]:
        return self._injector.matching(self._service, address[0], "datagram", opened)

    def _report(self, address: DatagramAddress, fault: ActiveFault, did: str) -> None:
        self._injector.report(self._conversations.traced(address), fault, did)
