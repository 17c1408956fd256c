"""Receive: logs what arrives and sends nothing (RFC 863, with a log)."""

from __future__ import annotations

from typing import ClassVar

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import DatagramProtocol, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistednet.core.text import addressText, shown
from twistednet.services.ratelimitedlog import RateLimitedLog
from twistednet.transport.interfaces import Transport


class Receive(Protocol):
    """Logs a line for each chunk that arrives, and one when the client disconnects.

    Override: `received` is given each chunk as it was read, or over UDP each datagram.
    `self.peer` is the address of its sender.
    """

    log = Logger()
    #: Of all connections and peers together.
    _display: ClassVar = RateLimitedLog(log)
    peer = "?"
    # A stream has more than ITransport: half-close, abort.
    transport: Transport  # type: ignore[assignment]

    @classmethod
    def forPeer(cls, address: IAddress | tuple[str, int]) -> Receive:
        """Return an instance for the datagrams of one peer."""
        receive = cls()
        receive.peer = addressText(address)
        return receive

    def connectionMade(self) -> None:
        self.peer = addressText(self.transport.getPeer())

    def dataReceived(self, data: bytes) -> None:
        self.received(data)

    def received(self, data: bytes) -> None:
        """Log a chunk."""
        self._display.show(
            "{peer} sent {size} B: {text}", peer=self.peer, size=len(data), text=shown(data)
        )

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._display.show("{peer} went offline", peer=self.peer)


class ReceiveDatagrams(DatagramProtocol):
    """Passes each datagram to a new `Receive`, and never replies."""

    noisy = False
    replies = False

    def __init__(self, receive: type[Receive]) -> None:
        self._receive = receive

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self._receive.forPeer(addr).received(datagram)
