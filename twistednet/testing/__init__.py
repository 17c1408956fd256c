"""Servers for tests, with or without pytest: `with testing.serve("echo") as server: ...`"""

from twistednet.testing.server import CannotServe, Connection, Netdemo, Server, serve

__all__ = ["CannotServe", "Connection", "Netdemo", "Server", "serve"]
