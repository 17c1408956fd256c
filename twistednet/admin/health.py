"""Health: `/livez`, `/readyz` and `/version`."""

from __future__ import annotations

import platform
from importlib.metadata import version

import twisted
from twistednet.admin.interfaces import DaemonAPI
from twistednet.admin.replies import Reply, jsonReply
from twistednet.admin.routing import APIRequest, Route

#: The versions of the package, Python and Twisted.
VERSIONS = {
    "version": version("twistednet"),
    "python": platform.python_version(),
    "twisted": twisted.__version__,
}


class Health:
    """The routes of health."""

    def __init__(self, daemon: DaemonAPI) -> None:
        self._daemon = daemon

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/livez", self.live, isOpen=True),
            Route("GET", "/readyz", self.ready, isOpen=True),
            Route("GET", "/version", self.version),
        )

    def live(self, request: APIRequest) -> Reply:
        """Answer: a daemon that answers is alive."""
        return _plain("ok")

    def ready(self, request: APIRequest) -> Reply:
        """Answer 503 from the start of a drain on, and while a listener is down."""
        if self._daemon.stopping:
            return _plain("draining", 503)
        down = [f"{name}: {endpoint} is down" for name, endpoint in self._daemon.ports.down()]
        return _plain("\n".join(down), 503) if down else _plain("ok")

    def version(self, request: APIRequest) -> Reply:
        return jsonReply(VERSIONS)


def _plain(text: str, status: int = 200) -> Reply:
    return Reply(f"{text}\n".encode(), status=status, headers={"Cache-Control": "no-store"})
