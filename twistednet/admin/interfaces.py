"""The daemon as the admin site needs it, which never imports the daemon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from twistednet.connections.tracking import Connections
from twistednet.core.metrics import Metrics
from twistednet.core.secrets import Secrets
from twistednet.events.journal import Journal
from twistednet.events.model import EventStream, Tally
from twistednet.faults.grammar import Grammar
from twistednet.faults.scenario import Scenario
from twistednet.inject.player import Player
from twistednet.transport.endpoints import Endpoint
from twistednet.transport.interfaces import Address


class ServiceAPI(Protocol):
    """A service: its name, and its line in `--help`."""

    @property
    def name(self) -> str: ...

    @property
    def help(self) -> str: ...


class PortsAPI(Protocol):
    """The listening ports of all services."""

    def __iter__(self) -> Iterator[tuple[ServiceAPI, Endpoint, Address]]:
        """Yield each open port: its service, its endpoint, its address."""

    def down(self) -> Iterator[tuple[str, str]]:
        """Yield the service and the endpoint of each port that should listen and does not."""

    def names(self) -> Iterable[str]:
        """Return the names of the services that listen, or did."""

    def metrics(self) -> Iterator[tuple[str, Metrics]]:
        """Yield the metrics of each service that has its own."""

    def datagrams(self) -> Mapping[str, Counter[str]]:
        """Return the counts of the UDP ports of each service."""

    def protocolOf(self, name: str, datagrams: bool) -> type | None:
        """Return the class whose callbacks are called with the data of a service."""


class DaemonAPI(Protocol):
    """A daemon that can be watched, reloaded and drained."""

    tally: Tally
    journal: Journal
    events: EventStream
    secrets: Secrets
    connections: Connections
    player: Player
    grammar: Grammar

    @property
    def ports(self) -> PortsAPI: ...

    @property
    def scenarios(self) -> Mapping[str, Scenario]: ...

    @property
    def stopping(self) -> bool: ...

    def reload(self) -> str | None:
        """Read the settings again. Return what was wrong, or None."""

    def leave(self) -> None:
        """Drain and stop."""
