"""The sinks of a daemon: the journal, the log, the tally and the JSON lines."""

from __future__ import annotations

from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from twistednet.core.secrets import Secrets
from twistednet.core.settings import BadSetting
from twistednet.events.journal import Journal
from twistednet.events.model import EventStream, Tally
from twistednet.settings.schema import Settings
from twistednet.sinks.jsonfile import STDOUT, CannotWrite, JSONLinesSink
from twistednet.sinks.log import LogSink

#: The setting that writes no events.
OFF = "off"


class EventSinks:
    """The event stream of one daemon, and its sinks."""

    log = Logger()

    def __init__(self, reactor: PosixReactorBase) -> None:
        self._reactor = reactor
        self._lines: JSONLinesSink | None = None
        self._next: JSONLinesSink | None = None
        self._hasBegun = False
        self.events = EventStream(self._sinkFailed)
        self.tally = Tally()
        #: What neither the journal nor the lines show.
        self.secrets = Secrets()
        self.journal = Journal(secrets=self.secrets)
        for sink in (self.tally, self.journal, LogSink(reactor)):
            self.events.attach(sink)

    def prepare(self, settings: Settings) -> None:
        """Open the file that these settings name. Raises BadSetting, and changes nothing then."""
        now = self._lines
        self._drop(self._next)
        self._next = None
        if settings.events == OFF or (now and now.isAt(settings.events)):
            return
        if self._hasBegun and settings.events == STDOUT:
            raise BadSetting("--events -: the log goes to standard output until the next start")
        try:
            self._next = JSONLinesSink(
                self._reactor, settings.events, settings.eventsPayload, self.secrets
            )
        except CannotWrite as why:
            raise BadSetting(str(why)) from None

    def configure(self, settings: Settings) -> None:
        """Take the settings that `prepare` was called with."""
        self._hasBegun = True
        self.journal.keep(settings.journal)
        now, following = self._lines, self._next
        if following is not None:
            self._next = None
            self.events.attach(following, chunks=True)
        if now is not None and (following is not None or settings.events == OFF):
            self._drop(now)
            now = None
        self._lines = following or now
        if self._lines is not None:
            self._lines.payload = settings.eventsPayload

    def close(self) -> None:
        """Write no more events."""
        self._drop(self._next)
        self._drop(self._lines)
        self._next = self._lines = None

    def _drop(self, lines: JSONLinesSink | None) -> None:
        if lines is not None:
            self.events.detach(lines)
            lines.close()

    def _sinkFailed(self, sink: object) -> None:
        self.log.failure("a sink of events failed and is taken off: {sink!r}", sink=sink)
