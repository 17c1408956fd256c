"""A UDP port that a flood cannot make a nuisance of, and that an error cannot close."""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet import udp
from twisted.logger import Logger

#: Datagrams handled before other sockets' turn.
TURN = 64
#: The largest payload of UDP over IPv4 (RFC 768: 65,535 less both headers).
LARGEST = 65_507


class DatagramPort(udp.Port):
    """Reads `TURN` datagrams a turn, whatever their size, and any size whole.

    A reply that the kernel will not take is dropped, as a network would, and
    counted in `unsent`; an error in reading is counted in `unread`, and the port
    goes on. The stock port raises on the first and closes on the second.
    """

    _log = Logger(namespace="netdemo")

    def __init__(self, port: int, protocol: Any, interface: str, reactor: Any) -> None:
        super().__init__(port, protocol, interface, maxPacketSize=LARGEST + 1, reactor=reactor)
        self.unsent = 0
        self.unread = 0

    def doRead(self) -> None:
        for _ in range(TURN):
            try:
                data, address = self.socket.recvfrom(self.maxPacketSize)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR):
                    self.unread += 1
                return
            try:
                self.protocol.datagramReceived(data, address[:2])
            except Exception:
                self._log.failure("{what} failed", what=type(self.protocol).__name__)
            if not self.connected:
                return

    def write(self, datagram: bytes, addr: Any = None) -> None:
        try:
            self.socket.sendto(datagram, addr)
        except OSError:
            self.unsent += 1
