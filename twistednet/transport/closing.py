"""Closing: ends of connections after which the peer has everything that was sent.

Closing a socket that has unread bytes makes TCP send a RST, and a peer in the middle of
sending may then lose the last bytes that it was sent (RFC 1122, section 4.2.2.13).

A service's transport may be a stream, TLS on one, what faults put in between, or a test's
fake. The first three forward what they lack by `__getattr__`, and the last has only what its
test needs; so optional methods are found by `getattr`, which a Protocol would not see.
"""

from __future__ import annotations

import select
import sys
from contextlib import suppress

from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableDescriptor,
    IReactorTime,
    ISSLTransport,
)

from twistednet.transport.interfaces import DatagramAddress, ObservedStream, Transport

try:
    from fcntl import ioctl
    from termios import TIOCOUTQ
except ImportError:
    ioctl = None  # type: ignore[assignment]

#: Seconds that a peer has to send its FIN, once it has everything that we sent.
LINGER_SECONDS = 2.0
#: Seconds within which a peer must take some of what was sent.
STALL_SECONDS = 30.0
#: Seconds between two looks at what the peer has taken.
CHECK_SECONDS = 0.25
#: Seconds until the first look before a RST. Each further one waits twice as long, up to
#: CHECK_SECONDS.
FIRST_CHECK_SECONDS = 0.005


def setCloseReason(transport: object, cause: str) -> None:
    """Say why a connection is about to be closed, if its transport has an observer."""
    report = getattr(transport, "setCloseReason", None)
    if report is not None:
        report(cause)


def reportPause(transport: object, size: int) -> None:
    """Report that a pause ended a message of `size` bytes, if the transport has a tap."""
    tap = getattr(transport, "tap", None)
    if tap is not None:
        tap.paused(size)


def endConversation(transport: object, address: DatagramAddress) -> None:
    """Report the end of a peer's UDP conversation, if the port has a tap."""
    report = getattr(transport, "endConversation", None)
    if report is not None:
        report(address)


def refuse(transport: object, address: DatagramAddress, limit: str) -> None:
    """Report that a UDP service did not answer this peer, and because of which limit."""
    report = getattr(transport, "refuse", None)
    if report is not None:
        report(address, limit)


def lingeringClose(transport: Transport, clock: IReactorTime) -> LingeringClose | None:
    """Send the queue and our FIN, and read until the peer's FIN, or until it is late.

    The protocol goes on being given data, and must drop it. Returns the wait, which can be
    cancelled once the connection is lost; None for TLS, which closes by close_notify.
    """
    if _canHalfClose(transport):
        transport.loseWriteConnection()
        transport.resumeProducing()
        return LingeringClose(transport, clock)
    transport.loseConnection()
    return None


class LingeringClose:
    """The wait for a peer's FIN, of LINGER_SECONDS from when the peer has all that was sent.

    A peer that reads slowly gets everything. One that takes nothing for STALL_SECONDS is
    closed. The name is nginx's, whose `lingering_close` does the same.
    """

    def __init__(self, transport: Transport, clock: IReactorTime) -> None:
        self._transport = transport
        self._clock = clock
        self._undelivered = undelivered(transport)
        self._lastProgress = clock.seconds()
        self._call = clock.callLater(CHECK_SECONDS, self._check)

    def active(self) -> bool:
        return self._call.active()

    def cancel(self) -> None:
        self._call.cancel()

    def _check(self) -> None:
        now = self._clock.seconds()
        left = undelivered(self._transport)
        if left != self._undelivered:
            self._undelivered, self._lastProgress = left, now
        if now - self._lastProgress >= (STALL_SECONDS if left else LINGER_SECONDS):
            self._transport.loseConnection()
        else:
            self._call = self._clock.callLater(CHECK_SECONDS, self._check)


class DrainThenReset:
    """A RST, sent once the peer's system has everything that was sent before it.

    A RST destroys what is in flight, and that is not its purpose here. A peer that takes
    nothing for STALL_SECONDS gets it anyway. `stream` is the stream below the transport, or
    the transport itself: TLS would send close_notify first.
    """

    def __init__(self, transport: object, clock: IReactorTime, stream: ObservedStream) -> None:
        self._transport = transport
        self._clock = clock
        self._stream = stream
        self._call: IDelayedCall | None = None
        self._undelivered = 0
        self._lastProgress = clock.seconds()
        self._nextWait = FIRST_CHECK_SECONDS
        self._check()

    def active(self) -> bool:
        return self._call is not None and self._call.active()

    def cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()

    def _check(self) -> None:
        now, left = self._clock.seconds(), undelivered(self._transport)
        if left != self._undelivered:
            self._undelivered, self._lastProgress = left, now
        if left and now - self._lastProgress < STALL_SECONDS:
            # The wait grows: looks at a thousand peers that do not read would take all time.
            self._call = self._clock.callLater(self._nextWait, self._check)
            self._nextWait = min(2 * self._nextWait, CHECK_SECONDS)
        else:
            self._stream.abortConnection()


def queuedBytes(transport: object) -> int:
    """Return the bytes that a transport has queued; 0 if it does not count them."""
    queued: int = getattr(transport, "queued", 0)
    return queued


def undelivered(transport: object) -> int:
    """Return the bytes that the peer's system does not have yet.

    They are in our queue, or the kernel's, where our FIN counts as one. It is 0 once the peer
    has answered with a RST, even one that no read has found yet.
    """
    queued = queuedBytes(transport)
    if hasattr(transport, "fileno"):
        with suppress(OSError, ValueError):
            socket = transport.fileno()
            return 0 if _hasError(socket) else queued + _kernelQueue(socket)
    return queued


def unacknowledged(stream: ObservedStream) -> int:
    """Return the bytes that the kernel has taken from a stream, and the peer's has not yet.

    A UNIX socket has no acknowledgements, so it is 0 there.
    """
    if stream.kind == "tcp":
        with suppress(OSError, ValueError):
            return _kernelQueue(stream.fileno())
    return 0


def _kernelQueue(socket: int) -> int:
    """Return the bytes that are not acknowledged, sent or not (TIOCOUTQ, tcp(7)).

    Raises OSError if the socket cannot say, ValueError if it is closed. (`getHandle` of TLS is
    not a socket.)
    """
    if ioctl is None:
        return 0
    return int.from_bytes(ioctl(socket, TIOCOUTQ, bytes(4)), sys.byteorder)


def _hasError(socket: int) -> bool:
    """True if the socket has an error, which stays for the next read or write (poll(2))."""
    poll = select.poll()
    poll.register(socket, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def _canHalfClose(transport: object) -> bool:
    return bool(IHalfCloseableDescriptor.providedBy(transport)) and not (
        ISSLTransport.providedBy(transport)
    )
