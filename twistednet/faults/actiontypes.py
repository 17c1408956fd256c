"""What can be done to a connection, a port or a datagram."""

from __future__ import annotations

from enum import Enum


class ActionType(Enum):
    """The type of an `Action`. Its value is the word that reports of a fault use."""

    #: The connection was accepted, and the service is about to be given it.
    ACCEPT = "accept"
    #: The rule starts to apply to a connection that is already open.
    ATTACH = "attach"
    #: Pass the action's `data`.
    PASS = "pass"
    #: The service's half-close, and the service's close.
    FIN = "fin"
    CLOSE = "close"
    #: The client's FIN. Faults are not given it.
    CLIENT_FIN = "eof"
    #: A fault ends the connection: with our FIN, or with a RST.
    END = "end"
    RESET = "reset"
    #: Read no more.
    STOP_READING = "stop"
    #: Datagrams: pass `data` after the next datagram, or from another port.
    HOLD = "hold"
    OTHER_PORT = "astray"
    #: An HTTP request for the target `data`; `edits` change its response.
    REQUEST = "request"
    #: A port listens; what a fault of the port does in place of that.
    LISTEN = "listen"
    REFUSE = "refuse"
    STALL = "stall"
