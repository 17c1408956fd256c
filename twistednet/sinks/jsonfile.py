"""The sink that programs read: events as JSON lines, in a file or a pipe."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, time
from typing import Any

from twisted.internet.interfaces import IWriteDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from twistednet.core.limits import TokenBucket
from twistednet.events.jsonlines import dropped, line
from twistednet.events.model import Event

#: Bytes that may wait for whoever reads too slowly; from then on events are dropped.
MOST = 1024 * 1024
#: Bytes that are written at once.
WRITE = 256 * 1024
#: Seconds after which a write that failed, as on a full disk, is tried again.
AGAIN = 1.0

#: Standard output, as a path.
STDOUT = "-"


class CannotWrite(Exception):
    """Why events cannot be written there."""


def opened(path: str) -> int:
    """A descriptor of its own, which never blocks. Raises CannotWrite."""
    try:
        if path != STDOUT:
            # Whoever holds a pipe open for reading, too, need not wait for a reader.
            isPipe = os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode)
            flags = os.O_RDWR if isPipe else os.O_WRONLY | os.O_CREAT | os.O_APPEND
            return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o640)
        if stat.S_ISSOCK(os.fstat(1).st_mode):
            return os.dup(1)
        # Not a duplicate, or it would no longer block whoever we have it from either.
        flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open("/dev/stdout", flags)
    except OSError as error:
        raise CannotWrite(f"--events {path}: {(error.strerror or str(error)).lower()}") from None


@implementer(IWriteDescriptor)
class JSONLinesSink:
    """Writes each event as a line, of chunks the first `payload` bytes.

    Nobody waits for it: what cannot be written at once waits, up to 1 MiB, and then
    events are dropped. How many is told by the next line that fits, and by the log.
    """

    log = Logger()

    def __init__(self, reactor: Any, path: str, payload: int) -> None:
        self.path = path
        self.payload = payload
        #: Events that were never written.
        self.dropped = 0
        self._reactor = reactor
        self._fd = opened(path)
        isSocket = stat.S_ISSOCK(os.fstat(self._fd).st_mode)
        self._write: Callable[[int, Any], int] = _send if isSocket else os.write
        self._waiting = bytearray()
        self._untold = 0
        self._nextFlush: Any = None
        self._isWatched = False
        self._mayComplain = TokenBucket(0.1, 1)

    def __call__(self, event: Event) -> None:
        if len(self._waiting) > (MOST // 2 if self._untold else MOST):
            self.dropped += 1
            self._untold += 1
            self._complain("they are read too slowly")
            return
        if self._untold:
            self._put(dropped(self._untold, monotonic(), time()))
            self._untold = 0
        self._put(line(event, time(), self.payload))

    def isAt(self, path: str) -> bool:
        """Is this the file that is at this path now? (A log is rotated by moving it.)"""
        if path != self.path or path == STDOUT:
            return path == self.path
        try:
            return os.path.samestat(os.stat(path), os.fstat(self._fd))
        except OSError:
            return False

    def close(self) -> None:
        """Write what can be written now, and nothing more."""
        if self._nextFlush is not None:
            self._nextFlush.cancel()
        if self._untold:
            self._waiting += dropped(self._untold, monotonic(), time()).encode() + b"\n"
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
            # What happens in one turn of the reactor is written at once.
            self._nextFlush = self._reactor.callLater(0, self._flush)

    def _flush(self) -> None:
        self._nextFlush = None
        try:
            self._writeSome()
        except BlockingIOError:
            self._watch()
        except OSError as error:
            # What began as a line is finished as one, once it is possible again.
            self._unwatch()
            self._complain((error.strerror or str(error)).lower())
            self._nextFlush = self._reactor.callLater(AGAIN, self._flush)
        else:
            if not self._waiting:
                self._unwatch()
            elif not self._isWatched:
                self._nextFlush = self._reactor.callLater(0, self._flush)

    def _writeSome(self) -> None:
        with memoryview(self._waiting) as waiting:
            written = self._write(self._fd, waiting[:WRITE])
        del self._waiting[:written]

    def _complain(self, why: str) -> None:
        if self._mayComplain.allow(monotonic()):
            self.log.warn(
                "events are not written to {path}: {why}; dropped: {count}",
                path=self.path,
                why=why,
                count=self.dropped,
            )

    # What a reactor asks of whoever it tells that writing is possible

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

    def connectionLost(self, reason: Any) -> None:
        """The reader is gone; another may come."""
        self._isWatched = False
        self._nextFlush = self._nextFlush or self._reactor.callLater(AGAIN, self._flush)

    def logPrefix(self) -> str:
        return "events"


def _send(fd: int, data: Any) -> int:
    with socket.socket(fileno=os.dup(fd)) as output:
        return output.send(data, socket.MSG_DONTWAIT)
