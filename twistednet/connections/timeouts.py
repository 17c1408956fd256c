"""What a connection may not do for long, and what a datagram may not be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from ipaddress import ip_address
from time import monotonic
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import deferLater

from twistednet.connections.conversations import Conversations
from twistednet.connections.tracking import Connection, Connections
from twistednet.core.limits import PeerRates, isLocal
from twistednet.core.text import place
from twistednet.events.model import EventStream, Refused
from twistednet.inject.datagrams import DatagramFaults
from twistednet.inject.injector import Faulting
from twistednet.transport.observing import LATER

#: Senders of datagrams that are remembered to be harmless.
MOST_HARMLESS = 4096


@dataclass(frozen=True)
class Times:
    """Seconds that a connection may take: for its TLS handshake, without a byte
    either way, and with bytes queued of which the peer reads none."""

    handshake: float
    idle: float
    stall: float


def sweep(
    connections: Connections,
    times: Times,
    isHandshaking: Callable[[Any], bool],
    isClosing: Callable[[Any], bool],
) -> Iterator[Deferred[None] | None]:
    """Look at every connection once, and end those whose time is up.

    All is read off the transports' own counters, so that no byte pays for it.
    Yields between connections, for the others' turn.
    """
    now = connections.clock.seconds()
    for connection in connections:
        transport = connection.transport
        overdue = _overdue(connection, times, now, isClosing(transport.protocol))
        if overdue is None and now - connection.opened >= times.handshake:
            overdue = "handshake" if isHandshaking(transport.protocol) else None
        if overdue is None:
            yield None
        else:
            # Thousands may be overdue at once: one a turn, so that nobody waits.
            connection.abort(overdue)
            yield deferLater(connections.clock, 0)


def _overdue(connection: Connection, times: Times, now: float, closing: bool) -> str | None:
    transport = connection.transport
    stuck = transport.queued > 0 or closing
    # A peer that sends but does not read makes no progress.
    total = transport.bytesOut if stuck else transport.bytesIn + transport.bytesOut
    if total != connection.total:
        connection.total = total
        connection.moved = now
        return None
    quiet = now - connection.moved
    if stuck and quiet >= times.stall:
        return "write stall"
    return "idle" if quiet >= times.idle else None


class GuardedDatagrams(DatagramProtocol):
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
        conversations: Conversations,
        faulting: Faulting,
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

    def configure(self, settings: Any) -> None:
        """Take the limits that are in force from now on."""
        self._rates = PeerRates(settings.datagramRate, max(1.0, settings.datagramRate))
        self.limitLoopback = settings.limitLoopback
        self._harmless.clear()
        if hasattr(self.protocol, "configure"):
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
            self._events.publish(Refused(self._service, place(addr), limit, monotonic()))
            return
        self._conversations.received(datagram, addr)
        try:
            if self._faults.isThere:
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
            and not self._faults.isThere
            and (senders <= self._harmless or self._areHarmless(senders))
            and not self._conversations.wants(senders)
            and bool(ask(senders, firsts))
        )

    def _areHarmless(self, senders: Set[tuple[str, int]]) -> bool:
        if not all(isLocal(host) and self._refusal(host, port) is None for host, port in senders):
            return False
        if len(self._harmless) > MOST_HARMLESS:
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
