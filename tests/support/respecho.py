"""A service that a test gives to the daemon: Redis' protocol, with one command."""

from __future__ import annotations

from twistednet.services.echo import Echo


class RESPEcho(Echo):
    """Says what it was asked to ECHO, a command in a chunk (RESP2, simple strings)."""

    def reply(self, data: bytes) -> bytes:
        name, *arguments = data.split(b"\r\n")[2::2]
        return b"+%b\r\n" % arguments[0] if name == b"ECHO" else b"-ERR unknown command\r\n"
