"""A protocol on a transport of the test's, with a clock of the test's."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure


class Peer:
    """The other end of one protocol: sends, and reads what came back."""

    def __init__(self, factory: Any, host: str = "127.0.0.1") -> None:
        self.clock: Clock = factory.clock
        self.protocol = factory.buildProtocol(None)
        self.transport = StringTransport(peerAddress=IPv4Address("TCP", host, 54321))
        self.transport.abortConnection = self._abort
        self.aborted = False
        self.protocol.makeConnection(self.transport)

    def _abort(self) -> None:
        self.aborted = True

    def send(self, data: bytes) -> None:
        """Deliver `data`, if the protocol reads at all."""
        self.protocol.dataReceived(data)
        self.turn()

    def turn(self) -> None:
        """Let the others have their turn, until nobody wants one."""
        for _ in range(200):
            self.clock.advance(0)

    def pause(self) -> None:
        """Say nothing for as long as ends a bare message."""
        self.clock.advance(0.11)
        self.turn()

    def fin(self) -> None:
        """Close our side."""
        self.protocol.readConnectionLost()
        self.turn()

    def lose(self) -> None:
        """The connection is gone."""
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.turn()

    def read(self) -> bytes:
        """All that came back since the last call."""
        data = self.transport.value()
        self.transport.clear()
        return data

    @property
    def closed(self) -> bool:
        """Did the protocol ask to close?"""
        return bool(self.transport.disconnecting)


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at these places."""
    ends = sorted(min(cut, len(data)) for cut in cuts)
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]
