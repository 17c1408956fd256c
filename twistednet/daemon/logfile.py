"""The log of the daemon: bounded on disk, printable, never flooded by one error."""

from __future__ import annotations

import os
import re
import select
import signal
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from threading import get_ident
from time import monotonic
from typing import cast

from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import (
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    LogLevel,
    PredicateResult,
    formatEventAsClassicLogText,
)
from zope.interface import implementer

from twistednet.core.limits import PeerRates
from twistednet.sinks.writing import LineWriter, openFile, openStandard

MAX_FILE_BYTES = 10_000_000
MAX_FILES = 10
#: Seconds that a reader of the log has for the last lines.
LAST_SECONDS = 0.5

# Characters that act on a terminal or fake a line; newline and tab are the log's own.
_UNSAFE = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"
} | {
    code: f"\\u{code:04x}"
    for code in (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}


@implementer(ILogFilterPredicate)
class OncePerPlace:
    """A filter that passes one line in `seconds` for each place in the code.

    It is for tracebacks, and for what Twisted's transports log about each connection, as
    without free descriptors.
    """

    def __init__(self, seconds: float = 10.0, now: Callable[[], float] = time.monotonic) -> None:
        self._rates = PeerRates(1 / seconds, 1)
        self._now = now

    def __call__(self, event: LogEvent) -> object:
        # The second is that of twisted.python.log.err.
        failure = event.get("log_failure") or event.get("failure")
        if failure is None:
            if not event.get("log_namespace", "").startswith("twisted.internet."):
                return PredicateResult.maybe
            place = str(event.get("log_format"))
        else:
            frames = failure.frames or failure.stack
            where = f":{frames[-1][1]}:{frames[-1][2]}" if frames else ""
            place = f"{failure.type}{where}"
        isDue = self._rates.allow(place, self._now())
        return PredicateResult.maybe if isDue else PredicateResult.no


# Twisted's own lines about each port; the table at start has the same facts.
_PORT_NOISE = re.compile(r".* starting on .|\((TCP|TLS|UDP|UNIX) Port .* Closed\)")


def withoutPortNoise(event: LogEvent) -> object:
    """Drop Twisted's own line about each port."""
    if (event.get("log_format") or "").startswith(("Starting factory", "Stopping factory")):
        return PredicateResult.no
    text = event.get("log_text", "") if event.get("log_namespace") == "log_legacy" else ""
    return PredicateResult.no if _PORT_NOISE.match(text) else PredicateResult.maybe


def safely(event: LogEvent) -> str | None:
    """Return the event as a line of the log, with peers' text escaped and its source named."""
    text = formatEventAsClassicLogText({"log_system": _whose(event), **event})
    return None if text is None else text.translate(_UNSAFE)


def _whose(event: LogEvent) -> str:
    """Return the source: a service, "netdemo", or another namespace; and a level above info."""
    level = event.get("log_level", LogLevel.info)
    house, _, room = event.get("log_namespace", "-").partition(".")
    if house == "twistednet":
        services, _, module = room.partition(".")
        who = module.partition(".")[0] if services == "services" else "netdemo"
    else:
        who = event.get("log_namespace", "-")
    return who if level is LogLevel.info else f"{who} {level.name}"


class LogWriter(LineWriter):
    """The log's lines, in a file or a standard stream. The daemon never waits for a reader.

    A regular file is rotated at MAX_FILE_BYTES; MAX_FILES of them are kept. Owner and group can
    read it, and it is given to `owner` (a uid and a gid; -1 changes nothing), so that a daemon
    that has dropped its privileges can rotate it. Raises OSError if it cannot be opened.
    """

    isPrompt = True

    def __init__(
        self, reactor: PosixReactorBase, path: str | int, owner: tuple[int, int] = (-1, -1)
    ) -> None:
        super().__init__(reactor, openFile(path) if isinstance(path, str) else _standard(path))
        self._path = path if isinstance(path, str) else ""
        self._thread = get_ident()
        self._isBusy = False
        self._take(owner)

    def _take(self, owner: tuple[int, int] = (-1, -1)) -> None:
        """Take the file that is open now."""
        found = os.fstat(self._fd)
        self._isRotated = bool(self._path) and stat.S_ISREG(found.st_mode)
        self._size = found.st_size
        if self._isRotated:
            # The owner of a file may be another user, who has set its mode then.
            with suppress(PermissionError):
                os.fchmod(self._fd, 0o640)
            os.fchown(self._fd, *owner)

    def write(self, text: str, isUrgent: bool = False) -> None:
        """Write a line. Any thread may call this, and any handler of a signal.

        The reactor writes the lines of other threads, unless they are urgent.
        """
        if self._isBusy or not (isUrgent or get_ident() == self._thread):
            self._reactor.callFromThread(self.write, text)
            return
        self._isBusy = True
        try:
            if self.hasRoom():
                self.append(text)
        finally:
            self._isBusy = False

    def _flush(self) -> None:
        before, self._isBusy = self._isBusy, True
        try:
            super()._flush()
        finally:
            self._isBusy = before

    def _writeSome(self) -> None:
        if self._isRotated and self._size >= MAX_FILE_BYTES:
            self.rotate()
        waiting = len(self._waiting)
        super()._writeSome()
        self._size += waiting - len(self._waiting)

    def rotate(self) -> None:
        """Begin a new file, and keep the old ones. Does nothing to what is not a file."""
        folder = os.path.dirname(os.path.abspath(self._path))
        self._size = 0
        if not (self._isRotated and os.access(folder, os.W_OK)):
            return
        for number in reversed(range(MAX_FILES - 1)):
            with suppress(FileNotFoundError):
                older = f"{self._path}.{number + 1}"
                os.rename(f"{self._path}.{number}" if number else self._path, older)
        before, self._fd = self._fd, openFile(self._path)
        os.close(before)
        self._take()

    def finish(self) -> None:
        """Give a slow reader LAST_SECONDS to take what waits: the reactor has stopped."""
        deadline = monotonic() + LAST_SECONDS
        ready = select.poll()
        ready.register(self._fd, select.POLLOUT)
        with suppress(OSError):
            while self._waiting and (left := deadline - monotonic()) > 0:
                ready.poll(left * 1000)
                with suppress(BlockingIOError):
                    self._writeSome()
        self._unwatch()

    def marker(self, count: int) -> str:
        event = {
            "log_format": "(lines of the log that were lost here: {count}; {why})",
            "log_level": LogLevel.warn,
            "log_namespace": __name__,
            "log_time": time.time(),
            "count": count,
            "why": self._why,
        }
        return (safely(event) or "").rstrip("\n")


def _standard(number: int) -> int:
    """Return a descriptor of standard output or error; a log to one that is closed is dropped."""
    try:
        return openStandard(number)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def observer(
    reactor: PosixReactorBase,
    path: str | int,
    owner: tuple[int, int] = (-1, -1),
    masked: Callable[[str], str] = str,
) -> ILogObserver:
    """Return an observer that writes to the file at `path`, or to standard stream 1 or 2.

    SIGUSR1 rotates a file, as for every twistd. `masked` returns a line without secrets. Raises
    OSError if the file cannot be made.
    """
    writer = LogWriter(reactor, path, owner)
    signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(writer.rotate))
    reactor.addSystemEventTrigger("after", "shutdown", writer.finish)

    def write(event: LogEvent) -> None:
        text = safely(event)
        if text is not None:
            # The watchdog's thread logs while the reactor hangs.
            writer.write(masked(text).rstrip("\n"), event.get("log_level") is LogLevel.critical)

    return FilteringLogObserver(
        cast(ILogObserver, write),
        [OncePerPlace(), cast(ILogFilterPredicate, withoutPortNoise)],
    )
