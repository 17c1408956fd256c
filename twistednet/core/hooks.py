"""What a service's factory or datagram protocol may offer the daemon, besides serving."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from twistednet.core.metrics import Metrics
from twistednet.core.settings import ServiceSettings


@runtime_checkable
class Configurable(Protocol):
    """Takes settings, at start and after each reload."""

    def configure(self, settings: ServiceSettings) -> None:
        """Take the settings that are current from now on."""


@runtime_checkable
class Drainable(Protocol):
    """Is notified when the daemon begins to stop."""

    def drain(self) -> None:
        """Accept nothing new, and end what only waits for another request."""


@runtime_checkable
class HasMetrics(Protocol):
    """Has metrics of its own, which `/metrics` shows."""

    def metrics(self) -> Metrics:
        """Return the current values."""
