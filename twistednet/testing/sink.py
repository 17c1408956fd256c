"""The sink of the servers' process: events of one server as messages to the test."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

from twistednet.events.model import Closed, Event, Faulted, Opened, Received, Refused
from twistednet.testing.messages import EventMessage, Message, ReceivedMessage

#: Received bytes of one server that are reported; what comes later is only served.
MAX_REPORTED_BYTES = 64 * 1024 * 1024


class ParentSink:
    """A sink that sends the events of one server to the test."""

    def __init__(self, server: int, send: Callable[[Message], None]) -> None:
        self._server = server
        self._send = send
        self._reported = 0

    def __call__(self, event: Event) -> None:
        message = self._message(event)
        if message is not None:
            self._send(message)

    def _message(self, event: Event) -> EventMessage | None:
        """Return the message for an event; None for what is sent, and for UDP conversations."""
        server = self._server
        match event:
            case Opened(connection, peer=peer, kind=kind) if kind != "udp":
                return {"type": "opened", "server": server, "connection": connection, "peer": peer}
            case Received():
                return self._received(event)
            case Closed(connection, reason=reason, bytesOut=bytesOut, kind=kind) if kind != "udp":
                return {
                    "type": "closed",
                    "server": server,
                    "connection": connection,
                    "reason": reason,
                    "bytesOut": bytesOut,
                }
            case Refused(peer=peer, limit=limit):
                return {"type": "refused", "server": server, "peer": peer, "limit": limit}
            case Faulted():
                return {
                    "type": "faulted",
                    "server": server,
                    "connection": event.connection,
                    "peer": event.peer,
                    "fault": event.fault,
                    "rule": event.rule,
                    "did": event.did,
                }
        return None

    def _received(self, event: Received) -> ReceivedMessage | None:
        isDatagram = event.callback == "datagramReceived"
        # An empty chunk of a connection is the client's FIN.
        if self._reported >= MAX_REPORTED_BYTES or not (event.data or isDatagram):
            return None
        self._reported += len(event.data)
        return {
            "type": "received",
            "server": self._server,
            "connection": 0 if isDatagram else event.connection,
            "peer": event.peer,
            "data": b64encode(event.data).decode(),
        }
