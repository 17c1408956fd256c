"""A UDP port that a flood cannot make a nuisance of, and that an error cannot close."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any, Protocol

from twisted.internet import error, udp
from twisted.logger import Logger

from twistednet.transport import mmsg

#: Datagrams handled before other sockets' turn.
MAX_DATAGRAMS = 64

#: The most that a datagram can carry over IPv4.
MAX_PAYLOAD_BYTES = 65_507

_SOCKADDR_IN = 16

_Address = tuple[str, int]


class DatagramTap(Protocol):
    """Who hears what a port sends. (What it receives is told by its protocol, which
    may turn datagrams down.)"""

    def sent(self, data: bytes, address: _Address) -> None:
        """The protocol has sent it."""

    def returned(self, totals: Iterable[tuple[_Address, int]]) -> None:
        """Datagrams of so many bytes were returned to these as they were."""

    def endConversation(self, address: _Address) -> None:
        """Who is there has ended its conversation."""

    def refuse(self, address: _Address, limit: str) -> None:
        """The protocol does not answer this peer, because of this limit."""


class DatagramPort(udp.Port):
    """Reads `MAX_DATAGRAMS` datagrams a turn, whatever their size, and any size whole.

    They are read by one system call, where libc has recvmmsg, and what is written to
    their senders meanwhile leaves by one. A reply that the kernel will not take is
    dropped, as a network would, and counted in `unsent`; an error in reading is
    counted in `unread`, and the port goes on. The stock port raises on the first and
    closes on the second.

    A protocol may have a method `mayReturn(senders, firsts)`. It is given who sent
    the datagrams of one turn, and the first byte of each (of an empty one, any byte),
    and says whether all may be returned as they are, unseen by anybody: that costs
    half of what showing them to a protocol does.
    """

    _log = Logger(namespace="netdemo")
    tap: DatagramTap | None = None
    #: Datagrams, and their bytes, that were read and that the kernel took.
    datagramsIn = datagramsOut = bytesIn = bytesOut = 0

    def __init__(self, port: int, protocol: Any, interface: str, reactor: Any) -> None:
        super().__init__(port, protocol, interface, maxPacketSize=mmsg.SLOT_BYTES, reactor=reactor)
        self.unsent = 0
        self.unread = 0
        self._mayReturn = getattr(protocol, "mayReturn", lambda senders, firsts: False)
        self._incoming = mmsg.Slots(MAX_DATAGRAMS) if mmsg.available else None
        self._outgoing = mmsg.Slots(MAX_DATAGRAMS) if mmsg.available else None
        #: Raw addresses of this turn's senders, by how a protocol knows them.
        self._senders: dict[tuple[str, int], bytes] = {}

    def doRead(self) -> None:
        if self._incoming is None:
            self._deliver(self._receivedOneByOne())
            return
        try:
            self._incoming.receive(self.fileno())
        except OSError as problem:
            self._readFailed(problem)
            return
        names = self._incoming.addresses()
        known = {name: _address(name) for name in set(names)}
        if self._mayReturn(set(known.values()), self._incoming.firstBytes()):
            self._return(names, known)
            return
        self._senders = {address: name for name, address in known.items()}
        senders = [known[name] for name in names]
        self._deliver(zip(self._incoming.datagrams(), senders, strict=True))
        self._senders = {}
        self.flush()

    def _return(self, names: list[bytes], known: Mapping[bytes, _Address]) -> None:
        assert self._incoming is not None
        sizes = self._incoming.sizes()
        unsent = self._incoming.sendBack(self.fileno())
        size = sum(sizes)
        self.datagramsIn += len(sizes)
        self.datagramsOut += len(sizes) - unsent
        self.bytesIn += size
        self.bytesOut += size
        self.unsent += unsent
        if self.tap is not None:
            totals = dict.fromkeys(names, 0)
            for name, one in zip(names, sizes, strict=True):
                totals[name] += one
            self.tap.returned((known[name], total) for name, total in totals.items())

    def _receivedOneByOne(self) -> Iterable[tuple[bytes, tuple[str, int]]]:
        for _ in range(MAX_DATAGRAMS):
            try:
                data, address = self.socket.recvfrom(self.maxPacketSize)
            except OSError as problem:
                self._readFailed(problem)
                return
            yield data, address[:2]

    def _deliver(self, datagrams: Iterable[tuple[bytes, tuple[str, int]]]) -> None:
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

    def write(self, datagram: bytes, addr: tuple[str, int] | None = None) -> None:
        name = self._senders.get(addr) if addr else None
        if name is None or self._outgoing is None or len(datagram) > MAX_PAYLOAD_BYTES:
            self._writeNow(datagram, addr)
            return
        self._outgoing.put(datagram, name)
        self._countSent(datagram, addr)
        if self._outgoing.used == MAX_DATAGRAMS:
            self.flush()

    def _writeNow(self, datagram: bytes, addr: tuple[str, int] | None) -> None:
        try:
            super().write(datagram, addr)
        except (OSError, error.MessageLengthError):
            self.unsent += 1
        else:
            self._countSent(datagram, addr)

    def endConversation(self, address: _Address) -> None:
        """A protocol tells that this peer's conversation has ended."""
        if self.tap is not None:
            self.tap.endConversation(address)

    def refuse(self, address: _Address, limit: str) -> None:
        """Report that the protocol does not answer this peer, because of this limit."""
        if self.tap is not None:
            self.tap.refuse(address, limit)

    def _countSent(self, datagram: bytes, address: _Address | None) -> None:
        self.datagramsOut += 1
        self.bytesOut += len(datagram)
        if self.tap is not None and address is not None:
            self.tap.sent(datagram, address)

    def flush(self) -> None:
        """Send now what waits for the end of the turn."""
        if self._outgoing is not None and self._outgoing.used and self.connected:
            unsent = self._outgoing.send(self.fileno())
            self.unsent += unsent
            self.datagramsOut -= unsent


@lru_cache(maxsize=4096)
def _address(name: bytes) -> tuple[str, int]:
    """Host and port of a struct sockaddr_in or sockaddr_in6."""
    port = int.from_bytes(name[2:4], "big")
    if len(name) == _SOCKADDR_IN:
        return inet_ntop(AF_INET, name[4:8]), port
    return inet_ntop(AF_INET6, name[8:24]), port
