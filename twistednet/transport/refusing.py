"""Refusal of new connections, for a while or for good, without a reset of those that exist.

A client's connection is complete before the daemon accepts it: the kernel queues it. A socket
that stops listening resets what is queued, so no new handshakes are let in first, and the queue
is accepted to its end.

`refuse` and `stall` return a function that undoes them. To close the port and to open it again
would be no substitute: its number could be taken meanwhile, and a socket that systemd passed
could not be opened again at all.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import stat
import struct
from collections.abc import Callable
from typing import cast

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twistednet.transport.datagrams import DatagramPort

Undo = Callable[[], None]

#: Seconds that handshakes under way have to complete. A longer round trip is rare, and a flood
#: of SYNs from addresses that never answer must not delay a stop for longer.
HANDSHAKE_SECONDS = 1.0
#: Seconds between two looks at the handshakes.
LOOK_SECONDS = 0.02
#: Sockets of the system, those in TIME_WAIT included, that are few enough to look through.
MAX_ROWS = 5000

#: From <asm-generic/socket.h>; Python has no names for them.
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
#: A program of classic BPF (bpf(4)), which gets a TCP segment from its header on. It drops those
#: whose flags have SYN and not ACK, which begin a handshake. The ACKs that end one pass.
_DROP_SYNS = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # ldb [13]: the flags (RFC 9293, 3.1)
        (0x54, 0, 0, 0x12),  # and #SYN|ACK
        (0x15, 0, 1, 0x02),  # jeq #SYN, the next, the one after
        (0x06, 0, 0, 0),  # ret #0: drop it
        (0x06, 0, 0, 0xFFFFFFFF),  # ret #-1: keep all of it
    )
)
#: The state of a handshake in /proc/net/tcp: the kernel's TCP_SYN_RECV.
_SYN_RECV = b"03"


def stopListening(port: tcp.Port | DatagramPort) -> Deferred[object]:
    """Close the port once every connection that clients have completed is accepted.

    The Deferred fires when it is closed, after HANDSHAKE_SECONDS at most. The queue of a socket
    that systemd passed is left to the next process.
    """
    if not isinstance(port, tcp.Port) or isinstance(port, unix.Port) or not port._shouldShutdown:
        # (`UNIXPort` accepts its queue when it closes.)
        return maybeDeferred(port.stopListening)
    accepted: Deferred[object] = Deferred()
    _LastAccepts(port, lambda: accepted.callback(None))
    return accepted.addCallback(lambda _: port.stopListening())


def acceptQueue(port: tcp.Port) -> None:
    """Accept every connection of the port that is complete now."""
    isFull = True
    while isFull:
        port.numberAccepts = before = 100
        port.doRead()
        # Twisted raises this number if it accepted as many, and lowers it if there were fewer.
        isFull = port.numberAccepts > before


def refuse(port: tcp.Port) -> Undo:
    """Refuse new connections (ECONNREFUSED). Those that are complete are accepted first.

    Open connections stay open. Raises OSError where the system cannot do this.
    """
    if isinstance(port, unix.Port):
        return _moveAside(port)
    stopped: list[Undo] = []
    accepts = _LastAccepts(port, lambda: stopped.append(_stopListening(port)))

    def undo() -> None:
        accepts.cancel()
        for listenAgain in stopped:
            listenAgain()

    return undo


def stall(port: tcp.Port) -> Undo:
    """Let connects time out: a client's SYN gets no answer, and handshakes under way complete.

    Where packets cannot be dropped (UNIX sockets, systems other than Linux) no connection is
    accepted instead: those that connect first wait in the backlog.
    """
    if not isinstance(port, unix.Port):
        with contextlib.suppress(OSError):
            _dropSYNs(port)
            return lambda: _passSYNs(port)
    port.stopReading()
    port.socket.listen(0)
    return lambda: _listen(port)


class _LastAccepts:
    """Accepts what is complete, or will be, of a port that lets no new handshakes in.

    It calls `end` when the queue is empty and no handshake is under way: at once, if it can.
    SYNs are dropped from now on: `end` leaves that to the socket that it closes, or ends it.
    """

    def __init__(self, port: tcp.Port, end: Callable[[], object]) -> None:
        self._port = port
        self._end = end
        self._clock = cast(IReactorTime, port.reactor)
        with contextlib.suppress(OSError):
            _dropSYNs(port)
        self._deadline = self._clock.seconds() + HANDSHAKE_SECONDS
        self._nextLook: IDelayedCall | None = None
        self._look()

    def cancel(self) -> None:
        """Let handshakes in again, and do not call `end` if it was not called yet."""
        if self._nextLook is not None:
            self._nextLook.cancel()
            self._nextLook = None
            _passSYNs(self._port)

    def _look(self) -> None:
        self._nextLook = None
        # In this order: what completes between the two is accepted.
        isLate = self._clock.seconds() >= self._deadline
        isOver = isLate or not _hasHandshakes(self._port)
        acceptQueue(self._port)
        if isOver:
            self._end()
        else:
            self._nextLook = self._clock.callLater(LOOK_SECONDS, self._look)


def _countSockets() -> int:
    """Return how many TCP sockets the system has; 0 where it does not say."""
    with contextlib.suppress(OSError), open("/proc/self/net/sockstat") as lines:
        for line in lines:
            kind, *words = line.split()
            if kind == "TCP:":
                counts = dict(zip(words[::2], map(int, words[1::2]), strict=True))
                return counts.get("inuse", 0) + counts.get("tw", 0)
    return 0


def _hasHandshakes(port: tcp.Port) -> bool:
    """True if a client of this port's number has sent a SYN, and not yet the ACK that follows.

    False where the system does not show it, or has so many sockets that a look would stop the
    daemon for tenths of a second.
    """
    if _countSockets() > MAX_ROWS:
        return False
    number = b"%04X" % port.socket.getsockname()[1]
    table = "tcp6" if port.socket.family == socket.AF_INET6 else "tcp"
    with contextlib.suppress(OSError), open(f"/proc/self/net/{table}", "rb") as rows:
        for row in rows:
            _, local, _, state, *_ = row.split(None, 4)
            if state == _SYN_RECV and local.endswith(number):
                return True
    return False


def _listen(port: tcp.Port) -> None:
    port.socket.listen(port.backlog)
    port.startReading()


def _stopListening(port: tcp.Port) -> Undo:
    """Make a socket that listens one that is only bound, which Linux can do."""
    address = port.socket.getsockname()
    port.stopReading()
    try:
        port.socket.shutdown(socket.SHUT_RD)
    finally:
        _passSYNs(port)
    # A port number that the system chose is free now, so bind it again.
    with contextlib.suppress(OSError):
        port.socket.bind(address)
    return lambda: _listen(port)


def _moveAside(port: tcp.Port) -> Undo:
    """Move the socket aside, and put one at its path that does not listen."""
    path = os.fsencode(port.socket.getsockname())
    if not path or path.startswith(b"\0"):
        raise OSError("a socket without a path cannot be refused")
    aside = path + b".aside"
    os.rename(path, aside)
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(path)
    os.chmod(path, stat.S_IMODE(os.stat(aside).st_mode))
    return lambda: os.replace(aside, path)


def _dropSYNs(port: tcp.Port) -> None:
    """Attach a filter to the socket that drops SYNs (socket(7), SO_ATTACH_FILTER)."""
    code = ctypes.create_string_buffer(_DROP_SYNS, len(_DROP_SYNS))
    program = struct.pack("HP", len(_DROP_SYNS) // 8, ctypes.addressof(code))
    port.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def _passSYNs(port: tcp.Port) -> None:
    """Detach the filter, if there is one."""
    with contextlib.suppress(OSError):
        port.socket.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
