"""The guard of a UDP service: refuses datagrams that must not be answered, and limits rates."""

from __future__ import annotations

from collections.abc import Set
from ipaddress import ip_address
from time import monotonic

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol

from twistednet.connections.conversations import UDPConversations
from twistednet.core.hooks import Configurable, DeclaresReplies, ReturnsDatagrams
from twistednet.core.limits import LocalPeers, PeerRates, isLocal
from twistednet.core.settings import ServiceSettings
from twistednet.core.text import addressText
from twistednet.events.model import EventStream, Refused
from twistednet.inject.datagrams import DatagramFaults
from twistednet.inject.injector import FaultInjector
from twistednet.transport.datagrams import DatagramPort
from twistednet.transport.interfaces import LATER, DatagramAddress

#: Senders that are remembered as harmless.
MAX_HARMLESS_SENDERS = 4096


class DatagramGuard(DatagramProtocol):
    """Passes a datagram to its service, unless an answer to it could do harm.

    A source that may answer for ever gets no reply: port 0, a port under 1024 (echo, chargen
    and the like: CVE-1999-0103, CVE-2024-2169), a port of our own, which another daemon of
    this kind would use too, multicast, broadcast. An address that is not loopback gets no
    more replies than its rate allows.
    """

    noisy = False

    def __init__(
        self,
        service: str,
        protocol: DatagramProtocol,
        clock: IReactorTime,
        events: EventStream,
        ownPorts: set[int],
        conversations: UDPConversations,
        faulting: FaultInjector,
    ) -> None:
        self._service = service
        self.protocol = protocol
        self._declaring = protocol if isinstance(protocol, DeclaresReplies) else None
        self._returning = protocol if isinstance(protocol, ReturnsDatagrams) else None
        self._clock = clock
        self._events = events
        self._ownPorts = ownPorts
        self._conversations = conversations
        self._faults = DatagramFaults(service, protocol, clock, faulting, conversations)
        self.limitLoopback = False
        self._local = LocalPeers()
        self._rates = PeerRates(20, 20)
        #: Loopback senders that may be answered at any rate, under the current settings.
        self._harmless: set[DatagramAddress] = set()

    def configure(self, settings: ServiceSettings) -> None:
        """Take the limits that are current from now on."""
        self._rates = PeerRates(settings.datagramRate, max(1.0, settings.datagramRate))
        self.limitLoopback = settings.limitLoopback
        self._local = settings.trust
        self._harmless.clear()
        if isinstance(self.protocol, Configurable):
            self.protocol.configure(settings)

    def makeConnection(self, transport: DatagramPort) -> None:  # type: ignore[override]
        self._conversations.makeConnection(transport)
        self.protocol.makeConnection(transport)
        self._faults.makeConnection(transport)

    def doStop(self) -> None:
        self._faults.stop()
        self.protocol.doStop()
        self._conversations.stop()

    def datagramReceived(self, datagram: bytes, addr: DatagramAddress) -> None:
        limit = self._refusal(*addr)
        if limit is not None:
            self._events.publish(Refused(self._service, addressText(addr), limit, monotonic()))
            return
        self._conversations.received(datagram, addr)
        try:
            if self._faults.isActive:
                self._faults.received(datagram, addr)
            else:
                self.protocol.datagramReceived(datagram, addr)
        finally:
            self._conversations.inside = LATER

    def mayReturn(self, senders: Set[DatagramAddress], firstBytes: bytes) -> bool:
        """True if the datagrams of one turn may be returned as they are; see `ReturnsDatagrams`.

        That is so if no sender is refused or has a rate, nothing records them or applies
        faults to them, and the service agrees.
        """
        return (
            self._returning is not None
            and not self.limitLoopback
            and not self._faults.isActive
            and (senders <= self._harmless or self._areHarmless(senders))
            and not self._conversations.wants(senders)
            and self._returning.mayReturn(senders, firstBytes)
        )

    def _areHarmless(self, senders: Set[DatagramAddress]) -> bool:
        if not all(isLocal(host) and self._refusal(host, port) is None for host, port in senders):
            return False
        if len(self._harmless) > MAX_HARMLESS_SENDERS:
            self._harmless.clear()
        self._harmless |= senders
        return True

    def _refusal(self, host: str, port: int) -> str | None:
        local = isLocal(host)
        if self._declaring is None or self._declaring.replies:
            if port == 0:
                return "source port 0"
            if port in self._ownPorts:
                return "source is our own port"
            if port < 1024:
                return "source port under 1024"
            if not local and not _isUnicast(host):
                return "source is no single host"
        isLimited = self.limitLoopback or not self._local.covers(host)
        if isLimited and not self._rates.allow(host, self._clock.seconds()):
            return "datagram rate"
        return None


def _isUnicast(host: str) -> bool:
    address = ip_address(host.partition("%")[0])
    return not (address.is_multicast or address.is_unspecified or host == "255.255.255.255")
