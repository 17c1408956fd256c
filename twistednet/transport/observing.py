"""What a stream tells of itself: to whom it belongs, and to who listens."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet import main
from twisted.internet.error import ConnectionLost
from twisted.python import log
from twisted.python.failure import Failure

if TYPE_CHECKING:
    # What a mixin is mixed into.
    from twisted.internet.tcp import Server as _Server
else:
    _Server = object

#: What runs when no callback of a connection's protocol does.
LATER = "later"

_NOT_NOW = (errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS)


class Observer(Protocol):
    """Who is told what becomes of a stream."""

    def failed(self, failure: Failure) -> None:
        """A callback of the protocol raised; the stream is about to be aborted."""

    def closed(self, cause: str) -> None:
        """It is over. `cause`: what `setCloseReason` was told, or else client FIN,
        client RST, connection lost, or service."""


class Tap(Protocol):
    """Who hears what passes between a stream and its protocol, until it wants no more."""

    #: The protocol's callback that runs now, or LATER.
    inside: str

    def received(self, data: bytes, callback: str) -> bool:
        """This callback is about to be given it; an empty chunk is the peer's FIN.
        Is more wanted?"""

    def sent(self, data: bytes) -> bool:
        """The protocol has written it; it is never empty. Is more wanted?"""


class ObservedTransport(_Server):
    """Mixed in before a stock transport: why it ended, and who hears of it."""

    #: tcp or unix. (Where there is TLS, that says so of itself.)
    kind: str
    observer: Observer | None = None
    #: Costs one look a chunk while it is None.
    tap: Tap | None
    cause: str | None = None
    _finReceived = False
    _reset = False

    def setCloseReason(self, cause: str) -> None:
        """Say why the connection is about to be closed; the first to say is right."""
        self.cause = self.cause or cause

    def fail(self, failure: Failure) -> None:
        """A callback of the protocol raised: end this connection, and only this."""
        if self.observer is not None:
            self.observer.failed(failure)
        else:
            log.err(failure)
        self.setCloseReason("error")
        self.abortConnection()

    def _failedWith(self, error: OSError) -> Any:
        if error.errno in _NOT_NOW:
            return None
        self._reset = error.errno in (errno.ECONNRESET, errno.EPIPE)
        return main.CONNECTION_LOST

    def _causeOf(self, reason: Failure) -> str:
        if not self._aborting and isinstance(reason.value, ConnectionLost):
            return "client RST" if self._reset else "connection lost"
        return "client FIN" if self._finReceived else "service"

    def _tellWritten(self, data: bytes) -> None:
        """Tell the tap, unless what is written now goes nowhere."""
        going = self.connected and not (self._writeDisconnected or self._aborting)
        if data and going and self.tap is not None and not self.tap.sent(data):
            self.tap = None
