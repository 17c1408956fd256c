"""The log of the daemon: bounded on disk, printable, never flooded by one error."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from typing import TextIO, cast

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    LogLevel,
    PredicateResult,
    formatEventAsClassicLogText,
)
from twisted.python.logfile import LogFile
from zope.interface import implementer

from twistednet.core.limits import PeerRates

MAX_FILE_BYTES = 10_000_000
MAX_FILES = 10

# Characters that act on a terminal or fake a line; newline and tab are the log's own.
_UNSAFE = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"
} | {
    code: f"\\u{code:04x}"
    for code in (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}


@implementer(ILogFilterPredicate)
class OncePerPlace:
    """A filter that passes one traceback in `seconds` for each place in the code."""

    def __init__(self, seconds: float = 10.0, now: Callable[[], float] = time.monotonic) -> None:
        self._rates = PeerRates(1 / seconds, 1)
        self._now = now

    def __call__(self, event: LogEvent) -> object:
        # The second is that of twisted.python.log.err.
        failure = event.get("log_failure") or event.get("failure")
        if failure is None:
            return PredicateResult.maybe
        frames = failure.frames or failure.stack
        place = f"{failure.type}:{frames[-1][1]}:{frames[-1][2]}" if frames else str(failure.type)
        return (
            PredicateResult.maybe if self._rates.allow(place, self._now()) else PredicateResult.no
        )


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


def observer(
    path: str | None,
    owner: tuple[int, int] = (-1, -1),
    stream: TextIO | None = None,
    masked: Callable[[str], str] = str,
) -> ILogObserver:
    """Return an observer that writes to the file at `path`, or to `stream`, or to stdout.

    Owner and group can read the file; 10 files of 10 MB are kept. SIGUSR1 rotates it, as
    for every twistd. It is given to `owner` (a uid and a gid; -1 changes nothing), so that a
    daemon that has dropped its privileges can rotate it. Raises OSError if it cannot be made.
    `masked` returns a line without secrets.
    """
    file = cast(TextIO, stream or sys.stdout)
    if path is None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    else:
        rotated = LogFile.fromFullPath(
            path, rotateLength=MAX_FILE_BYTES, maxRotatedFiles=MAX_FILES - 1, defaultMode=0o640
        )
        os.chown(path, *owner)
        _rotateOnSignal(rotated)
        file = cast(TextIO, rotated)
    return FilteringLogObserver(
        FileLogObserver(file, lambda event: masked(safely(event) or "")),
        [OncePerPlace(), cast(ILogFilterPredicate, withoutPortNoise)],
    )


def _rotateOnSignal(file: LogFile) -> None:
    def rotate(number: int, frame: object) -> None:
        from twisted.internet import reactor

        reactor.callFromThread(file.rotate)  # type: ignore[attr-defined]

    signal.signal(signal.SIGUSR1, rotate)
