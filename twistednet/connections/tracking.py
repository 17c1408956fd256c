"""Tracking of connections, from accept to end: limits, events, faults."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime, ISSLTransport
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistednet.connections.taps import Recorder
from twistednet.core.limits import Admission, AdmissionControl, LocalPeers
from twistednet.core.settings import ServiceSettings
from twistednet.core.text import addressText
from twistednet.events.journal import Journal
from twistednet.events.model import EventStream
from twistednet.inject.injector import FaultInjector
from twistednet.inject.streams import FaultWrapper
from twistednet.transport.closing import LingeringClose, lingeringClose
from twistednet.transport.interfaces import LATER, ObservedStream, Transport
from twistednet.transport.tls import plaintextOf


class TrackedConnection:
    """One accepted connection; the observer of its transport."""

    __slots__ = (
        "_closing",
        "_connections",
        "acknowledged",
        "countedHost",
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

    def __init__(
        self,
        connections: Connections,
        service: str,
        countedHost: str | None,
        transport: ObservedStream,
    ) -> None:
        self._connections = connections
        #: The peer's host for the limits by address; None if it is exempt from them.
        self.countedHost = countedHost
        self._closing: LingeringClose | None = None
        #: What applies faults to it; None if no rule matches it.
        self.faultWrapper: FaultWrapper | None = None
        self.id = next(connections.ids)
        self.service = service
        self.transport = transport
        #: The transport of the data that the service sees: `transport`, or its TLS.
        self.plaintext = plaintextOf(transport)
        self.kind = self.plaintext.kind
        self.peer = addressText(transport.getPeer())
        #: The times of its accept, and of the sweep that last saw `total` change (seconds).
        self.opened = self.lastProgress = connections.clock.seconds()
        #: The bytes that the last sweep counted; see `timeouts`.
        self.total = self.acknowledged = 0

    def failed(self, failure: Failure) -> None:
        self._connections.log.failure(
            "{service} failed for {peer}", failure, service=self.service, peer=self.peer
        )

    def closed(self, cause: str) -> None:
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self._connections.remove(self, cause)

    def close(self, cause: str) -> None:
        """Close it for this reason, once everything that is queued is sent."""
        if self._closing is None:
            self.transport.setCloseReason(cause)
            if self.faultWrapper is not None:
                self.faultWrapper.flush()
            # TLS is a protocol to its stream, and a transport to its own protocol.
            protocol = self.transport.protocol
            isTLS = ISSLTransport.providedBy(protocol)
            ending = cast(Transport, protocol) if isTLS else self.transport
            self._closing = lingeringClose(ending, self._connections.clock)

    def abort(self, cause: str) -> None:
        """Close it now, with a RST, for this reason."""
        self.transport.setCloseReason(cause)
        self.transport.abortConnection()


class Connections:
    """All open connections: counted, limited, reported to the sinks."""

    log = Logger()

    def __init__(self, clock: IReactorTime, events: EventStream, journal: Journal) -> None:
        self.clock = clock
        self.events = events
        events.chunksWanted.append(self._tapAll)
        self.recorder = Recorder(events, journal)
        self.faults = FaultInjector(clock, events, self)
        self.admissionControl = AdmissionControl(Admission(total=10_000, perPeer=20, rate=10))
        #: The peers that have no limits by address, if any.
        self.exempt: LocalPeers | None = LocalPeers()
        self.ids = count(1)
        self._open: dict[int, TrackedConnection] = {}
        self._whenEmpty: list[Deferred[None]] = []

    def configure(self, settings: ServiceSettings) -> None:
        """Take the limits that are current from now on. Open connections stay."""
        self.admissionControl.admission = Admission(
            settings.maxConnections, settings.maxPeerConnections, settings.peerRate
        )
        self.exempt = None if settings.limitLoopback else settings.trust

    def __len__(self) -> int:
        return len(self._open)

    def get(self, id: int) -> TrackedConnection | None:
        """Return the open connection with this number."""
        return self._open.get(id)

    def __iter__(self) -> Iterator[TrackedConnection]:
        """Yield the open connections; none that ends while this goes on."""
        return (one for one in list(self._open.values()) if one.id in self._open)

    def add(self, connection: TrackedConnection, here: str) -> None:
        """Track a connection whose protocol is about to be connected; `here` is our address."""
        self.admissionControl.enter(connection.countedHost)
        self._open[connection.id] = connection
        connection.transport.observer = connection
        conversation = self.recorder.opened(connection, here, connection.transport)
        connection.plaintext.tap = self.recorder.tap(connection, conversation, "connectionMade")
        if self.faults:
            self.faults.wrap(connection)

    def _tapAll(self) -> None:
        """Renew all taps: whether a sink wants chunks has changed."""
        for connection in self._open.values():
            conversation = self.recorder.conversation(connection)
            connection.plaintext.tap = self.recorder.tap(connection, conversation, LATER)

    def remove(self, connection: TrackedConnection, cause: str) -> None:
        """Report the end of a connection, and forget it."""
        if self._open.pop(connection.id, None) is None:
            return
        self.admissionControl.leave(connection.countedHost)
        # The tap refers to the transport: the circle would wait for a garbage collection.
        connection.plaintext.tap = None
        age = self.clock.seconds() - connection.opened
        self.recorder.closed(connection, cause, connection.transport, age)
        if not self._open:
            waiting, self._whenEmpty = self._whenEmpty, []
            for deferred in waiting:
                deferred.callback(None)

    def whenEmpty(self) -> Deferred[None]:
        """Return a Deferred that fires once no connection is open, which may be now."""
        deferred: Deferred[None] = Deferred() if self._open else succeed(None)
        if self._open:
            self._whenEmpty.append(deferred)
        return deferred
