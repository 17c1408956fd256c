"""Servers that are right, made to be broken: a subclass changes one thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from zope.interface import implementer

from twistednet.client.reactors import theReactor
from twistednet.services.answer import Answer, AnswerFactory
from twistednet.services.hello import Hello, HelloSite


@implementer(IHalfCloseableProtocol)
class Right(Protocol):
    """One connection. It is the transport of the service's own protocol, if there is one."""

    #: The factory of that protocol.
    service: ClassVar[Any] = None

    transport: Any
    factory: Any
    inner: Any = None

    def makeConnection(self, transport: Any) -> None:
        # The reactor forgets a connection that it does not read, and its socket would be closed.
        self.factory.shared.setdefault("all", []).append(self)
        super().makeConnection(transport)

    def connectionMade(self) -> None:
        if self.service is not None:
            made = self.factory.shared.setdefault("service", type(self).service())
            self.inner = made.buildProtocol(self.transport.getPeer())
            self.inner.makeConnection(self)

    def dataReceived(self, data: bytes) -> None:
        if self.inner is not None:
            self.inner.dataReceived(data)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def writeSequence(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def readConnectionLost(self) -> None:
        if self.inner is not None:
            self.inner.readConnectionLost()
        else:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        pass

    def connectionLost(self, reason: Any = None) -> None:
        if self.inner is not None:
            self.inner.connectionLost(reason)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


class RightEcho(Right):
    def dataReceived(self, data: bytes) -> None:
        self.write(data)


class RightAnswer(Right):
    service = staticmethod(lambda: AnswerFactory(Answer))


class RightHello(Right):
    service = staticmethod(lambda: HelloSite(Hello))


class RightDiscard(Right):
    pass


class Once(Right):
    """Sends `text` and closes, once the client has had the time to send something."""

    text: ClassVar[bytes | Callable[[], bytes]] = b""

    def connectionMade(self) -> None:
        text = type(self).text
        self.write(text if isinstance(text, bytes) else text())
        theReactor().callLater(0.2, self.transport.loseConnection)


class RightChargen(Right):
    """Sends lines of 72 characters for as long as the client reads them."""

    line: ClassVar[bytes] = bytes(range(0x30, 0x78)) + b"\r\n"

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        self.write(self.line * 100)

    def stopProducing(self) -> None:
        pass

    def readConnectionLost(self) -> None:
        self.transport.unregisterProducer()
        super().readConnectionLost()


class RightDatagrams(DatagramProtocol):
    """Returns each datagram, or what `reply` returns instead."""

    noisy = False
    transport: Any

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, Any]] = []

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.seen.append((datagram, addr))
        for reply in self.replies(datagram):
            self.transport.write(reply, addr)

    def replies(self, data: bytes) -> list[bytes]:
        return [data]


def factoryOf(server: type[Right]) -> Factory:
    """Return a factory of these connections, which share a dictionary."""
    factory = Factory.forProtocol(server)
    factory.noisy = False
    factory.shared = {}  # type: ignore[attr-defined]
    return factory
