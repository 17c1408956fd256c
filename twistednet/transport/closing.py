"""Ways to end a connection that survive a real network."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableDescriptor,
    IReactorTime,
    ISSLTransport,
)
from twisted.python.failure import Failure

#: Seconds that a peer has to read our last words and close its own side.
LINGER = 2.0


class Observer(Protocol):
    """Who is told what becomes of a stream."""

    def failed(self, failure: Failure) -> None:
        """A callback of the protocol raised; the stream is about to be aborted."""

    def closed(self, cause: str) -> None:
        """It is over. `cause`: what `because` was told, or else client FIN,
        client RST, connection lost, or service."""


def because(transport: Any, cause: str) -> None:
    """Tell the transport why it is about to be closed, if it keeps account."""
    getattr(transport, "because", _untold)(cause)


def _untold(cause: str) -> None:
    """Transports of tests and of other programs keep no account."""


def finish(transport: Any, clock: IReactorTime) -> IDelayedCall | None:
    """Send what is queued and our FIN, and give the peer a while to send its own.

    Closing a socket that still has unread bytes makes TCP send RST, and a peer
    that is in the middle of sending may then lose the last words it was sent
    (RFC 1122, section 4.2.2.13). So the protocol goes on reading, and throws away.
    Returns the call that ends the wait. TLS says goodbye in its own way.
    """
    if _canHalfClose(transport):
        transport.loseWriteConnection()
        transport.resumeProducing()
        return clock.callLater(LINGER, transport.loseConnection)
    transport.loseConnection()
    return None


def _canHalfClose(transport: Any) -> bool:
    return bool(IHalfCloseableDescriptor.providedBy(transport)) and not (
        ISSLTransport.providedBy(transport)
    )
