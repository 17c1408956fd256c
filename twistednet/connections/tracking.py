"""Every connection of the daemon, from accept to its end.

The wrapping is of the factory, and never of the bytes: what arrives goes from the
transport straight to the protocol, unless a fault was asked for that concerns it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from time import monotonic
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocolFactory, IReactorTime, ISSLTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.connections.taps import Recorder
from twistednet.core.limits import Admission, AdmissionControl, isLocal
from twistednet.core.settings import ServiceSettings
from twistednet.core.text import addressText, hostOf
from twistednet.events.journal import Journal
from twistednet.events.model import EventStream, Refused
from twistednet.inject.injector import FaultInjector
from twistednet.inject.streams import FaultWrapper
from twistednet.transport.closing import lingeringClose
from twistednet.transport.interfaces import LATER
from twistednet.transport.tls import plaintextOf


class TrackedConnection:
    """One accepted connection; the observer of its transport."""

    __slots__ = (
        "_closing",
        "_connections",
        "_countedHost",
        "faultWrapper",
        "id",
        "kind",
        "lastProgress",
        "opened",
        "peer",
        "plaintext",
        "service",
        "total",
        "transport",
    )

    def __init__(self, on: Connections, service: str, host: str | None, transport: Any) -> None:
        self._connections = on
        self._countedHost = host
        self._closing: Any = None
        #: Where faults are done to it; None if there are none.
        self.faultWrapper: FaultWrapper | None = None
        self.id = next(on.ids)
        self.service = service
        self.transport = transport
        #: Where what the protocol sees passes: the transport, or its TLS.
        self.plaintext = plaintextOf(transport)
        self.kind: str = self.plaintext.kind
        self.peer = addressText(transport.getPeer())
        #: When it was accepted, and when the sweep last saw `total` bytes change.
        self.opened = self.lastProgress = on.clock.seconds()
        self.total = 0

    def failed(self, failure: Failure) -> None:
        self._connections.log.failure(
            "{service} failed for {peer}", failure, service=self.service, peer=self.peer
        )

    def closed(self, cause: str) -> None:
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self._connections.remove(self, self._countedHost, cause)

    def close(self, cause: str) -> None:
        """End it for this reason, once what is queued has gone out."""
        if self._closing is None:
            self.transport.setCloseReason(cause)
            if self.faultWrapper is not None:
                self.faultWrapper.flush()
            secure = ISSLTransport.providedBy(self.transport.protocol)
            ending = self.transport.protocol if secure else self.transport
            self._closing = lingeringClose(ending, self._connections.clock)

    def abort(self, cause: str) -> None:
        """End it at once, for this reason."""
        self.transport.setCloseReason(cause)
        self.transport.abortConnection()


class Connections:
    """All that are open, whatever their service: counted, limited, and told of."""

    log = Logger()

    def __init__(self, clock: IReactorTime, events: EventStream, journal: Journal) -> None:
        self.clock = clock
        self.events = events
        events.chunksWanted.append(self._tapAll)
        self.recorder = Recorder(events, journal)
        self.faults = FaultInjector(clock, events, self)
        self.admissionControl = AdmissionControl(Admission(total=10_000, perPeer=20, rate=10))
        self.limitLoopback = False
        self.ids = count(1)
        self._open: dict[int, TrackedConnection] = {}
        self._whenEmpty: list[Deferred[None]] = []

    def configure(self, settings: ServiceSettings) -> None:
        """Take the limits that are in force from now on; who is in may stay."""
        self.admissionControl.admission = Admission(
            settings.maxConnections, settings.maxPeerConnections, settings.peerRate
        )
        self.limitLoopback = settings.limitLoopback

    def __len__(self) -> int:
        return len(self._open)

    def get(self, id: int) -> TrackedConnection | None:
        """The open one with this number."""
        return self._open.get(id)

    def __iter__(self) -> Iterator[TrackedConnection]:
        return iter(list(self._open.values()))

    def add(self, connection: TrackedConnection, host: str | None, here: str) -> None:
        """It is open, and its protocol is about to be told so."""
        self.admissionControl.enter(host)
        self._open[connection.id] = connection
        transport = connection.transport
        transport.observer = connection
        kept = self.recorder.opened(connection, here, transport)
        connection.plaintext.tap = self.recorder.tap(connection, kept, "connectionMade")
        if self.faults:
            self.faults.wrap(connection)

    def _tapAll(self) -> None:
        for connection in self._open.values():
            kept = self.recorder.kept(connection)
            connection.plaintext.tap = self.recorder.tap(connection, kept, LATER)

    def remove(self, connection: TrackedConnection, host: str | None, cause: str) -> None:
        if self._open.pop(connection.id, None) is None:
            return
        self.admissionControl.leave(host)
        # It holds the transport, which would not go before a collection of garbage.
        connection.plaintext.tap = None
        transport = connection.transport
        age = self.clock.seconds() - connection.opened
        self.recorder.closed(connection, cause, transport, age)
        if not self._open:
            waiting, self._whenEmpty = self._whenEmpty, []
            for deferred in waiting:
                deferred.callback(None)

    def whenEmpty(self) -> Deferred[None]:
        """Fires once none is open, which may be now."""
        if not self._open:
            return succeed(None)
        deferred: Deferred[None] = Deferred()
        self._whenEmpty.append(deferred)
        return deferred


@implementer(IProtocolFactory)
class TrackingFactory:
    """The outermost factory of a listening port: lets in, or refuses.

    `here` is our side's address, where all that come have the same: to ask costs.
    """

    log = Logger()

    def __init__(
        self, service: str, factory: Any, connections: Connections, here: str = ""
    ) -> None:
        self._service = service
        self._here = here
        self._factory = factory
        self._connections = connections
        self.doStart: Callable[[], None] = factory.doStart
        self.doStop: Callable[[], None] = factory.doStop

    def buildProtocol(self, addr: Any) -> Any:
        connections = self._connections
        host = hostOf(addr)
        if not connections.limitLoopback and isLocal(host):
            host = None
        limit = connections.admissionControl.refusal(host, connections.clock.seconds())
        if limit is not None:
            connections.events.publish(
                Refused(self._service, addressText(addr), limit, monotonic())
            )
            return None
        try:
            protocol = self._factory.buildProtocol(addr)
        except Exception:
            self.log.failure("{service} could not begin", service=self._service)
            return None
        return protocol and _PendingProtocol(self._service, protocol, host, connections, self._here)


class _PendingProtocol:
    """Stands in for a protocol until its transport is there, and is then gone."""

    def __init__(
        self, service: str, protocol: Any, host: str | None, on: Connections, here: str
    ) -> None:
        self._service = service
        self._protocol = protocol
        self._countedHost = host
        self._connections = on
        self._here = here

    def makeConnection(self, transport: Any) -> None:
        transport.protocol = self._protocol
        connection = TrackedConnection(
            self._connections, self._service, self._countedHost, transport
        )
        self._connections.add(
            connection, self._countedHost, self._here or addressText(transport.getHost())
        )
        try:
            transport.protocol.makeConnection(transport)
        except Exception:
            # Twisted would log it, and serve the connection all the same.
            transport.fail(Failure())
        tap = connection.plaintext.tap
        if tap is not None:
            tap.inside = LATER
