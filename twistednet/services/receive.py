"""Receive: display what arrives, and send nothing (RFC 863 with eyes)."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import DatagramProtocol, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistednet.core.text import addressText, shown


class Receive(Protocol):
    """Logs a line for each chunk that arrives, and one when the peer goes offline.

    Override: `received` is given each chunk as it was read (each datagram, on
    UDP). `self.peer` says from whom.
    """

    log = Logger()
    peer = "?"
    transport: Any

    @classmethod
    def forPeer(cls, address: IAddress | tuple[str, int]) -> Receive:
        """An instance for what one peer sends without a connection."""
        receive = cls()
        receive.peer = addressText(address)
        return receive

    def connectionMade(self) -> None:
        self.peer = addressText(self.transport.getPeer())

    def dataReceived(self, data: bytes) -> None:
        self.received(data)

    def received(self, data: bytes) -> None:
        """Display it; nothing is ever sent back."""
        self.log.info(
            "{peer} sent {size} B: {text}", peer=self.peer, size=len(data), text=shown(data)
        )

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.log.info("{peer} went offline", peer=self.peer)


class ReceiveDatagrams(DatagramProtocol):
    """Gives each datagram to a `Receive` of its own, and never replies."""

    noisy = False
    replies = False

    def __init__(self, receive: type[Receive]) -> None:
        self._receive = receive

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self._receive.forPeer(addr).received(datagram)
