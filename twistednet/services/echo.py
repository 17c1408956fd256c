"""Echo: every byte returned, in order (RFC 862)."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol


class Echo(Protocol):
    """Returns what it is sent; the client's FIN ends it, once all is returned.

    Override: `reply` is given each chunk as it was read, and returns what goes back.
    """

    transport: Any

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(self.reply(data))

    def reply(self, data: bytes) -> bytes:
        """What to answer to this chunk. TCP may split or join what was sent."""
        return data
