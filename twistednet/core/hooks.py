"""Optional methods of factories and datagram protocols that the daemon calls."""

from __future__ import annotations

from collections.abc import Set
from typing import Protocol, runtime_checkable

from twistednet.core.metrics import Metrics
from twistednet.core.settings import ServiceSettings


@runtime_checkable
class Configurable(Protocol):
    """A factory or datagram protocol that takes settings, at start and after each reload."""

    def configure(self, settings: ServiceSettings) -> None:
        """Take the settings that are current from now on."""


@runtime_checkable
class Drainable(Protocol):
    """A factory that is notified when the daemon begins to stop."""

    def drain(self) -> None:
        """Accept nothing new, and end what only waits for another request."""


@runtime_checkable
class HasMetrics(Protocol):
    """A factory with metrics of its own, which `/metrics` shows."""

    def metrics(self) -> Metrics:
        """Return the current values."""


@runtime_checkable
class DeclaresReplies(Protocol):
    """A datagram protocol that says whether it replies. One that does not say so does."""

    #: False if it never writes: then a datagram from a port that may be a loop is harmless.
    replies: bool


@runtime_checkable
class ReturnsDatagrams(Protocol):
    """A datagram protocol that lets its port return datagrams without showing them to it."""

    def mayReturn(self, senders: Set[tuple[str, int]], firstBytes: bytes) -> bool:
        """True if the datagrams of one turn may be returned as they are.

        `senders` are all their senders; `firstBytes` has the first byte of each datagram, and
        an arbitrary one for an empty datagram.
        """
