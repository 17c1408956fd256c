"""The code of a service, for who wants to see what ran."""

from __future__ import annotations

import inspect
from typing import Any

from twistednet.admin.replies import APIError, Reply, jsonReply
from twistednet.admin.routing import APIRequest, Route

#: What Twisted calls, and the journal tells of.
STREAM = ("connectionMade", "dataReceived", "readConnectionLost", "connectionLost")
DATAGRAM = ("datagramReceived",)


class SourceAPI:
    """`/api/v1/services/NAME/source/CALLBACK`: no code but that of the classes that serve."""

    def __init__(self, ports: Any) -> None:
        self._ports = ports

    def routes(self) -> tuple[Route, ...]:
        return (Route("GET", "/api/v1/services/{name}/source/{callback}", self.source),)

    def source(self, asked: APIRequest) -> Reply:
        """Where it stands, and its lines; a callback that a class inherits stands elsewhere."""
        name, callback = asked.named["name"], asked.named["callback"]
        if callback not in STREAM + DATAGRAM:
            raise APIError(404, "there is no such callback")
        speaker = self._ports.speaker(name, callback in DATAGRAM)
        function = getattr(speaker, callback, None)
        try:
            lines, first = inspect.getsourcelines(function)  # type: ignore[arg-type]
        except (TypeError, OSError):
            raise APIError(404, "its code is not at hand") from None
        where = f"{function.__module__}.{function.__qualname__}"  # type: ignore[union-attr]
        return jsonReply({"where": where, "line": first, "lines": [one.rstrip() for one in lines]})
