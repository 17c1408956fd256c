"""Echo: every byte returned, in order (RFC 862)."""

from __future__ import annotations

from twisted.internet.protocol import Protocol

from twistednet.transport.interfaces import Transport


class Echo(Protocol):
    """Returns every byte; closes at the client's FIN, once every byte is returned.

    Override: `reply` is given each chunk as it was read, and returns the answer.
    """

    # A stream has more than ITransport: half-close, abort.
    transport: Transport  # type: ignore[assignment]

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(self.reply(data))

    def reply(self, data: bytes) -> bytes:
        """Return the answer to a chunk. TCP may split or join what was sent."""
        return data
