"""The source code of a service's callbacks, for readers of the live page."""

from __future__ import annotations

import inspect

from twistednet.admin.interfaces import PortsAPI
from twistednet.admin.replies import APIError, Reply, jsonReply
from twistednet.admin.routing import APIRequest, Route

#: The callbacks that Twisted calls, and that the live page shows.
STREAM = ("connectionMade", "dataReceived", "readConnectionLost", "connectionLost")
DATAGRAM = ("datagramReceived",)


class SourceAPI:
    """`/api/v1/services/NAME/source/CALLBACK`: no code but that of the classes that serve."""

    def __init__(self, ports: PortsAPI) -> None:
        self._ports = ports

    def routes(self) -> tuple[Route, ...]:
        return (Route("GET", "/api/v1/services/{name}/source/{callback}", self.source),)

    def source(self, request: APIRequest) -> Reply:
        """Return the code of a callback and its place, which may be a base class."""
        name, callback = request.named["name"], request.named["callback"]
        if callback not in STREAM + DATAGRAM:
            raise APIError(404, "there is no such callback")
        protocol = self._ports.protocolOf(name, callback in DATAGRAM)
        function = getattr(protocol, callback, None)
        try:
            lines, first = inspect.getsourcelines(function)  # type: ignore[arg-type]
        except (TypeError, OSError):
            raise APIError(404, "its code is not at hand") from None
        where = f"{function.__module__}.{function.__qualname__}"  # type: ignore[union-attr]
        return jsonReply({"where": where, "line": first, "lines": [one.rstrip() for one in lines]})
