"""Reports of a stream: its failure, and the reason of its end."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from twisted.internet import main
from twisted.internet.error import ConnectionLost
from twisted.python import log
from twisted.python.failure import Failure

from twistednet.transport.interfaces import LATER, Observer, PlainStream, Receiver, Tap

if TYPE_CHECKING:
    # The base class that the mixin needs.
    from twisted.internet.tcp import Server as _Server
else:
    _Server = object

#: The errors after which a socket can be tried again.
_TEMPORARY = (errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS)


def reportFailure(observer: Observer | None, failure: Failure) -> None:
    """Report that a callback of the protocol raised; log it if there is no observer."""
    if observer is not None:
        observer.failed(failure)
    else:
        log.err(failure)


class ObservedTransport(_Server):
    """A mixin for stock transports that reports to an observer and a tap.

    A chunk costs one comparison while `tap` is None.
    """

    #: tcp or unix; with TLS, the TLS has `kind` tls.
    kind: str
    observer: Observer | None = None
    tap: Tap | None
    cause: str | None = None
    _finReceived = False
    _reset = False

    def setCloseReason(self, cause: str) -> None:
        """Say why the connection is about to be closed. The first call counts."""
        self.cause = self.cause or cause

    def endInput(self) -> None:
        """Read no more: the peer has sent its FIN, or its TLS the close_notify before it."""
        self._finReceived = True
        self.stopReading()

    def fail(self, failure: Failure) -> None:
        """Report that a callback of the protocol raised, and abort this connection."""
        reportFailure(self.observer, failure)
        self.setCloseReason("error")
        self.abortConnection()

    def _failedWith(self, error: OSError) -> ConnectionLost | None:
        """Return the end that an error of the socket means; None if it is temporary."""
        if error.errno in _TEMPORARY:
            return None
        self._reset = error.errno in (errno.ECONNRESET, errno.EPIPE)
        return main.CONNECTION_LOST

    def _causeOf(self, reason: Failure) -> str:
        """Return the cause of an end for which `setCloseReason` was not called."""
        if not self._aborting and isinstance(reason.value, ConnectionLost):
            return "client RST" if self._reset else "connection lost"
        return "client FIN" if self._finReceived else "service"

    def _tapWritten(self, data: bytes) -> None:
        """Pass `data` to the tap, unless the stream drops what is written now."""
        isOpen = self.connected and not (self._writeDisconnected or self._aborting)
        if data and isOpen and self.tap is not None and not self.tap.sent(data):
            self.tap = None


class TappedReceiver:
    """Stands before the protocol of a TLS while that has a tap."""

    def __init__(self, tls: PlainStream, protocol: Receiver, tap: Tap) -> None:
        self._tls = tls
        self.protocol = protocol
        self._tap = tap

    def __getattr__(self, name: str) -> Any:
        return getattr(self.protocol, name)

    def dataReceived(self, data: bytes) -> None:
        if not self._tap.received(data, "dataReceived"):
            self._tls.tap = None
        self.protocol.dataReceived(data)
        self._tap.inside = LATER
