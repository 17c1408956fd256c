"""Ways to end a connection that survive a real network."""

from __future__ import annotations

import select
import sys
from contextlib import suppress
from typing import Any

from twisted.internet.interfaces import (
    IHalfCloseableDescriptor,
    IReactorTime,
    ISSLTransport,
)

try:
    from fcntl import ioctl
    from termios import TIOCOUTQ
except ImportError:
    ioctl = None  # type: ignore[assignment]

#: Seconds that a peer has to close its own side, once it has our last words.
LINGER_SECONDS = 2.0
#: Seconds in which a peer must take some of our last words.
STALL_SECONDS = 30.0
#: Seconds between two looks at what it has taken.
CHECK_SECONDS = 0.25
#: The first of them, where nothing is waited for but that it has taken all; each is twice as
#: far from the next.
FIRST_CHECK_SECONDS = 0.005


def setCloseReason(transport: Any, cause: str) -> None:
    """Tell the transport why it is about to be closed, if it keeps account."""
    getattr(transport, "setCloseReason", _untold)(cause)


def endConversation(transport: Any, address: tuple[str, int]) -> None:
    """Tell a UDP port that this peer's conversation has ended, if it keeps account."""
    getattr(transport, "endConversation", _untold)(address)


def refuse(transport: object, address: tuple[str, int], limit: str) -> None:
    """Report that a UDP service did not answer this peer, and because of which limit."""
    report = getattr(transport, "refuse", None)
    if report is not None:
        report(address, limit)


def _untold(what: object) -> None:
    """Transports of tests and of other programs keep no account."""


def lingeringClose(transport: Any, clock: IReactorTime) -> Any:
    """Send what is queued and our FIN, and give the peer a while to send its own.

    Closing a socket that still has unread bytes makes TCP send RST, and a peer
    that is in the middle of sending may then lose the last words it was sent
    (RFC 1122, section 4.2.2.13). So the protocol goes on reading, and throws away.
    Returns the wait: a `LingeringClose`, or None for TLS, which says goodbye in its own way.
    """
    if _canHalfClose(transport):
        transport.loseWriteConnection()
        transport.resumeProducing()
        return LingeringClose(transport, clock)
    transport.loseConnection()
    return None


class LingeringClose:
    """Waits for the peer's FIN, for LINGER_SECONDS seconds from when it has taken all we said.

    Of a peer that reads slowly no word is destroyed; one that takes nothing for
    STALL_SECONDS seconds has had its chance.
    """

    def __init__(self, transport: Any, clock: IReactorTime) -> None:
        self._transport = transport
        self._clock = clock
        self._undelivered = undelivered(transport)
        self._since = clock.seconds()
        self._call = clock.callLater(CHECK_SECONDS, self._check)

    def active(self) -> bool:
        return self._call.active()

    def cancel(self) -> None:
        self._call.cancel()

    def _check(self) -> None:
        now = self._clock.seconds()
        left = undelivered(self._transport)
        if left != self._undelivered:
            self._undelivered, self._since = left, now
        if now - self._since >= (STALL_SECONDS if left else LINGER_SECONDS):
            self._transport.loseConnection()
        else:
            self._call = self._clock.callLater(CHECK_SECONDS, self._check)


class DrainThenReset:
    """Ends a connection with a RST, once the peer's system has got all that we said.

    A RST destroys what is on its way, and it is not meant for that; a peer that takes nothing
    for STALL_SECONDS seconds has had its chance. `stream` is what is below the transport, or the
    same: TLS would say goodbye first.
    """

    def __init__(self, transport: Any, clock: IReactorTime, stream: Any) -> None:
        self._transport = transport
        self._clock = clock
        self._stream = stream
        self._call: Any = None
        self._undelivered = 0
        self._since = clock.seconds()
        self._wait = FIRST_CHECK_SECONDS
        self._check()

    def active(self) -> bool:
        return self._call is not None and bool(self._call.active())

    def cancel(self) -> None:
        self._call.cancel()

    def _check(self) -> None:
        now, left = self._clock.seconds(), undelivered(self._transport)
        if left != self._undelivered:
            self._undelivered, self._since = left, now
        if left and now - self._since < STALL_SECONDS:
            # A thousand peers that do not read would else be looked at, and nobody served.
            self._call = self._clock.callLater(self._wait, self._check)
            self._wait = min(2 * self._wait, CHECK_SECONDS)
        else:
            self._stream.abortConnection()


def undelivered(transport: Any) -> int:
    """Bytes that the peer's system is still to get, from our queue or the kernel's; our FIN is
    one. It gets no more once it has answered with a RST, which may wait to be noticed."""
    queued: int = getattr(transport, "queued", 0)
    if ioctl is not None and hasattr(transport, "fileno"):
        # Other kinds of socket, and other systems, may not tell. (`getHandle` of TLS is no socket.)
        with suppress(OSError, ValueError):
            socket = transport.fileno()
            if _isBroken(socket):
                return 0
            answer = ioctl(socket, TIOCOUTQ, bytes(4))
            queued += int.from_bytes(answer, sys.byteorder)
    return queued


def _isBroken(socket: int) -> bool:
    """Has it an error? It is left there, for who reads or writes next."""
    poll = select.poll()
    poll.register(socket, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def _canHalfClose(transport: Any) -> bool:
    return bool(IHalfCloseableDescriptor.providedBy(transport)) and not (
        ISSLTransport.providedBy(transport)
    )
