"""The life of the daemon: listen, serve, reload, drain, stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service as TwistedService
from twisted.internet.defer import Deferred
from twisted.internet.task import Cooperator
from twisted.logger import Logger

from twistednet.connections.timeouts import Times, sweep
from twistednet.connections.tracking import Connections
from twistednet.core.settings import BadSetting
from twistednet.daemon.ports import Ports
from twistednet.daemon.startup import table
from twistednet.daemon.watchdog import Watchdog
from twistednet.faults.scenario import Scenario
from twistednet.inject.player import Player
from twistednet.services.catalog import Service
from twistednet.settings.schema import Settings
from twistednet.sinks.sinks import EventSinks
from twistednet.transport.listening import CannotListen
from twistednet.transport.tls import isClosing, isHandshaking

if TYPE_CHECKING:
    from twistednet.admin.port import AdminPort

#: Seconds between two sweeps over all connections.
SWEEP_SECONDS = 1.0


class Daemon(TwistedService):
    """All services of one process, on the ports that the settings name.

    `read` reads the settings again. It raises BadSetting if they are wrong.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        services: Mapping[str, Service],
        settings: Settings,
        read: Callable[[], Settings],
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._read = read
        self._stopping = False
        self._watchdog: Watchdog | None = None
        self._drainEnds = float("inf")
        self._sinks = EventSinks(reactor)
        self.events = self._sinks.events
        self.tally = self._sinks.tally
        self.journal = self._sinks.journal
        #: The credentials that nothing shows.
        self.secrets = self._sinks.secrets
        self.connections = Connections(reactor, self.events, self.journal)
        self.ports = Ports(reactor, services, self.connections, self.events)
        #: What rules of faults may say.
        self.grammar = settings.grammar
        self.player = Player(reactor, self.connections.faults)
        self._admin: AdminPort | None = None
        if settings.admin:
            # Imported only where it is used: it takes as long as all other imports together.
            from twistednet.admin.port import AdminPort

            self._admin = AdminPort(reactor, self, settings)
        self._cooperator = Cooperator()

    def listen(self) -> None:
        """Open every port, or none. Raises CannotListen or BadSetting."""
        self._sinks.prepare(self._settings)
        self._sinks.configure(self._settings)
        self.ports.configure(self._settings)
        self.ports.open(self._settings)
        if self._admin is not None:
            try:
                self._admin.open(self._settings.admin)
            except CannotListen:
                self.ports.close()
                raise
        self._play("")

    def _play(self, before: str) -> None:
        """Play the scenario of the settings, unless it was that of the settings before."""
        wanted = self._settings.play
        if wanted and wanted != before:
            self.player.play(self.scenarios[wanted])
        elif wanted != before:
            self.player.stop()

    @property
    def scenarios(self) -> Mapping[str, Scenario]:
        """The scenarios of the settings, by name."""
        return self._settings.scenario

    @property
    def stopping(self) -> bool:
        """True once the daemon was asked to stop."""
        return self._stopping

    def startService(self) -> None:
        super().startService()
        self._nextSweep = self._reactor.callLater(SWEEP_SECONDS, self._sweep)
        if self._admin is not None:
            self._admin.start()
        self._reactor.callWhenRunning(self._begin)

    def _begin(self) -> None:
        # Before the table is printed: a reader of it may send a signal at once.
        self._takeSignals()
        self.log.info("serving\n{table}", table=table(self.ports))
        if self._admin is not None:
            for url in self._admin.urls():
                self.log.info("admin: {url}", url=url)
            self._admin.hideCredentials()

    async def _stop(self) -> None:
        seconds = self._settings.drainTimeout
        self._drainEnds = min(self._drainEnds, self._reactor.seconds() + seconds)
        await self.ports.close()
        if len(self.connections):
            await self._drain()
        if self._admin is not None:
            await self._admin.close()
        self.player.stop()
        self.connections.faults.close()
        self._nextSweep.cancel()
        self._sinks.close()
        self.log.info("stopped; {summary}", summary=self.tally.summary())

    def stopService(self) -> Deferred[None]:
        """Refuse new connections at once, and serve the open ones until the drain ends."""
        super().stopService()
        self._stopping = True
        return Deferred.fromCoroutine(self._stop())

    async def _drain(self) -> None:
        now = self._reactor.seconds()
        self.log.info(
            "draining; connections: {count}; they have {seconds:g} s (a second signal: none)",
            count=len(self.connections),
            seconds=self._settings.drainTimeout if self._drainEnds else 0,
        )
        deadline = self._reactor.callLater(max(self._drainEnds - now, 0), self.abort)
        await self.connections.whenEmpty()
        if deadline.active():
            deadline.cancel()

    def leave(self) -> None:
        """Drain and stop, as at SIGTERM, but with exit status 0."""
        self._stopping = True
        if self._watchdog is not None:
            self._watchdog.stop()
        self._reactor.stop()

    def abort(self) -> None:
        """Abort every connection now, log how many there were, and do not drain any more."""
        self._drainEnds = 0.0
        self.log.warn("aborting connections: {count}", count=len(self.connections))
        for connection in self.connections:
            connection.abort("shutdown")

    def reload(self) -> str | None:
        """Take new settings: all of them or, if one is wrong, none. No connection is closed.

        Return what was wrong, or None.
        """
        if self._stopping:
            self.log.warn("settings not changed: stopping")
            return "stopping"
        try:
            settings = self._read()
            self._sinks.prepare(settings)
            unchanged = self.ports.open(settings)
        except (BadSetting, CannotListen) as why:
            self.log.error("settings not changed: {why}", why=str(why))
            return str(why)
        for endpoint in unchanged:
            self.log.warn(
                "{given} is open already: it changes at the next start", given=endpoint.given
            )
        if settings.protocols != self._settings.protocols:
            self.log.warn("the class of a service changes at the next start")
        if settings.admin != self._settings.admin:
            self.log.warn("the endpoint of admin changes at the next start")
        before, self._settings = self._settings, settings
        self._sinks.configure(settings)
        self.ports.configure(settings)
        self._play(before.play)
        if self._admin is not None:
            self._admin.configure(settings)
        self.log.info("settings read again\n{table}", table=table(self.ports))
        return None

    def _sweep(self) -> None:
        settings = self._settings
        times = Times(settings.handshakeTimeout, settings.idleTimeout, settings.stallTimeout)
        self._sweepOnce(self.connections, times)
        if self._admin is not None:
            self._sweepOnce(self._admin.connections, self._admin.times)
        self._nextSweep = self._reactor.callLater(SWEEP_SECONDS, self._sweep)

    def _sweepOnce(self, connections: Connections, times: Times) -> None:
        swept = self._cooperator.coiterate(sweep(connections, times, isHandshaking, isClosing))
        swept.addErrback(lambda failure: self.log.failure("the sweep failed", failure))

    # Signals

    def tidy(self) -> None:
        """Remove what the process would leave behind. (The watchdog calls this, in its thread.)"""

    def _takeSignals(self) -> None:
        self._watchdog = watchdog = Watchdog(lambda: self._settings.drainTimeout, self.tidy)
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self.reload))
        for number in (signal.SIGINT, signal.SIGTERM):
            first = signal.getsignal(number)
            # A signal that is ignored at the start, as for a background job of a script, stays so.
            if callable(first):
                signal.signal(number, self._secondTime(first, watchdog))

    def _secondTime(
        self, first: Callable[[int, FrameType | None], object], watchdog: Watchdog
    ) -> Callable[[int, FrameType | None], None]:
        """Return a handler: Twisted's own for the first signal, and `abort` for the next."""

        def handle(number: int, frame: FrameType | None) -> None:
            if self._stopping:
                watchdog.alarm(0)
                self._reactor.callFromThread(self.abort)
            else:
                self._stopping = True
                watchdog.alarm(self._settings.drainTimeout)
                first(number, frame)

        return handle
