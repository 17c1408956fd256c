"""The listening ports of all services: opened, reconfigured, closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from twisted.internet import tcp
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from twistednet.connections.accepting import TrackingFactory
from twistednet.connections.conversations import UDPConversations
from twistednet.connections.datagrams import DatagramGuard
from twistednet.connections.tracking import Connections
from twistednet.core.hooks import Configurable, Drainable, HasMetrics
from twistednet.core.metrics import Metrics
from twistednet.core.text import addressText, hostOf
from twistednet.daemon.listeners import Key, Listener, keyed
from twistednet.events.model import EventStream
from twistednet.inject.listeners import ListenerFaults
from twistednet.inject.responses import ResponseFaults
from twistednet.services.catalog import Service
from twistednet.settings.schema import Settings
from twistednet.transport.certificates import renewCertificate
from twistednet.transport.datagrams import DatagramPort
from twistednet.transport.endpoints import Endpoint
from twistednet.transport.interfaces import Address
from twistednet.transport.listening import CannotListen, listenDatagram, listenStream

_log = Logger()


class Ports:
    """The open ports, and their factories and protocols with tracking, limits and faults."""

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
        self._listeners: dict[Key, Listener] = {}
        self._factories: dict[str, Any] = {}
        self._classes: dict[str, type] = {}
        self._datagramPorts: set[int] = set()
        #: The counts of the ports that are closed.
        self._datagrams: dict[str, Counter[str]] = {}

    def __iter__(self) -> Iterator[tuple[Service, Endpoint, Address]]:
        """Yield each open port: its service, its endpoint, its address."""
        for (name, *_), listener in self._listeners.items():
            if listener.port.connected:
                yield self._services[name], listener.endpoint, listener.port.getHost()

    def down(self) -> Iterator[tuple[str, str]]:
        """Yield the service and the endpoint of each port that should listen and does not."""
        for (name, *_), listener in self._listeners.items():
            if not listener.port.connected:
                yield name, listener.endpoint.given

    def names(self) -> Iterable[str]:
        """Return the names of the services that listen, or did."""
        listening = (name for name, *_ in self._listeners)
        return dict.fromkeys((*listening, *self._factories, *self._datagrams))

    def metrics(self) -> Iterator[tuple[str, Metrics]]:
        """Yield the metrics of each service that has its own. One that raises is logged."""
        for name, factory in self._factories.items():
            try:
                if isinstance(factory, HasMetrics):
                    yield name, factory.metrics()
            except Exception:
                _log.failure("{service}: its metrics failed", service=name)

    def datagrams(self) -> dict[str, Counter[str]]:
        """Return the counts of the UDP ports of each service, closed ports included."""
        counts = {name: count.copy() for name, count in self._datagrams.items()}
        for (name, *_), listener in self._listeners.items():
            if listener.endpoint.isDatagram:
                counts.setdefault(name, Counter()).update(listener.counts())
        return counts

    def protocolOf(self, name: str, datagrams: bool) -> type | None:
        """Return the class whose callbacks are called with the data of a service."""
        if not datagrams:
            return getattr(self._factories.get(name), "protocol", None)
        for (service, *_), listener in self._listeners.items():
            if service == name and isinstance(listener.port, DatagramPort):
                return type(listener.port.protocol.protocol)
        return None

    def open(self, settings: Settings) -> list[Endpoint]:
        """Open the ports that these settings name; close those that they do not name.

        Raises CannotListen, which names the flag to change, and changes nothing then.
        `ssl:` endpoints serve what their files hold now. Returns the endpoints of open sockets
        that have other new arguments (a backlog, a mode): those sockets stay as they are.
        """
        wanted = keyed(settings)
        before = set(self._listeners)
        try:
            for key, endpoint in wanted.items():
                if key not in before:
                    self._listeners[key] = self._opened(key[0], endpoint, settings)
        except CannotListen:
            self._close(set(self._listeners) - before)
            raise
        self._close(before - set(wanted))
        for key in before & set(wanted):
            renewCertificate(self._listeners[key].port, wanted[key], key[0])
        return [o for key, o in wanted.items() if self._listeners[key].endpoint.fixed != o.fixed]

    def configure(self, settings: Settings) -> None:
        """Pass the current settings to everything that takes settings."""
        self._connections.configure(settings)
        self._connections.faults.configure(settings.fault)
        for factory in self._factories.values():
            _configure(factory, settings)
        for listener in self._listeners.values():
            if isinstance(listener.port, DatagramPort):
                _configure(listener.port.protocol, settings)

    def close(self) -> Deferred[list[object]]:
        """Close every port, and notify the factories that the daemon is stopping."""
        closed = self._close(set(self._listeners))
        for factory in self._factories.values():
            if isinstance(factory, Drainable):
                factory.drain()
        return closed

    def _close(self, keys: Iterable[Key]) -> Deferred[list[object]]:
        closing = [(key[0], self._listeners.pop(key)) for key in keys]
        for name, listener in closing:
            if listener.endpoint.isDatagram:
                self._datagrams.setdefault(name, Counter()).update(listener.counts())
        self._countDatagramPorts()
        return gatherResults([listener.stop() for _, listener in closing])

    def _countDatagramPorts(self) -> None:
        found = [one.port for one in self._listeners.values() if one.endpoint.isDatagram]
        self._datagramPorts.clear()
        self._datagramPorts.update(port.getHost().port for port in found if port.connected)

    def _opened(self, name: str, endpoint: Endpoint, settings: Settings) -> Listener:
        port = self._listen(name, endpoint, settings)
        if endpoint.isDatagram:
            return Listener(endpoint, port)
        faults = ListenerFaults(name, port, self._reactor, self._connections.faults)
        return Listener(endpoint, port, faults)

    def _listen(self, name: str, endpoint: Endpoint, settings: Settings) -> tcp.Port | DatagramPort:
        protocol = self._classes.get(name, settings.protocols[name])
        listen = self._listenDatagram if endpoint.isDatagram else self._listenStream
        try:
            port = listen(name, endpoint, protocol, settings)
        except CannotListen as why:
            raise CannotListen(
                f"{name}: cannot listen on {endpoint.given}: {why}; "
                f"--{name} ENDPOINT moves it, --{name} off drops it"
            ) from why
        except Exception as error:
            raise CannotListen(
                f"{name}: {protocol.__module__}.{protocol.__qualname__} cannot be made: {error!r}"
            ) from error
        self._classes[name] = protocol
        return port

    def _listenStream(
        self, name: str, endpoint: Endpoint, protocol: type, settings: Settings
    ) -> tcp.Port:
        factory = self._factories.get(name)
        if factory is None:
            factory = self._services[name].stream(protocol)  # type: ignore[misc]
            _configure(factory, settings)
        port = listenStream(self._reactor, endpoint, factory)
        host = port.getHost()
        here = "" if hostOf(host) in ("0.0.0.0", "::") else addressText(host)
        port.factory = TrackingFactory(name, port.factory, self._connections, here)  # type: ignore[arg-type,assignment]
        if name not in self._factories:
            self._factories[name] = factory
            if "request" in self._services[name].carriers:
                ResponseFaults(name, factory, self._connections.faults)
        return port

    def _listenDatagram(
        self, name: str, endpoint: Endpoint, protocol: type, settings: Settings
    ) -> DatagramPort:
        made = self._services[name].datagram(protocol)  # type: ignore[misc]
        connections = self._connections
        guarded = DatagramGuard(
            name,
            made,
            self._reactor,
            self._events,
            self._datagramPorts,
            UDPConversations(name, self._reactor, connections.recorder, connections.ids),
            connections.faults,
        )
        _configure(guarded, settings)
        port = listenDatagram(self._reactor, endpoint, guarded)
        self._datagramPorts.add(port.getHost().port)
        return port


def _configure(configured: object, settings: Settings) -> None:
    if isinstance(configured, Configurable):
        configured.configure(settings)
