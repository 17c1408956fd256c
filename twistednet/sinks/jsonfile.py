"""The sink for programs: events as JSON lines, in a file or a pipe."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from time import monotonic, time
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IWriteDescriptor
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.core.limits import TokenBucket
from twistednet.core.secrets import Secrets
from twistednet.events.jsonlines import dropped, line
from twistednet.events.model import Event, Received, Sent

#: Bytes that may wait for a slow reader; above that, events are dropped.
MAX_WAITING_BYTES = 1024 * 1024
#: Bytes that are written at once.
MAX_WRITE_BYTES = 256 * 1024
#: Seconds after which a write that failed, as on a full disk, is tried again.
RETRY_SECONDS = 1.0

#: Standard output, as a path.
STDOUT = "-"


class CannotWrite(Exception):
    """Events cannot be written to this path; the message says why."""


def opened(path: str) -> int:
    """Return a new descriptor that never blocks. Raises CannotWrite."""
    try:
        if path != STDOUT:
            # A process that holds a pipe open for reading too need not wait for a reader.
            isPipe = os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode)
            flags = os.O_RDWR if isPipe else os.O_WRONLY | os.O_CREAT | os.O_APPEND
            return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o640)
        if stat.S_ISSOCK(os.fstat(1).st_mode):
            return os.dup(1)
        # Not a duplicate: O_NONBLOCK would then apply to the process that gave us stdout.
        flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open("/dev/stdout", flags)
    except OSError as error:
        raise CannotWrite(f"--events {path}: {(error.strerror or str(error)).lower()}") from None


@implementer(IWriteDescriptor)
class JSONLinesSink:
    """Writes each event as a line, with the first `payload` bytes of chunks.

    The daemon never waits for the reader: up to 1 MiB of lines wait, and then events are dropped.
    The next line that fits says how many, and so does the log.
    """

    log = Logger()

    def __init__(
        self,
        reactor: PosixReactorBase,
        path: str,
        payload: int,
        secrets: Secrets | None = None,
    ) -> None:
        self._secrets = secrets or Secrets()
        self.path = path
        self.payload = payload
        #: Events that were never written.
        self.dropped = 0
        self._reactor = reactor
        self._fd = opened(path)
        isSocket = stat.S_ISSOCK(os.fstat(self._fd).st_mode)
        self._write: Callable[[int, Any], int] = _send if isSocket else os.write
        self._waiting = bytearray()
        self._unreported = 0
        self._nextFlush: IDelayedCall | None = None
        self._isWatched = False
        self._mayComplain = TokenBucket(0.1, 1)

    def __call__(self, event: Event) -> None:
        if len(self._waiting) > (MAX_WAITING_BYTES // 2 if self._unreported else MAX_WAITING_BYTES):
            self.dropped += 1
            self._unreported += 1
            self._complain("they are read too slowly")
            return
        if self._unreported:
            self._put(dropped(self._unreported, monotonic(), time()))
            self._unreported = 0
        if isinstance(event, Received | Sent):
            event = replace(event, data=self._secrets.masked(event.data))
        self._put(line(event, time(), self.payload))

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
        if self._nextFlush is not None:
            self._nextFlush.cancel()
        if self._unreported:
            self._waiting += dropped(self._unreported, monotonic(), time()).encode() + b"\n"
        with suppress(OSError):
            while self._waiting:
                self._writeSome()
        self._unwatch()
        os.close(self._fd)
        self.dropped += self._waiting.count(b"\n")
        if self.dropped:
            self.log.warn(
                "events that were not written to {path}: {count}",
                path=self.path,
                count=self.dropped,
            )

    def _put(self, text: str) -> None:
        self._waiting += text.encode() + b"\n"
        if self._nextFlush is None and not self._isWatched:
            # The events of one turn of the reactor are written together.
            self._nextFlush = self._reactor.callLater(0, self._flush)

    def _flush(self) -> None:
        self._nextFlush = None
        try:
            self._writeSome()
        except BlockingIOError:
            self._watch()
        except OSError as error:
            # A line that was begun is completed once writing is possible again.
            self._unwatch()
            self._complain((error.strerror or str(error)).lower())
            self._nextFlush = self._reactor.callLater(RETRY_SECONDS, self._flush)
        else:
            if not self._waiting:
                self._unwatch()
            elif not self._isWatched:
                self._nextFlush = self._reactor.callLater(0, self._flush)

    def _writeSome(self) -> None:
        with memoryview(self._waiting) as waiting:
            written = self._write(self._fd, waiting[:MAX_WRITE_BYTES])
        del self._waiting[:written]

    def _complain(self, why: str) -> None:
        if self._mayComplain.allow(monotonic()):
            self.log.warn(
                "events are not written to {path}: {why}; dropped: {count}",
                path=self.path,
                why=why,
                count=self.dropped,
            )

    # IWriteDescriptor: the reactor calls these when writing is possible

    def _watch(self) -> None:
        if not self._isWatched:
            self._isWatched = True
            self._reactor.addWriter(self)

    def _unwatch(self) -> None:
        if self._isWatched:
            self._isWatched = False
            self._reactor.removeWriter(self)

    def fileno(self) -> int:
        return self._fd

    def doWrite(self) -> None:
        self._flush()

    def connectionLost(self, reason: Failure) -> None:
        """Wait for another reader."""
        self._isWatched = False
        self._nextFlush = self._nextFlush or self._reactor.callLater(RETRY_SECONDS, self._flush)

    def logPrefix(self) -> str:
        return "events"


def _send(fd: int, data: Any) -> int:
    with socket.socket(fileno=os.dup(fd)) as output:
        return output.send(data, socket.MSG_DONTWAIT)
