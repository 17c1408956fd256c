"""The daemon's life: listen, serve, take new settings, drain, stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
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
from twistednet.faults.scenario import Scenario
from twistednet.inject.player import Player
from twistednet.services.catalog import Service
from twistednet.settings.schema import Settings
from twistednet.sinks.sinks import EventSinks
from twistednet.transport.listening import CannotListen
from twistednet.transport.tls import isClosing, isHandshaking

if TYPE_CHECKING:
    from twistednet.admin.port import AdminPort

#: Seconds between two looks at all connections.
SWEEP = 1.0


class Daemon(TwistedService):
    """All services of one process, on the ports that the settings name.

    `read` reads the settings again, and raises BadSetting if they are wrong.
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
        self._patience = float("inf")
        self._recording = EventSinks(reactor)
        self.events = self._recording.events
        self.tally = self._recording.tally
        self.journal = self._recording.journal
        self.connections = Connections(reactor, self.events, self.journal)
        self.ports = Ports(reactor, services, self.connections, self.events)
        #: What rules of faults may say.
        self.grammar = settings.grammar
        self.player = Player(reactor, self.connections.faults)
        self._admin: AdminPort | None = None
        if settings.admin:
            # Imported only where it is wanted: it takes as long as all the rest.
            from twistednet.admin.port import AdminPort

            self._admin = AdminPort(reactor, self, settings)
        self._cooperator = Cooperator()

    def listen(self) -> None:
        """Open every port, or none. Raises CannotListen or BadSetting."""
        self._recording.prepare(self._settings)
        self._recording.configure(self._settings)
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
        """What the settings want to be played, if it is not what they wanted before."""
        wanted = self._settings.play
        if wanted and wanted != before:
            self.player.play(self.scenarios[wanted])
        elif wanted != before:
            self.player.stop()

    @property
    def scenarios(self) -> Mapping[str, Scenario]:
        """Those that the settings have, by their names."""
        return self._settings.scenario

    @property
    def stopping(self) -> bool:
        """Has somebody asked it to stop?"""
        return self._stopping

    def startService(self) -> None:
        super().startService()
        self._nextSweep = self._reactor.callLater(SWEEP, self._sweep)
        if self._admin is not None:
            self._admin.start()
        self._reactor.callWhenRunning(self._begin)

    def _begin(self) -> None:
        """Signals first: whoever has seen the table may send one."""
        self._takeSignals()
        self.log.info("serving\n{table}", table=table(self.ports))
        for url in self._admin.urls() if self._admin is not None else ():
            self.log.info("admin: {url}", url=url)

    async def _stop(self) -> None:
        await self.ports.close()
        if len(self.connections):
            await self._drain()
        if self._admin is not None:
            await self._admin.close()
        self.player.stop()
        self.connections.faults.close()
        self._nextSweep.cancel()
        self._recording.close()
        self.log.info("stopped; {summary}", summary=self.tally.summary())

    def stopService(self) -> Deferred[None]:
        """Refuse new connections at once; serve the present ones, but not for ever."""
        super().stopService()
        self._stopping = True
        return Deferred.fromCoroutine(self._stop())

    async def _drain(self) -> None:
        seconds = min(self._settings.drainTimeout, self._patience)
        self.log.info(
            "draining; connections: {count}; they have {seconds:g} s (a second signal: none)",
            count=len(self.connections),
            seconds=seconds,
        )
        deadline = self._reactor.callLater(seconds, self.abort)
        await self.connections.whenNone()
        if deadline.active():
            deadline.cancel()

    def leave(self) -> None:
        """Drain and end, as at SIGTERM, but with exit status 0."""
        self._stopping = True
        self._reactor.stop()

    def abort(self) -> None:
        """End every connection now, and say how many there were; wait for no later one."""
        self._patience = 0
        self.log.warn("aborting connections: {count}", count=len(self.connections))
        for connection in self.connections:
            connection.abort("shutdown")

    def reload(self) -> str | None:
        """Take new settings, all of them or, if one is wrong, none. Nobody is cut off.

        Returns what was wrong.
        """
        if self._stopping:
            self.log.warn("settings not changed: stopping")
            return "stopping"
        try:
            settings = self._read()
            self._recording.prepare(settings)
            asTheyAre = self.ports.open(settings)
        except (BadSetting, CannotListen) as why:
            self.log.error("settings not changed: {why}", why=str(why))
            return str(why)
        for endpoint in asTheyAre:
            self.log.warn("{given} is open already: at the next start", given=endpoint.given)
        if settings.protocols != self._settings.protocols:
            self.log.warn("a service's class has changed: at the next start")
        if settings.admin != self._settings.admin:
            self.log.warn("admin is to listen elsewhere: at the next start")
        before, self._settings = self._settings, settings
        self._recording.configure(settings)
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
        self._nextSweep = self._reactor.callLater(SWEEP, self._sweep)

    def _sweepOnce(self, connections: Connections, times: Times) -> None:
        swept = self._cooperator.coiterate(sweep(connections, times, isHandshaking, isClosing))
        swept.addErrback(lambda failure: self.log.failure("the sweep failed", failure))

    # Signals

    def _takeSignals(self) -> None:
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self.reload))
        for number in (signal.SIGINT, signal.SIGTERM):
            first = signal.getsignal(number)
            # Who was started with one ignored, in the background of a script, is to ignore it.
            if callable(first):
                signal.signal(number, self._secondTime(first))

    def _secondTime(self, first: Callable[[int, Any], Any]) -> Callable[[int, Any], None]:
        """Twisted's own handling of the first signal, and ours of those after it."""

        def handle(number: int, frame: Any) -> None:
            if self._stopping:
                self._reactor.callFromThread(self.abort)
            else:
                self._stopping = True
                first(number, frame)

        return handle
