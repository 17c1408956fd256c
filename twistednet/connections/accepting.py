"""Accepting: the outermost factory of a listening port admits or refuses each connection.

The factory is wrapped, not the protocol: bytes go from the transport straight to the service's
protocol, except on a connection that a fault applies to.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import cast

from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.connections.tracking import Connections, TrackedConnection
from twistednet.core.text import addressText, hostOf
from twistednet.events.model import Refused
from twistednet.transport.interfaces import LATER, ObservedStream, Receiver


@implementer(IProtocolFactory)
class TrackingFactory:
    """The outermost factory of a listening port: admits or refuses each connection.

    `here` is the address of our side, if it is the same for all connections: getsockname(2)
    for each one is spared then.
    """

    log = Logger()

    def __init__(
        self, service: str, factory: IProtocolFactory, connections: Connections, here: str = ""
    ) -> None:
        self._service = service
        self._here = here
        self._factory = factory
        self._connections = connections
        self.doStart: Callable[[], None] = factory.doStart
        self.doStop: Callable[[], None] = factory.doStop

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        connections = self._connections
        host = hostOf(addr)
        if connections.exempt is not None and connections.exempt.covers(host):
            host = None
        limit = connections.admissionControl.refusal(host, connections.clock.seconds())
        if limit is not None:
            refused = Refused(self._service, addressText(addr), limit, monotonic())
            connections.events.publish(refused)
            return None
        try:
            protocol = self._factory.buildProtocol(addr)
        except Exception:
            self.log.failure("{service} could not begin", service=self._service)
            return None
        # A port calls no method of it but `makeConnection`.
        pending = protocol and _PendingProtocol(self, cast(Receiver, protocol), host)
        return cast(IProtocol | None, pending)

    def track(self, transport: ObservedStream, countedHost: str | None) -> TrackedConnection:
        """Track the connection of a transport from now on."""
        connections = self._connections
        connection = TrackedConnection(connections, self._service, countedHost, transport)
        connections.add(connection, self._here or addressText(transport.getHost()))
        return connection


class _PendingProtocol:
    """Stands in for a protocol until its transport exists, and is dropped then."""

    def __init__(self, factory: TrackingFactory, protocol: Receiver, host: str | None) -> None:
        self._factory = factory
        self._protocol = protocol
        self._host = host

    def makeConnection(self, transport: ObservedStream) -> None:
        transport.protocol = self._protocol
        connection = self._factory.track(transport, self._host)
        try:
            # A fault may have replaced the protocol.
            transport.protocol.makeConnection(transport)
        except Exception:
            # Twisted would log it, and serve the connection all the same.
            transport.fail(Failure())
        if (tap := connection.plaintext.tap) is not None:
            tap.inside = LATER
