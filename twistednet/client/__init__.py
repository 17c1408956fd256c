"""Clients of the services, as functions for anybody's Twisted code."""

from twistednet.client.datagrams import Datagrams
from twistednet.client.errors import (
    BadTarget,
    CannotConnect,
    ClientError,
    TimedOut,
    Unexpected,
)
from twistednet.client.sessions import Session, opened
from twistednet.client.streams import Stream
from twistednet.client.talk import Talk, ask, chat, datagram, echo, hello, joined, send
from twistednet.client.targets import Target

__all__ = [
    "BadTarget",
    "CannotConnect",
    "ClientError",
    "Datagrams",
    "Session",
    "Stream",
    "Talk",
    "Target",
    "TimedOut",
    "Unexpected",
    "ask",
    "chat",
    "datagram",
    "echo",
    "hello",
    "joined",
    "opened",
    "send",
]
