"""The catalog of services: our own, one row each, and those of other packages."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from twisted.internet.protocol import Factory, Protocol

from twistednet.core.plugins import BadPlugin, plugins
from twistednet.core.settings import declared
from twistednet.services.answer import Answer, AnswerFactory
from twistednet.services.chat import Chat, ChatFactory
from twistednet.services.datagram import Datagram
from twistednet.services.echo import Echo
from twistednet.services.factory import MessagesFactory
from twistednet.services.hello import Hello, HelloSite
from twistednet.services.messages import Messages
from twistednet.services.receive import Receive, ReceiveDatagrams
from twistednet.transport.endpoints import BadEndpoint, Endpoint
from twistednet.transport.http import BoundedSite

#: The entry point group in which other packages name a `Service` of theirs.
ENTRY_POINTS = "twistednet.services"


def factoryFor(protocol: type[Protocol]) -> Factory[Protocol]:
    """Return the plain factory of a class: a MessagesFactory if it takes messages."""
    if issubclass(protocol, Messages):
        return MessagesFactory(protocol)
    factory: Factory[Protocol] = Factory.forProtocol(protocol)
    factory.noisy = False
    return factory


@dataclass(frozen=True)
class NoSettings:
    """The settings of a service that has none of its own."""


@dataclass(frozen=True)
class Service:
    """A service as the daemon knows it.

    `name` becomes a flag, an environment variable and a key of the settings file;
    `listen` is where it listens by default, as endpoint strings (see
    `twistednet.transport.endpoints`); `help` is its line in `--help`. `protocol` is the
    class that `--NAME-class` replaces by a subclass. `stream` is called with that class and
    returns the factory for connections, `datagram` likewise the DatagramProtocol for `udp:`
    endpoints; with None the service does not listen there.

    `settings` is a frozen dataclass of the service's own settings, declared with `setting`.
    A factory or datagram protocol that is `Configurable` is given all settings at start and
    after each reload. `client` is the command that the start-up table suggests, with HOST and
    PORT in it, where nc does not fit. `origin` names the package in messages.

    `carriers` is what its faults may be about: stream and listener, datagram, request.
    """

    name: str
    listen: tuple[str, ...]
    help: str
    protocol: type
    stream: Callable[[Any], Any] | None = factoryFor
    datagram: Callable[[Any], Any] | None = None
    client: str | None = None
    settings: type = NoSettings
    origin: str = field(default="twistednet", compare=False)
    carriers: tuple[str, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        carried = [] if self.stream is None else ["stream", "listener"]
        if self.datagram is not None:
            carried.append("datagram")
        if isinstance(self.stream, type) and issubclass(self.stream, BoundedSite):
            carried.append("request")
        object.__setattr__(self, "carriers", tuple(carried))

    def check(self) -> None:
        """Raise BadPlugin, which names `origin`, for what would fail only once it is used."""
        problem = self._problem()
        if problem:
            raise BadPlugin(f"{self.origin}: {problem}")

    def _problem(self) -> str:
        if not re.fullmatch("[a-z][a-z0-9-]*", self.name):
            return f"the name {self.name!r} is not lower-case letters, digits and hyphens"
        if not isinstance(self.protocol, type):
            return f"protocol is not a class: {self.protocol!r}"
        if not (isinstance(self.settings, type) and is_dataclass(self.settings)):
            return f"settings is not a dataclass: {self.settings!r}"
        settings = {one.name for one in declared(self.settings).values()}
        for one in fields(self.settings):
            if one.name not in settings:
                return (
                    f"settings: {self.settings.__name__}.{one.name} is not declared with setting()"
                )
        if not self.carriers:
            return "it has neither stream nor datagram"
        return (
            self._listenProblem()
            or self._makeProblem("stream", self.stream, "factory", "buildProtocol")
            or self._makeProblem("datagram", self.datagram, "protocol", "datagramReceived")
        )

    def _listenProblem(self) -> str:
        isTuple = isinstance(self.listen, tuple | list)
        if not isTuple or not all(isinstance(text, str) for text in self.listen):
            return f"listen is not a tuple of endpoint strings: {self.listen!r}"
        for text in self.listen:
            try:
                endpoint = Endpoint.parse(text)
            except BadEndpoint as why:
                return f"listen: {why}"
            if (self.datagram if endpoint.isDatagram else self.stream) is None:
                return f"listen: {text} needs {'datagram' if endpoint.isDatagram else 'stream'}"
        return ""

    def _makeProblem(
        self, name: str, make: Callable[[Any], object] | None, what: str, method: str
    ) -> str:
        if make is None:
            return ""
        if make is self.protocol:
            return f"{name} is the class itself: it is called with the class; use operator.call"
        if isinstance(make, type) and issubclass(make, Datagram) and _isMadeWithClock(make):
            return (
                f"{name} is {make.__name__}, which is made with a clock and not with a class; "
                "use operator.call"
            )
        try:
            made = make(self.protocol)
        except Exception as error:
            return f"{name} makes no {what}: {error!r}"
        return "" if hasattr(made, method) else f"{name} makes no {what} but {made!r}"


def _isMadeWithClock(datagram: type[Datagram]) -> bool:
    """True for a class that would take the protocol's class for a clock, and fail later."""
    return datagram.__init__ is Datagram.__init__


def _everyLoopback(*endpoints: str) -> tuple[str, ...]:
    """Return each endpoint on 127.0.0.1, which is its default, and on ::1."""
    return (*endpoints, *(f"{endpoint}:interface=\\:\\:1" for endpoint in endpoints))


SERVICES = (
    Service("echo", _everyLoopback("tcp:8888"), "returns every byte (RFC 862)", Echo),
    Service(
        "receive",
        _everyLoopback("tcp:9090", "udp:9090"),
        "logs what arrives, sends nothing",
        Receive,
        datagram=ReceiveDatagrams,
    ),
    Service(
        "answer", _everyLoopback("tcp:50007"), "answers keyword questions", Answer, AnswerFactory
    ),
    Service(
        "datagram",
        _everyLoopback("udp:5000"),
        "logs each datagram and returns it",
        Datagram,
        stream=None,
        datagram=operator.call,
    ),
    Service(
        "hello",
        _everyLoopback("tcp:8080"),
        "greets a browser over HTTP",
        Hello,
        HelloSite,
        client="curl http://HOST:PORT/",
    ),
    Service("chat", _everyLoopback("tcp:12345"), "lets people talk in rooms", Chat, ChatFactory),
)


def loadServices() -> dict[str, Service]:
    """Return all services by name: our own first, then those of other packages.

    Raises BadPlugin for an entry point that does not load, is not a `Service`, takes a
    name that is taken, or is a service that could not serve.
    """
    services = {service.name: service for service in SERVICES}
    for origin, service in plugins(ENTRY_POINTS, Service):
        if service.name in services:
            raise BadPlugin(f"{origin} takes a name that is taken: {service.name}")
        services[service.name] = replace(service, origin=origin)
        services[service.name].check()
    return services


def carriers(services: Mapping[str, Service]) -> dict[str, tuple[str, ...]]:
    """Return what faults of each service may be about, by its name."""
    return {name: service.carriers for name, service in services.items()}
