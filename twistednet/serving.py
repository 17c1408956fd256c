"""Which services are open where: factories made once, ports opened and closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred

from twistednet.catalog import Service
from twistednet.config import Settings
from twistednet.core.events import EventStream
from twistednet.endpoints import Endpoint
from twistednet.layers.base import Connections, Entrance
from twistednet.layers.limit import GuardedDatagrams
from twistednet.listening import CannotListen, listenDatagram, listenStream


class Serving:
    """The open ports, and what serves on them, wrapped in the layers."""

    def __init__(
        self,
        reactor: Any,
        services: Mapping[str, Service],
        connections: Connections,
        events: EventStream,
    ) -> None:
        self._reactor = reactor
        self._services = services
        self._connections = connections
        self._events = events
        self._ports: dict[tuple[str, Endpoint], Any] = {}
        self._factories: dict[str, Any] = {}
        self._datagramPorts: set[int] = set()

    def __iter__(self) -> Iterator[tuple[Service, Endpoint, Any]]:
        """Each open port: its service, the endpoint that asked for it, its address."""
        for (name, endpoint), port in self._ports.items():
            if port.connected:
                yield self._services[name], endpoint, port.getHost()

    def open(self, settings: Settings) -> None:
        """Open what these settings name and is not open; close what they do not name.

        Raises CannotListen, which names the flag to change, and leaves all as it was.
        """
        wanted = [(name, one) for name, endpoints in settings.listen.items() for one in endpoints]
        before = dict(self._ports)
        try:
            for name, endpoint in wanted:
                if (name, endpoint) not in self._ports:
                    self._ports[name, endpoint] = self._listen(name, endpoint, settings)
        except CannotListen:
            self._close(key for key in list(self._ports) if key not in before)
            raise
        self._close(key for key in before if key not in wanted)

    def configure(self, settings: Settings) -> None:
        """Tell everything that takes settings which are in force."""
        self._connections.configure(settings)
        for factory in self._factories.values():
            _configure(factory, settings)
        for port in self._ports.values():
            if isinstance(getattr(port, "protocol", None), GuardedDatagrams):
                _configure(port.protocol, settings)

    def close(self) -> Deferred[Any]:
        """Close every port, and let the services know that the end is near."""
        closed = self._close(list(self._ports))
        for factory in self._factories.values():
            if hasattr(factory, "drain"):
                factory.drain()
        return closed

    def _close(self, keys: Any) -> Deferred[Any]:
        ports = [self._ports.pop(key) for key in keys]
        for port in ports:
            if port.connected:
                self._datagramPorts.discard(getattr(port.getHost(), "port", 0))
        return gatherResults([maybeDeferred(port.stopListening) for port in ports])

    def _listen(self, name: str, endpoint: Endpoint, settings: Settings) -> Any:
        try:
            if endpoint.isDatagram:
                return self._listenDatagram(name, endpoint, settings)
            return self._listenStream(name, endpoint, settings)
        except CannotListen as why:
            raise CannotListen(
                f"{name}: cannot listen on {endpoint.given}: {why}; "
                f"--{name} ENDPOINT moves it, --{name} off drops it"
            ) from why

    def _listenStream(self, name: str, endpoint: Endpoint, settings: Settings) -> Any:
        factory = self._factories.get(name)
        if factory is None:
            factory = self._services[name].stream(settings.protocols[name])  # type: ignore[misc]
            _configure(factory, settings)
        port = listenStream(self._reactor, endpoint, factory)
        port.factory = Entrance(name, port.factory, self._connections)  # type: ignore[assignment]
        self._factories[name] = factory
        return port

    def _listenDatagram(self, name: str, endpoint: Endpoint, settings: Settings) -> Any:
        protocol = self._services[name].datagram(settings.protocols[name])  # type: ignore[misc]
        guarded = GuardedDatagrams(name, protocol, self._reactor, self._events, self._datagramPorts)
        _configure(guarded, settings)
        port = listenDatagram(self._reactor, endpoint, guarded)
        self._datagramPorts.add(port.getHost().port)
        return port


def _configure(thing: Any, settings: Settings) -> None:
    configure = getattr(thing, "configure", None)
    if configure is not None:
        configure(settings)
