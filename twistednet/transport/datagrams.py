"""The UDP port: reads and sends in batches, bounds what a flood takes, survives errors.

With recvmmsg(2) and sendmmsg(2) one turn of the reactor costs two system calls for up to 64
datagrams; without them each datagram costs two.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Set
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Protocol

from twisted.internet import error, udp
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.protocol import AbstractDatagramProtocol
from twisted.logger import Logger

from twistednet.core.hooks import ReturnsDatagrams
from twistednet.transport import mmsg
from twistednet.transport.interfaces import DatagramAddress

#: Datagrams that are handled before the reactor's other readers.
MAX_DATAGRAMS = 64

#: Bytes of the largest payload over IPv4.
MAX_PAYLOAD_BYTES = 65_507

#: Bytes of a struct sockaddr_in; a longer raw address is a struct sockaddr_in6.
_IPV4_ADDRESS_BYTES = 16


class DatagramTap(Protocol):
    """A listener for what a port sends.

    The port's protocol reports what is received, because it may refuse datagrams.
    """

    def sent(self, data: bytes, address: DatagramAddress) -> None:
        """The protocol has sent a datagram."""

    def returned(self, totals: Iterable[tuple[DatagramAddress, int]]) -> None:
        """Datagrams were returned as they were: so many bytes to each of these peers."""

    def endConversation(self, address: DatagramAddress) -> None:
        """This peer's UDP conversation has ended."""

    def refuse(self, address: DatagramAddress, limit: str) -> None:
        """The protocol does not answer this peer, because of this limit."""


class DatagramPort(udp.Port):
    """A UDP port that reads up to MAX_DATAGRAMS a turn, each of them whole.

    The replies to their senders are sent together at the end of the turn. A datagram that the
    kernel refuses is dropped, as a network would drop it, and counted in `unsent`; an error
    of a read is counted in `unread`. (The stock port raises for the first, and closes for the
    second.)

    If the protocol is a `ReturnsDatagrams`, it is asked once a turn whether all datagrams may
    be returned unseen. That takes half the time of passing them to the protocol.
    """

    _log = Logger(namespace="netdemo")
    tap: DatagramTap | None = None
    #: Datagrams, and their bytes, that were read and that the kernel took.
    datagramsIn = datagramsOut = bytesIn = bytesOut = 0

    def __init__(
        self,
        port: int,
        protocol: AbstractDatagramProtocol,
        interface: str,
        reactor: IReactorFDSet,
    ) -> None:
        super().__init__(port, protocol, interface, maxPacketSize=mmsg.SLOT_BYTES, reactor=reactor)
        self.unsent = 0
        self.unread = 0
        self._mayReturn = (
            protocol.mayReturn if isinstance(protocol, ReturnsDatagrams) else _mayNotReturn
        )
        self._incoming = mmsg.Slots(MAX_DATAGRAMS) if mmsg.available else None
        self._outgoing = mmsg.Slots(MAX_DATAGRAMS) if mmsg.available else None
        #: The raw addresses of this turn's senders: a reply to one of them can wait for the
        #: end of the turn.
        self._senders: dict[DatagramAddress, bytes] = {}

    def doRead(self) -> None:
        """Handle one turn of datagrams."""
        if self._incoming is None:
            self._deliver(self._receivedOneByOne())
            return
        try:
            self._incoming.receive(self.fileno())
        except OSError as problem:
            self._readFailed(problem)
            return
        rawAddresses = self._incoming.addresses()
        known = {raw: _address(raw) for raw in set(rawAddresses)}
        if self._mayReturn(set(known.values()), self._incoming.firstBytes()):
            self._return(rawAddresses, known)
            return
        self._senders = {address: raw for raw, address in known.items()}
        senders = [known[raw] for raw in rawAddresses]
        self._deliver(zip(self._incoming.datagrams(), senders, strict=True))
        self._senders = {}
        self.flush()

    def _return(self, rawAddresses: list[bytes], known: Mapping[bytes, DatagramAddress]) -> None:
        """Return all datagrams of this turn, by one sendmmsg(2)."""
        assert self._incoming is not None
        sizes = self._incoming.sizes()
        unsent, unsentBytes = self._incoming.sendBack(self.fileno())
        size = sum(sizes)
        self.datagramsIn += len(sizes)
        self.datagramsOut += len(sizes) - unsent
        self.bytesIn += size
        self.bytesOut += size - unsentBytes
        self.unsent += unsent
        if self.tap is not None:
            totals = dict.fromkeys(rawAddresses, 0)
            for raw, datagramSize in zip(rawAddresses, sizes, strict=True):
                totals[raw] += datagramSize
            self.tap.returned((known[raw], total) for raw, total in totals.items())

    def _receivedOneByOne(self) -> Iterable[tuple[bytes, DatagramAddress]]:
        """Yield the datagrams of one turn where there is no recvmmsg."""
        for _ in range(MAX_DATAGRAMS):
            try:
                data, address = self.socket.recvfrom(self.maxPacketSize)
            except OSError as problem:
                self._readFailed(problem)
                return
            yield data, address[:2]

    def _deliver(self, datagrams: Iterable[tuple[bytes, DatagramAddress]]) -> None:
        for data, address in datagrams:
            self.datagramsIn += 1
            self.bytesIn += len(data)
            try:
                self.protocol.datagramReceived(data, address)
            except Exception:
                self._log.failure("{what} failed", what=type(self.protocol).__name__)
            if not self.connected:
                return

    def _readFailed(self, problem: OSError) -> None:
        if problem.errno not in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR):
            self.unread += 1

    def write(self, datagram: bytes, addr: DatagramAddress | None = None) -> None:
        """Send one datagram, at the end of the turn if it goes to a sender of this turn."""
        raw = self._senders.get(addr) if addr else None
        if raw is None or self._outgoing is None or len(datagram) > MAX_PAYLOAD_BYTES:
            self._writeNow(datagram, addr)
            return
        self._outgoing.put(datagram, raw)
        self._countSent(datagram, addr)
        if self._outgoing.used == MAX_DATAGRAMS:
            self.flush()

    def _writeNow(self, datagram: bytes, addr: DatagramAddress | None) -> None:
        try:
            super().write(datagram, addr)
        except (OSError, error.MessageLengthError):
            self.unsent += 1
        else:
            self._countSent(datagram, addr)

    def endConversation(self, address: DatagramAddress) -> None:
        """Report that the protocol has ended this peer's conversation."""
        if self.tap is not None:
            self.tap.endConversation(address)

    def refuse(self, address: DatagramAddress, limit: str) -> None:
        """Report that the protocol does not answer this peer, because of this limit."""
        if self.tap is not None:
            self.tap.refuse(address, limit)

    def _countSent(self, datagram: bytes, address: DatagramAddress | None) -> None:
        self.datagramsOut += 1
        self.bytesOut += len(datagram)
        if self.tap is not None and address is not None:
            self.tap.sent(datagram, address)

    def flush(self) -> None:
        """Send now the datagrams that wait for the end of the turn."""
        if self._outgoing is not None and self._outgoing.used and self.connected:
            unsent, unsentBytes = self._outgoing.send(self.fileno())
            self.unsent += unsent
            self.datagramsOut -= unsent
            self.bytesOut -= unsentBytes


def _mayNotReturn(senders: Set[DatagramAddress], firstBytes: bytes) -> bool:
    return False


@lru_cache(maxsize=4096)
def _address(raw: bytes) -> DatagramAddress:
    """Return host and port of a struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7))."""
    port = int.from_bytes(raw[2:4], "big")
    if len(raw) == _IPV4_ADDRESS_BYTES:
        return inet_ntop(AF_INET, raw[4:8]), port
    return inet_ntop(AF_INET6, raw[8:24]), port
