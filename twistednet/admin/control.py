"""The API of the daemon itself: services, events, reload, drain, trials."""

from __future__ import annotations

import os
import time
from importlib.resources import files

from twistednet.admin.feed import EventSource, Feed
from twistednet.admin.interfaces import DaemonAPI
from twistednet.admin.rates import Rates
from twistednet.admin.replies import JSON, AnyReply, APIError, Reply, jsonReply
from twistednet.admin.routing import APIRequest, Route
from twistednet.admin.sse import SSEStreams
from twistednet.admin.totals import totals
from twistednet.admin.trial import TrialPlan
from twistednet.admin.trials import Trials
from twistednet.core.text import hostOf
from twistednet.transport.endpoints import Endpoint
from twistednet.transport.interfaces import Address


class ControlAPI:
    """All routes of `/api/v1` that have no class of their own."""

    def __init__(
        self, daemon: DaemonAPI, feed: Feed, rates: Rates, streams: SSEStreams, trials: Trials
    ) -> None:
        self._daemon = daemon
        self._feed = feed
        self._rates = rates
        self._streams = streams
        self._trials = trials

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/api/v1/services", self.services),
            Route("GET", "/api/v1/events", self.events, ("service",)),
            Route("POST", "/api/v1/reload", self.reload),
            Route("POST", "/api/v1/drain", self.drain),
            Route("POST", "/api/v1/try", self.tryIt),
            Route("GET", "/api/v1/try/{id}", self.trial),
            Route("GET", "/api/v1/openapi.json", self.openapi),
        )

    def services(self, request: APIRequest) -> Reply:
        """Return the services that listen, their sockets, and their open connections."""
        serving = self._daemon.ports
        found: dict[str, dict[str, object]] = {}
        listeners: dict[str, list[object]] = {}
        done = totals(self._daemon)
        for service, endpoint, host in serving:
            found.setdefault(
                service.name,
                {
                    "name": service.name,
                    "help": service.help,
                    **vars(done[service.name]),
                    "listeners": listeners.setdefault(service.name, []),
                },
            )
            listeners[service.name].append(_listener(endpoint, host))
        return jsonReply(
            {
                "services": list(found.values()),
                "down": [f"{name}: {endpoint}" for name, endpoint in serving.down()],
                "draining": self._daemon.stopping,
                "time": time.time(),
            }
        )

    def events(self, request: APIRequest) -> AnyReply:
        service, last = request.query.get("service", ""), request.header("Last-Event-ID")
        return self._streams.open(lambda: EventSource(self._feed, self._rates, service, last))

    def reload(self, request: APIRequest) -> Reply:
        """Reload, as at SIGHUP: all settings, or none."""
        wrong = self._daemon.reload()
        if wrong is not None:
            raise APIError(409, wrong)
        return jsonReply({"reloaded": True})

    def drain(self, request: APIRequest) -> Reply:
        """Drain and stop, as at SIGTERM."""
        if self._daemon.stopping:
            raise APIError(409, "it is stopping already")
        self._daemon.leave()
        return jsonReply({"draining": True}, 202)

    async def tryIt(self, request: APIRequest) -> Reply:
        trial = await self._trials.begin(TrialPlan.of(request.body()))
        return jsonReply(
            {"id": trial.id, "kind": trial.kind, "connection": trial.connection},
            201,
            {"Location": f"/api/v1/try/{trial.id}"},
        )

    def trial(self, request: APIRequest) -> Reply:
        found = self._trials.get(request.id())
        if found is None:
            raise APIError(404, "there is no such trial any more")
        return jsonReply(found.summary(self._daemon.secrets))

    def openapi(self, request: APIRequest) -> Reply:
        return Reply(description(), JSON, headers={"Cache-Control": "no-cache"})


# Read at import, as the files of the page are.
_DESCRIPTION = files("twistednet.admin").joinpath("openapi.json").read_bytes()


def description() -> bytes:
    """Return the OpenAPI document of the package."""
    return _DESCRIPTION


def _listener(endpoint: Endpoint, host: Address) -> dict[str, object]:
    """Return the JSON of one open socket: its kind and its address."""
    name = getattr(host, "name", None)
    kind = "udp" if endpoint.isDatagram else "tcp" if name is None else "unix"
    return {
        "kind": "tls" if endpoint.kind in ("ssl", "tls") else kind,
        "host": hostOf(host),
        "port": getattr(host, "port", None),
        "path": None if name is None else os.fsdecode(name),
        "endpoint": endpoint.given,
    }
