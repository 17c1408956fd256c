"""Is it alive, may it be given work, and what is it?"""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import twisted
from twistednet.admin.replies import Reply, jsonReply
from twistednet.admin.routing import APIRequest, Route

#: Of what runs here: the package, Python, Twisted.
VERSIONS = {
    "version": version("twistednet"),
    "python": platform.python_version(),
    "twisted": twisted.__version__,
}


class Health:
    """`/livez`, `/readyz` and `/version`."""

    def __init__(self, daemon: Any) -> None:
        self._daemon = daemon

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/livez", self.live, isOpen=True),
            Route("GET", "/readyz", self.ready, isOpen=True),
            Route("GET", "/version", self.version),
        )

    def live(self, asked: APIRequest) -> Reply:
        """Whoever reads this has been answered."""
        return _plain("ok")

    def ready(self, asked: APIRequest) -> Reply:
        """503 from the moment that a drain starts, and while a listener is down."""
        if self._daemon.stopping:
            return _plain("draining", 503)
        down = [f"{name}: {endpoint} is down" for name, endpoint in self._daemon.ports.down()]
        return _plain("\n".join(down), 503) if down else _plain("ok")

    def version(self, asked: APIRequest) -> Reply:
        return jsonReply(VERSIONS)


def _plain(text: str, status: int = 200) -> Reply:
    return Reply(f"{text}\n".encode(), status=status, headers={"Cache-Control": "no-store"})
