"""Clients of the services, as coroutines for code that runs on Twisted."""

from twistednet.client.datagrams import Datagrams
from twistednet.client.errors import (
    BadTarget,
    CannotConnect,
    ClientError,
    TimedOut,
    Unexpected,
)
from twistednet.client.functions import ask, chat, datagram, echo, hello, send
from twistednet.client.sessions import ChatSession, Session, joinChat, opened
from twistednet.client.streams import Stream
from twistednet.client.targets import Target

__all__ = [
    "BadTarget",
    "CannotConnect",
    "ChatSession",
    "ClientError",
    "Datagrams",
    "Session",
    "Stream",
    "Target",
    "TimedOut",
    "Unexpected",
    "ask",
    "chat",
    "datagram",
    "echo",
    "hello",
    "joinChat",
    "opened",
    "send",
]
