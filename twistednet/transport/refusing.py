"""Refusal of new connections by a port that stays open.

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

from twisted.internet import tcp, unix

Undo = Callable[[], None]

#: From <asm-generic/socket.h>; Python has no names for them.
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
#: One instruction of classic BPF, `ret #0` (bpf(4)), which drops every packet.
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)


def refuse(port: tcp.Port) -> Undo:
    """Refuse new connections (ECONNREFUSED), and reset those that wait to be accepted.

    Open connections stay open. Raises OSError where the system cannot do this.
    """
    return _moveAside(port) if isinstance(port, unix.Port) else _stopListening(port)


def stall(port: tcp.Port) -> Undo:
    """Let connects time out: a client's SYN gets no answer.

    Where packets cannot be dropped (UNIX sockets, systems other than Linux) no connection is
    accepted instead: those that connect first wait in the backlog.
    """
    if not isinstance(port, unix.Port):
        with contextlib.suppress(OSError):
            return _dropSYNs(port)
    port.stopReading()
    port.socket.listen(0)
    return lambda: _listen(port)


def _listen(port: tcp.Port) -> None:
    port.socket.listen(port.backlog)
    port.startReading()


def _stopListening(port: tcp.Port) -> Undo:
    """Make a socket that listens one that is only bound, which Linux can do."""
    address = port.socket.getsockname()
    port.stopReading()
    port.socket.shutdown(socket.SHUT_RD)
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


def _dropSYNs(port: tcp.Port) -> Undo:
    """Attach a filter to the socket that drops all packets (socket(7), SO_ATTACH_FILTER)."""
    code = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
    program = struct.pack("HP", 1, ctypes.addressof(code))
    port.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    return lambda: port.socket.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
