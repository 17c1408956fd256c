"""The shapes of the connections, transports and services that faults are applied to."""

from __future__ import annotations

from typing import Protocol

from twistednet.transport.interfaces import ObservedStream, PlainStream, Producer


class FaultTarget(Protocol):
    """What the event of a fault names: a connection, a UDP conversation, or a port."""

    @property
    def id(self) -> int:
        """The number of the connection; 0 for none."""

    @property
    def service(self) -> str:
        """The name of the service."""

    @property
    def peer(self) -> str:
        """The peer's address as text."""


class OpenConnection(FaultTarget, Protocol):
    """A connection, with its transports and the time at which it was accepted (seconds)."""

    @property
    def opened(self) -> float:
        """When it was accepted."""

    @property
    def transport(self) -> ObservedStream:
        """Its own transport."""

    @property
    def plaintext(self) -> PlainStream:
        """The same, or its TLS."""


class ServiceSide(Protocol):
    """What a service does to its connection; see `streams.FaultWrapper`."""

    @property
    def waitingBytes(self) -> int:
        """Bytes that the service has written and that faults hold back."""

    @property
    def isClosing(self) -> bool:
        """True if the service has closed."""

    def write(self, data: bytes) -> None:
        """Send data."""

    def close(self) -> None:
        """Close once everything is sent."""

    def closeWrite(self) -> None:
        """Send a FIN once everything is sent."""

    def abort(self) -> None:
        """Close now, with a RST."""

    def registerProducer(self, producer: Producer, streaming: bool) -> None:
        """Let the producer write."""

    def unregisterProducer(self) -> None:
        """Forget the producer."""

    def want(self, isWanted: bool) -> None:
        """Give the service data, or none for now."""
