"""Listening ports that turn clients away, and can take them again: nothing is closed.

Each function returns what undoes it. A port that were closed and opened again could find its
number taken, and a socket of systemd's could not be had again at all.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import stat
import struct
from collections.abc import Callable
from typing import Any

from twisted.internet import unix

Undo = Callable[[], None]

#: <asm-generic/socket.h>; Python has no names for them.
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
#: One instruction of the classic BPF, `ret #0` (bpf(4)): no packet passes.
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)


def refuse(port: Any) -> Undo:
    """Connections are refused (ECONNREFUSED), and those that wait to be accepted are reset.

    Those that are open stay so. Raises OSError where the system has no such state.
    """
    return _moveAside(port) if isinstance(port, unix.Port) else _stopListening(port)


def stall(port: Any) -> Undo:
    """No connection is made: a client's SYN has no answer, and its connect times out.

    Where packets cannot be dropped (UNIX sockets, other systems than Linux) none is
    accepted instead, and one that connects first waits.
    """
    if not isinstance(port, unix.Port):
        with contextlib.suppress(OSError):
            return _dropSYNs(port)
    port.stopReading()
    port.socket.listen(0)
    return lambda: _listen(port)


def _listen(port: Any) -> None:
    port.socket.listen(port.backlog)
    port.startReading()


def _stopListening(port: Any) -> Undo:
    """Linux lets a socket that listens go back to being bound, and keep its number."""
    address = port.socket.getsockname()
    port.stopReading()
    port.socket.shutdown(socket.SHUT_RD)
    # A number that the system chose is free again: it is taken back.
    with contextlib.suppress(OSError):
        port.socket.bind(address)
    return lambda: _listen(port)


def _moveAside(port: Any) -> Undo:
    """At its path is a socket on which nobody listens; its own is put aside."""
    path = os.fsencode(port.socket.getsockname())
    if not path or path.startswith(b"\0"):
        raise OSError("a socket without a path cannot be refused")
    aside = path + b".aside"
    os.rename(path, aside)
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(path)
    os.chmod(path, stat.S_IMODE(os.stat(aside).st_mode))
    return lambda: os.replace(aside, path)


def _dropSYNs(port: Any) -> Undo:
    code = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
    program = struct.pack("HP", 1, ctypes.addressof(code))
    port.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    return lambda: port.socket.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
