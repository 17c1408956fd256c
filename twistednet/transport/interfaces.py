"""The shapes of clocks, transports and ports that other packages work with.

They are what Twisted's own objects and ours have in common, so that a test can pass a
fake and mypy can check the callers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

#: The address of a peer or of a port.
Address: TypeAlias = IPv4Address | IPv6Address | UNIXAddress
#: The address of a datagram's sender.
DatagramAddress: TypeAlias = tuple[str, int]


class Clock(Protocol):
    """What measures time: a reactor, or `twisted.internet.task.Clock` in tests."""

    def seconds(self) -> float:
        """Return the time in seconds."""

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kwargs: object
    ) -> IDelayedCall:
        """Call it with the arguments after `delay` seconds."""


class Producer(Protocol):
    """What writes to a transport as fast as that takes it (IPushProducer, IPullProducer)."""

    def resumeProducing(self) -> None:
        """Write more."""

    def stopProducing(self) -> None:
        """Write no more: the transport is lost."""


class Transport(Protocol):
    """The transport of a connection as a service's protocol knows it."""

    def write(self, data: bytes) -> None:
        """Send `data`, or queue it."""

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Send all of them, in order."""

    def loseConnection(self) -> None:
        """Close once what is queued has been sent."""

    def loseWriteConnection(self) -> None:
        """Send a FIN once what is queued has been sent, and go on reading."""

    def abortConnection(self) -> None:
        """Close now, with a RST, and drop what is queued."""

    def registerProducer(self, producer: Producer, streaming: bool) -> None:
        """Let `producer` write as fast as the peer reads."""

    def unregisterProducer(self) -> None:
        """Forget the producer."""

    def pauseProducing(self) -> None:
        """Stop reading."""

    def resumeProducing(self) -> None:
        """Read again."""

    def getPeer(self) -> Address:
        """Return the peer's address."""

    def getHost(self) -> Address:
        """Return our address."""


class DatagramTransport(Protocol):
    """The transport of a UDP service."""

    def write(self, datagram: bytes, addr: DatagramAddress) -> None:
        """Send one datagram."""

    def stopListening(self) -> Deferred[None] | None:
        """Close the port."""

    def getHost(self) -> Address:
        """Return our address."""


class Port(Protocol):
    """An open listening port."""

    connected: bool

    def getHost(self) -> Address:
        """Return the address that it listens on."""

    def stopListening(self) -> Deferred[None] | None:
        """Close it; the Deferred fires once it is closed."""
