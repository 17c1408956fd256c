"""The admin site: all its routes, on ports of its own, with limits of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import monotonic

from twisted.internet import tcp
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from twistednet.admin.access import Access
from twistednet.admin.connections import ConnectionsAPI
from twistednet.admin.control import ControlAPI
from twistednet.admin.faults import FaultsAPI
from twistednet.admin.feed import Feed
from twistednet.admin.files import file
from twistednet.admin.health import Health
from twistednet.admin.interfaces import DaemonAPI
from twistednet.admin.lag import Lag
from twistednet.admin.metrics import MetricsPage
from twistednet.admin.rates import Rates
from twistednet.admin.routing import AdminSite, Router
from twistednet.admin.scenarios import ScenarioAPI
from twistednet.admin.source import SourceAPI
from twistednet.admin.sse import SSEStreams
from twistednet.admin.trials import Trials
from twistednet.connections.accepting import TrackingFactory
from twistednet.connections.timeouts import Times
from twistednet.connections.tracking import Connections
from twistednet.core.limits import isLocal
from twistednet.core.text import addressText, hostOf
from twistednet.events.journal import Journal
from twistednet.events.model import Event, EventStream, Refused
from twistednet.settings.schema import Settings
from twistednet.transport.certificates import renewCertificate
from twistednet.transport.endpoints import Endpoint
from twistednet.transport.listening import CannotListen, listenStream
from twistednet.transport.refusing import stopListening

#: An open stream of events has its heartbeat, so a silent connection is idle.
TIMES = Times(handshake=10, idle=60, stall=30)
#: Seconds for the last answers, once everything else has stopped.
CLOSE_SECONDS = 0.5


class AdminPort:
    """The admin site of one daemon. It is the last part to close."""

    log = Logger()
    times = TIMES

    def __init__(self, reactor: PosixReactorBase, daemon: DaemonAPI, settings: Settings) -> None:
        self._reactor = reactor
        self._ports: list[tuple[Endpoint, tcp.Port]] = []
        self._access = Access(reactor, settings.adminToken, settings.adminHosts, settings.trust)
        # A token that somebody chose is theirs to show.
        self._shown = "" if settings.adminToken else f"?token={self._access.token}"
        self._lag = Lag(reactor)
        self._streams = SSEStreams(reactor)
        feed = Feed()
        daemon.events.attach(feed)
        self._trials = Trials(reactor, daemon.ports, feed.opened)
        rates = Rates(reactor, daemon)
        self.routes = (
            *Health(daemon).routes(),
            *MetricsPage(daemon, self._lag).routes(),
            *ControlAPI(daemon, feed, rates, self._streams, self._trials).routes(),
            *ConnectionsAPI(daemon, self._streams).routes(),
            *FaultsAPI(daemon).routes(),
            *ScenarioAPI(daemon).routes(),
            *SourceAPI(daemon.ports).routes(),
        )
        self._events, self._secrets = daemon.events, daemon.secrets
        self._site = AdminSite(Router(self._access, self.routes, file), self._refused)
        # Its events are its own, but for refusals.
        events = EventStream(lambda sink: None)
        events.attach(self._publish)
        self.connections = Connections(reactor, events, Journal(0))
        self.connections.admissionControl = self._site.places
        self.connections.exempt = settings.trust

    def configure(self, settings: Settings) -> None:
        """Take the host names, the token and the certificate that are current from now on."""
        self._access.names = settings.adminHosts
        self._access.local = self.connections.exempt = settings.trust
        self._access.token = settings.adminToken or self._access.token
        self.hideCredentials()
        for endpoint, port in self._ports:
            renewCertificate(port, endpoint, "admin")

    def hideCredentials(self) -> None:
        """Mask the token and the cookie in the log, the journal and the events from now on."""
        self._secrets.hide((self._access.token, self._access.cookie))

    def open(self, endpoints: Iterable[Endpoint]) -> None:
        """Listen on all of them, or on none. Raises CannotListen."""
        try:
            for endpoint in endpoints:
                self._ports.append((endpoint, self._listen(endpoint)))
        except CannotListen:
            self._stopListening()
            raise

    def start(self) -> None:
        self._lag.start()

    def urls(self) -> Iterator[str]:
        """Yield the URLs to open in a browser."""
        for endpoint, port in self._ports:
            host = port.getHost()
            if hasattr(host, "port"):
                scheme = "https" if _isTLS(endpoint) else "http"
                where = addressText(host).replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")
                yield f"{scheme}://{where}/{self._shown}"
            else:
                yield f"http://localhost/{self._shown} on {addressText(host)}"

    async def close(self) -> None:
        """Answer the open requests, and close; after CLOSE_SECONDS, abort."""
        self._lag.stop()
        stopped = self._stopListening()
        self._streams.end()
        self._trials.end()
        self._site.drain()
        late = self._reactor.callLater(CLOSE_SECONDS, self._abort)
        await self.connections.whenEmpty()
        if late.active():
            late.cancel()
        await stopped

    def _refused(self, peer: str, limit: str) -> None:
        self._events.publish(Refused("admin", peer, limit, monotonic()))

    def _publish(self, event: Event) -> None:
        if isinstance(event, Refused):
            self._events.publish(event)

    def _abort(self) -> None:
        for connection in self.connections:
            connection.abort("shutdown")

    def _stopListening(self) -> Deferred[list[object]]:
        ports, self._ports = self._ports, []
        return gatherResults([stopListening(port) for _, port in ports])

    def _listen(self, endpoint: Endpoint) -> tcp.Port:
        try:
            port = listenStream(self._reactor, endpoint, self._site)
            port.factory = TrackingFactory("admin", port.factory, self.connections)  # type: ignore[arg-type,assignment]
            isTrusting = bool(self._access.local.networks)
            if not (isTrusting or isLocal(hostOf(port.getHost())) or _isTLS(endpoint)):
                port.stopListening()
                raise CannotListen(
                    "it is open to other machines, and TLS is missing; "
                    "write ssl:PORT:interface=ADDRESS:privateKey=FILE:certKey=FILE, "
                    "or name a closed test network with --trust NETWORK"
                )
        except CannotListen as why:
            raise CannotListen(
                f"admin: cannot listen on {endpoint.given}: {why}; "
                "--admin ENDPOINT moves it, --admin off drops it"
            ) from why
        return port


def _isTLS(endpoint: Endpoint) -> bool:
    return endpoint.kind in ("ssl", "tls")
