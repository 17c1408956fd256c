"""A listening port of a service, and the ports that settings name."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet import tcp
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger

from twistednet.inject.listeners import ListenerFaults
from twistednet.settings.schema import Settings
from twistednet.transport.datagrams import DatagramPort
from twistednet.transport.endpoints import Endpoint
from twistednet.transport.refusing import stopListening

_log = Logger()

#: What a UDP port counts.
_COUNTS = ("datagramsIn", "datagramsOut", "bytesIn", "bytesOut", "unsent", "unread")

#: The name of a service, its socket, and a number: port 0 may be named twice.
Key = tuple[str, tuple[str, ...], int]


@dataclass(frozen=True)
class Listener:
    """An open port, its endpoint, and the faults of the port itself."""

    endpoint: Endpoint
    port: tcp.Port | DatagramPort
    faults: ListenerFaults | None = None

    def counts(self) -> dict[str, int]:
        """Return what a UDP port has counted."""
        return {name: getattr(self.port, name) for name in _COUNTS}

    def stop(self) -> Deferred[object]:
        """Close the port, and end its faults. An error is logged, and delays nothing."""
        if self.faults is not None:
            self.faults.stop()
        stopped = maybeDeferred(stopListening, self.port)
        return stopped.addErrback(
            lambda failure: _log.failure("a port did not close well", failure)
        )


def keyed(settings: Settings) -> dict[Key, Endpoint]:
    """Return the endpoints that the settings name."""
    found: dict[Key, Endpoint] = {}
    for name, endpoints in settings.listen.items():
        for endpoint in endpoints:
            times = sum(key[:2] == (name, endpoint.socket) for key in found)
            found[name, endpoint.socket, times] = endpoint
    return found
