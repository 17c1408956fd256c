"""The sink for programs: events as JSON lines, in a file or a pipe."""

from __future__ import annotations

import os
from dataclasses import replace
from time import monotonic, time

from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from twistednet.core.limits import TokenBucket
from twistednet.core.secrets import Secrets
from twistednet.events.jsonlines import dropped, line
from twistednet.events.model import Event, Received, Sent
from twistednet.sinks.writing import LineWriter, openFile, openStandard

#: Standard output, as a path.
STDOUT = "-"


class CannotWrite(Exception):
    """Events cannot be written to this path; the message says why."""


def opened(path: str) -> int:
    """Return a new descriptor that never blocks. Raises CannotWrite."""
    try:
        return openStandard(1) if path == STDOUT else openFile(path)
    except OSError as error:
        raise CannotWrite(f"--events {path}: {(error.strerror or str(error)).lower()}") from None


class JSONLinesSink(LineWriter):
    """Writes each event as a line, with the first `payload` bytes of chunks.

    The daemon never waits for the reader: up to 1 MiB of lines wait, and then events are dropped.
    The next line that fits says how many, and so does the log.
    """

    log = Logger()

    def __init__(
        self, reactor: PosixReactorBase, path: str, payload: int, secrets: Secrets | None = None
    ) -> None:
        super().__init__(reactor, opened(path))
        self.path = path
        self.payload = payload
        self._secrets = secrets or Secrets()
        self._mayComplain = TokenBucket(0.1, 1)

    def __call__(self, event: Event) -> None:
        if self.hasRoom():
            if isinstance(event, Received | Sent):
                event = replace(event, data=self._secrets.masked(event.data))
            self.append(line(event, time(), self.payload))

    def isAt(self, path: str) -> bool:
        """True if this path still names the open file. (A log is rotated by moving it.)"""
        if path != self.path or path == STDOUT:
            return path == self.path
        try:
            return os.path.samestat(os.stat(path), os.fstat(self._fd))
        except OSError:
            return False

    def close(self) -> None:
        """Write what can be written now, and close."""
        super().close()
        if self.dropped:
            self.log.warn(
                "events that were not written to {path}: {count}",
                path=self.path,
                count=self.dropped,
            )

    def marker(self, count: int) -> str:
        return dropped(count, monotonic(), time())

    def complain(self, why: str) -> None:
        if self._mayComplain.allow(monotonic()):
            self.log.warn(
                "events are not written to {path}: {why}; dropped: {count}",
                path=self.path,
                why=why,
                count=self.dropped,
            )

    def logPrefix(self) -> str:
        return "events"
