"""Lines for a file, a pipe or a terminal: the daemon never waits for their reader."""

from __future__ import annotations

import os
import select
import socket
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IWriteDescriptor
from twisted.internet.posixbase import PosixReactorBase
from twisted.python.failure import Failure
from zope.interface import implementer

#: Bytes that may wait for a slow reader; above that, lines are dropped.
MAX_WAITING_BYTES = 1024 * 1024
#: Bytes that are written at once.
MAX_WRITE_BYTES = 256 * 1024
#: Seconds after which a write that failed, as on a full disk, is tried again.
RETRY_SECONDS = 1.0

_SLOW = "they are read too slowly"
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def openFile(path: str) -> int:
    """Return a descriptor of the file or pipe at `path` that never blocks. Raises OSError."""
    # A process that holds a pipe open for reading too need not wait for a reader.
    isPipe = os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode)
    flags = _FLAGS & ~os.O_WRONLY | os.O_RDWR if isPipe else _FLAGS | os.O_CREAT
    return os.open(path, flags, 0o640)


def openStandard(number: int) -> int:
    """Return a new descriptor of standard output (1) or standard error (2). Raises OSError.

    It does not block if the system allows that for us alone: O_NONBLOCK on the descriptor that
    we were given, or on a duplicate, would apply to the process that gave it to us, too.
    """
    if (sys.__stdout__, sys.__stderr__)[number - 1] is None:
        raise OSError(f"standard {('output', 'error')[number - 1]} is closed")
    mode = os.fstat(number).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        # It may belong to another user, or there may be no /dev.
        with suppress(OSError):
            return os.open(f"/dev/fd/{number}", _FLAGS)
    return os.dup(number)


def _writerFor(fd: int) -> Callable[[int, Any], int]:
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        return _send
    if os.get_blocking(fd) and not stat.S_ISREG(mode):
        return _writeIfReady
    return os.write


def _send(fd: int, data: Any) -> int:
    with socket.socket(fileno=os.dup(fd)) as output:
        return output.send(data, socket.MSG_DONTWAIT)


def _writeIfReady(fd: int, data: Any) -> int:
    ready = select.poll()
    ready.register(fd, select.POLLOUT)
    if not ready.poll(0):
        raise BlockingIOError
    # A pipe that is ready takes as many bytes without blocking (pipe(7)).
    return os.write(fd, data[: select.PIPE_BUF])


@implementer(IWriteDescriptor)
class LineWriter:
    """Writes lines to a descriptor: up to 1 MiB of them wait, and then they are dropped.

    The next line that fits says how many were (`marker`). All calls are made in the thread that
    created it.
    """

    #: True if each line is written at once; False if those of one turn are written together.
    isPrompt = False

    def __init__(self, reactor: PosixReactorBase, fd: int) -> None:
        #: Lines that were never written.
        self.dropped = 0
        self._reactor = reactor
        self._fd = fd
        self._write = _writerFor(fd)
        self._waiting = bytearray()
        self._unreported = 0
        #: Why lines wait, or waited last.
        self._why = _SLOW
        self._nextFlush: IDelayedCall | None = None
        self._isWatched = False

    def marker(self, count: int) -> str:
        """Return the line that says how many were dropped before it. Override."""
        raise NotImplementedError

    def complain(self, why: str) -> None:
        """Called when lines are dropped, or cannot be written. Override."""

    def hasRoom(self) -> bool:
        """True if a line may be appended; False if it is dropped, which is counted."""
        if len(self._waiting) <= (
            MAX_WAITING_BYTES // 2 if self._unreported else MAX_WAITING_BYTES
        ):
            return True
        self.dropped += 1
        self._unreported += 1
        self.complain(self._why)
        return False

    def close(self) -> None:
        """Write what can be written now, and close."""
        if self._nextFlush is not None:
            self._nextFlush.cancel()
        if self._unreported:
            self._waiting += self.marker(self._unreported).encode() + b"\n"
        with suppress(OSError):
            while self._waiting:
                self._writeSome()
        self._unwatch()
        os.close(self._fd)
        self.dropped += self._waiting.count(b"\n")

    def append(self, text: str) -> None:
        """Write a line, now or later. Ask `hasRoom` first."""
        if self._unreported:
            text = f"{self.marker(self._unreported)}\n{text}"
            self._unreported = 0
        self._waiting += text.encode(errors="replace") + b"\n"
        if self._nextFlush is not None or self._isWatched:
            return
        if self.isPrompt:
            self._flush()
        else:
            self._nextFlush = self._reactor.callLater(0, self._flush)

    def _flush(self) -> None:
        self._nextFlush = None
        try:
            self._writeSome()
        except BlockingIOError:
            self._why = _SLOW
            self._watch()
        except OSError as error:
            # A line that was begun is completed once writing is possible again.
            self._unwatch()
            self._why = (error.strerror or str(error)).lower()
            self.complain(self._why)
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
        return type(self).__name__
