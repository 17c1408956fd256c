"""The services there are: ours, a line each, and those that other packages bring."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.protocol import Factory

from twistednet.core.plugins import BadPlugin, plugins
from twistednet.services.answer import Answer, AnswerFactory
from twistednet.services.chat import Chat, ChatFactory
from twistednet.services.datagram import Datagram
from twistednet.services.echo import Echo
from twistednet.services.fairness import MessagesFactory
from twistednet.services.hello import Hello, HelloSite
from twistednet.services.messages import Messages
from twistednet.services.receive import Receive, ReceiveDatagrams

#: The entry point group in which other packages name a `Service` of theirs.
ENTRY_POINTS = "twistednet.services"


def factoryFor(protocol: Any) -> Factory[Any]:
    """The plain factory of a class: with what messages share, if it takes messages."""
    if issubclass(protocol, Messages):
        return MessagesFactory(protocol)
    factory = Factory.forProtocol(protocol)
    factory.noisy = False
    return factory


@dataclass(frozen=True)
class Service:
    """A service as the daemon knows it.

    `name` becomes a flag, an environment variable and a key of the settings file;
    `listen` is where it listens unless told otherwise, as endpoint strings (see
    `twistednet.transport.listening`); `help` is its line in `--help`. `protocol` is the
    class that `--NAME-class` replaces by a subclass. `stream` makes of it the
    factory for connections, `datagram` the DatagramProtocol for `udp:` endpoints;
    None means that the service does not listen there.

    A factory or protocol that has a method `configure(settings)` is given the
    settings at start and at each reload. `client` is the command that `--help` and
    the start-up table suggest, with HOST and PORT in it, where nc will not do.
    """

    name: str
    listen: tuple[str, ...]
    help: str
    protocol: type
    stream: Callable[[Any], Any] | None = factoryFor
    datagram: Callable[[Any], Any] | None = None
    client: str | None = None

    @property
    def carriers(self) -> tuple[str, ...]:
        """What its faults may be about: stream and listener, datagram, request."""
        makers = {"stream": self.stream, "listener": self.stream, "datagram": self.datagram}
        carried = [name for name, make in makers.items() if make is not None]
        # The class of a site that can be told of requests: a `BoundedSite`.
        return (*carried, "request") if hasattr(self.stream, "meetRequest") else tuple(carried)


def _everyLoopback(*endpoints: str) -> tuple[str, ...]:
    """Each endpoint on 127.0.0.1, which is its default, and on ::1."""
    return (*endpoints, *(f"{endpoint}:interface=\\:\\:1" for endpoint in endpoints))


SERVICES = (
    Service("echo", _everyLoopback("tcp:8888"), "returns every byte (RFC 862)", Echo),
    Service(
        "receive",
        _everyLoopback("tcp:9090", "udp:9090"),
        "displays what arrives, sends nothing",
        Receive,
        datagram=ReceiveDatagrams,
    ),
    Service(
        "answer", _everyLoopback("tcp:50007"), "answers keyword questions", Answer, AnswerFactory
    ),
    Service(
        "datagram",
        _everyLoopback("udp:5000"),
        "displays each datagram and returns it",
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
    """All services by name: ours first, then those of other packages.

    Raises BadPlugin for an entry point that does not load, names no `Service`, or
    takes a name that is taken.
    """
    services = {service.name: service for service in SERVICES}
    for origin, service in plugins(ENTRY_POINTS, Service):
        if service.name in services:
            raise BadPlugin(f"{origin} takes a name that is taken: {service.name}")
        services[service.name] = service
    return services


def carriers(services: Mapping[str, Service]) -> dict[str, tuple[str, ...]]:
    """Return what faults of each service may be about, by its name."""
    return {name: service.carriers for name, service in services.items()}
