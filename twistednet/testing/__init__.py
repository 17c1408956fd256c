"""Servers for tests of clients, with or without pytest: `testing.serve("echo")`."""

from twistednet.testing.server import CannotServe, Connection, Netdemo, Server, serve

__all__ = ["CannotServe", "Connection", "Netdemo", "Server", "serve"]
