"""The shapes of transports, and of what they report to, for the packages that use them.

Twisted's transports, ours, and what stands in for them (TLS, faults, the fakes of tests) have
these methods in common.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeAlias

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

#: The address of a peer or of a port.
Address: TypeAlias = IPv4Address | IPv6Address | UNIXAddress
#: Host and port of a datagram's sender.
DatagramAddress: TypeAlias = tuple[str, int]

#: The value of `Tap.inside` while no callback of the protocol runs.
LATER = "later"


class Producer(Protocol):
    """A source of data for a transport (IPushProducer, IPullProducer)."""

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
        """Close once the queue is sent."""

    def loseWriteConnection(self) -> None:
        """Send a FIN once the queue is sent, and go on reading."""

    def abortConnection(self) -> None:
        """Close now, with a RST, and drop the queue."""

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


class Observer(Protocol):
    """A listener for the failure and the end of one stream."""

    def failed(self, failure: Failure) -> None:
        """A callback of the protocol raised; the stream is about to be aborted."""

    def closed(self, cause: str) -> None:
        """The stream has ended.

        `cause` is the argument of the first call of `setCloseReason`, or else client FIN,
        client RST, connection lost, or service.
        """


class Tap(Protocol):
    """A listener for the chunks that pass between a stream and its protocol.

    `received` and `sent` return False to be removed from the stream.
    """

    #: The callback of the protocol that runs now, or LATER.
    inside: str

    def received(self, data: bytes, callback: str) -> bool:
        """`callback` is about to be called with `data`, which is empty for the peer's FIN."""

    def sent(self, data: bytes) -> bool:
        """The protocol has written `data`, which is never empty."""

    def paused(self, size: int) -> None:
        """A pause has ended a message of `size` bytes."""


class Receiver(Protocol):
    """What a stream passes its data to: a service's protocol, TLS, or a fault."""

    def makeConnection(self, transport: Transport) -> None:
        """Begin with this transport."""

    def dataReceived(self, data: bytes) -> None:
        """Take a chunk."""

    def connectionLost(self, reason: Failure) -> None:
        """End."""


class ServiceProtocol(Receiver, Protocol):
    """The protocol of a service, whose transport can be replaced."""

    transport: object


class PlainStream(Transport, Protocol):
    """The transport that carries what a service sees: a stream, or the TLS on it."""

    #: tcp, unix or tls.
    kind: str
    tap: Tap | None

    @property
    def queued(self) -> int:
        """Bytes written by the protocol that the kernel has not taken."""

    @property
    def disconnecting(self) -> object:
        """True if it closes once the queue is sent."""


class ObservedStream(PlainStream, Protocol):
    """A stream (see `streams`), below TLS: what it counts, and whom it reports to."""

    protocol: Receiver
    observer: Observer | None
    #: Why it ends; see `setCloseReason`.
    cause: str | None
    #: Bytes that were read, and that the kernel took.
    bytesIn: int
    bytesOut: int

    def fileno(self) -> int:
        """Return the number of its socket, -1 once it is closed."""

    @property
    def wantsReading(self) -> bool:
        """True if neither the protocol nor a producer has paused reading."""

    def setCloseReason(self, cause: str) -> None:
        """Say why the connection is about to be closed. The first call counts."""

    def endInput(self) -> None:
        """Read no more: the peer has sent its FIN, or its TLS the close_notify before it."""

    def fail(self, failure: Failure) -> None:
        """Report the failure of a callback, and abort the connection."""
