"""Socket options of TCP streams."""

from __future__ import annotations

import socket
import sys

#: The options of every TCP stream (tcp(7)). Small messages are not delayed (Nagle). At most
#: 128 KiB wait unsent in the kernel, where a peer that never reads would cost megabytes (bytes
#: in flight do not count). After 60 s of silence come three probes, 10 s apart.
OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 128 * 1024),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
#: True if accepted connections inherit the options of the listening socket (tcp(7)).
INHERITS_OPTIONS = sys.platform == "linux"


def setOptions(sock: socket.socket) -> None:
    """Set OPTIONS: on a listening socket, for all connections that it will accept."""
    for option in OPTIONS:
        sock.setsockopt(*option)
