"""The guard of a UDP service: datagrams that must not be answered, and rates."""

from __future__ import annotations

from collections.abc import Set
from ipaddress import ip_address
from time import monotonic
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol

from twistednet.connections.conversations import UDPConversations
from twistednet.core.hooks import Configurable
from twistednet.core.limits import PeerRates, isLocal
from twistednet.core.settings import ServiceSettings
from twistednet.core.text import addressText
from twistednet.events.model import EventStream, Refused
from twistednet.inject.datagrams import DatagramFaults
from twistednet.inject.injector import FaultInjector
from twistednet.transport.interfaces import LATER

#: Senders of datagrams that are remembered to be harmless.
MAX_HARMLESS_SENDERS = 4096


class DatagramGuard(DatagramProtocol):
    """Lets a datagram through to its service, unless it would do harm to answer it.

    A source that may be a loop gets no reply: port 0, a port under 1024 (echo,
    chargen and their kin: CVE-1999-0103, CVE-2024-2169), one of our own ports,
    which another daemon of this kind would have too, multicast, broadcast. And no
    address that is not loopback is answered more often than its rate.
    """

    noisy = False

    def __init__(
        self,
        service: str,
        protocol: Any,
        clock: IReactorTime,
        events: EventStream,
        ownPorts: set[int],
        conversations: UDPConversations,
        faulting: FaultInjector,
    ) -> None:
        self._service = service
        self.protocol = protocol
        self._clock = clock
        self._events = events
        self._ownPorts = ownPorts
        self._conversations = conversations
        self._faults = DatagramFaults(service, protocol, clock, faulting, conversations)
        self.limitLoopback = False
        self._rates = PeerRates(20, 20)
        #: Loopback senders that were found to be no loop, under the present settings.
        self._harmless: set[tuple[str, int]] = set()

    def configure(self, settings: ServiceSettings) -> None:
        """Take the limits that are current from now on."""
        self._rates = PeerRates(settings.datagramRate, max(1.0, settings.datagramRate))
        self.limitLoopback = settings.limitLoopback
        self._harmless.clear()
        if isinstance(self.protocol, Configurable):
            self.protocol.configure(settings)

    def makeConnection(self, transport: Any) -> None:
        self._conversations.makeConnection(transport)
        self.protocol.makeConnection(transport)
        self._faults.makeConnection(transport)

    def doStop(self) -> None:
        self._faults.stop()
        self.protocol.doStop()
        self._conversations.stop()

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
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

    def mayReturn(self, senders: Set[tuple[str, int]], firsts: bytes) -> bool:
        """May these datagrams be returned unseen? Only if nobody among the senders is
        refused or has a rate, nobody listens, and the service says so too."""
        ask = getattr(self.protocol, "mayReturn", None)
        return (
            ask is not None
            and not self.limitLoopback
            and not self._faults.isActive
            and (senders <= self._harmless or self._areHarmless(senders))
            and not self._conversations.wants(senders)
            and bool(ask(senders, firsts))
        )

    def _areHarmless(self, senders: Set[tuple[str, int]]) -> bool:
        if not all(isLocal(host) and self._refusal(host, port) is None for host, port in senders):
            return False
        if len(self._harmless) > MAX_HARMLESS_SENDERS:
            self._harmless.clear()
        self._harmless |= senders
        return True

    def _refusal(self, host: str, port: int) -> str | None:
        local = isLocal(host)
        if getattr(self.protocol, "replies", True):
            if port == 0:
                return "source port 0"
            if port in self._ownPorts:
                return "source is our own port"
            if port < 1024:
                return "source port under 1024"
            if not local and not _isUnicast(host):
                return "source is no single host"
        if (self.limitLoopback or not local) and not self._rates.allow(host, self._clock.seconds()):
            return "datagram rate"
        return None


def _isUnicast(host: str) -> bool:
    address = ip_address(host.partition("%")[0])
    return not (address.is_multicast or address.is_unspecified or host == "255.255.255.255")
