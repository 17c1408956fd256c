"""The services there are: ours, a line each, and those that other packages bring."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, TypeVar

from twisted.internet.protocol import Factory

from twistednet.faults.grammar import KINDS, Grammar
from twistednet.faults.model import Kind
from twistednet.services.answer import Answer, AnswerFactory
from twistednet.services.chat import Chat, ChatFactory
from twistednet.services.datagram import Datagram
from twistednet.services.echo import Echo
from twistednet.services.fairness import MessagesFactory
from twistednet.services.hello import Hello, HelloSite
from twistednet.services.messages import Messages
from twistednet.services.receive import Receive, ReceiveDatagrams

T = TypeVar("T")

#: Where other packages name a `Service` of theirs, and a `Kind` of fault.
ENTRY_POINTS, KIND_POINTS = "twistednet.services", "twistednet.faults"


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


class BadPlugin(Exception):
    """What a package brings cannot be used; the message names the package and why."""


def catalogue() -> dict[str, Service]:
    """All services by name: ours first, then those of other packages.

    Raises BadPlugin for an entry point that does not load, names no `Service`, or
    takes a name that is taken.
    """
    services = {service.name: service for service in SERVICES}
    for origin, service in _brought(ENTRY_POINTS, Service):
        if service.name in services:
            raise BadPlugin(f"{origin} takes a name that is taken: {service.name}")
        services[service.name] = service
    return services


def grammar(services: Mapping[str, Service]) -> Grammar:
    """What the rules of faults may say: of these services, and our kinds of faults with those
    of other packages.

    Raises BadPlugin for an entry point that does not load, names no `Kind`, or one that is
    written as another one is.
    """
    kinds = list(KINDS)
    for origin, kind in _brought(KIND_POINTS, Kind):
        if kind.form.text in [one.form.text for one in kinds]:
            raise BadPlugin(f"{origin} is written as one that is there: {kind.form}")
        kinds.append(kind)
    return Grammar({name: one.carriers for name, one in services.items()}, tuple(kinds))


def _brought(group: str, what: type[T]) -> Iterator[tuple[str, T]]:
    """What other packages name there, and where each comes from."""
    for point in entry_points(group=group):
        origin = f"the entry point {point.name} = {point.value} ({group})"
        try:
            found = point.load()
        except Exception as error:
            raise BadPlugin(f"{origin} does not load: {error}") from error
        if not isinstance(found, what):
            raise BadPlugin(f"{origin} is no twistednet.{what.__name__} but {found!r}")
        yield origin, found
