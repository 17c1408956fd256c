"""The API of the daemon itself: its services, what happens, reload, drain, trials."""

from __future__ import annotations

import os
import time
from importlib.resources import files
from typing import Any

from twistednet.admin.feed import EventSource, Feed
from twistednet.admin.rates import Rates
from twistednet.admin.replies import JSON, APIError, Reply, jsonReply
from twistednet.admin.routing import APIRequest, Route
from twistednet.admin.sse import SSEStreams
from twistednet.admin.totals import totals
from twistednet.admin.trial import TrialPlan
from twistednet.admin.trials import Trials
from twistednet.core.text import hostOf


class ControlAPI:
    """All of `/api/v1` but connections."""

    def __init__(
        self, daemon: Any, feed: Feed, rates: Rates, streams: SSEStreams, trials: Trials
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

    def services(self, asked: APIRequest) -> Reply:
        """Those that listen, where, and how many are connected."""
        serving = self._daemon.ports
        found: dict[str, dict[str, Any]] = {}
        done = totals(self._daemon)
        for service, endpoint, host in serving:
            one = found.setdefault(
                service.name,
                {
                    "name": service.name,
                    "help": service.help,
                    **vars(done[service.name]),
                    "listeners": [],
                },
            )
            one["listeners"].append(_listener(endpoint, host))
        return jsonReply(
            {
                "services": list(found.values()),
                "down": [f"{name}: {endpoint}" for name, endpoint in serving.down()],
                "draining": self._daemon.stopping,
                "time": time.time(),
            }
        )

    def events(self, asked: APIRequest) -> Any:
        service, last = asked.query.get("service", ""), asked.header("Last-Event-ID")
        return self._streams.open(lambda: EventSource(self._feed, self._rates, service, last))

    def reload(self, asked: APIRequest) -> Reply:
        """As SIGHUP: all of the settings, or none."""
        wrong = self._daemon.reload()
        if wrong is not None:
            raise APIError(409, wrong)
        return jsonReply({"reloaded": True})

    def drain(self, asked: APIRequest) -> Reply:
        """As SIGTERM: the daemon serves who is there, and ends."""
        if self._daemon.stopping:
            raise APIError(409, "it is stopping already")
        self._daemon.leave()
        return jsonReply({"draining": True}, 202)

    async def tryIt(self, asked: APIRequest) -> Reply:
        trial = await self._trials.begin(TrialPlan.of(asked.body()))
        return jsonReply(
            {"id": trial.id, "kind": trial.kind, "connection": trial.connection},
            201,
            {"Location": f"/api/v1/try/{trial.id}"},
        )

    def trial(self, asked: APIRequest) -> Reply:
        found = self._trials.get(asked.id())
        if found is None:
            raise APIError(404, "there is no such trial any more")
        return jsonReply(found.told())

    def openapi(self, asked: APIRequest) -> Reply:
        return Reply(description(), JSON, headers={"Cache-Control": "no-cache"})


def description() -> bytes:
    """The OpenAPI document, as the package has it."""
    return files("twistednet.admin").joinpath("openapi.json").read_bytes()


def _listener(endpoint: Any, host: Any) -> dict[str, Any]:
    """One open socket, and how it is spoken to."""
    name = getattr(host, "name", None)
    kind = "udp" if endpoint.isDatagram else "tcp" if name is None else "unix"
    return {
        "kind": "tls" if endpoint.kind in ("ssl", "tls") else kind,
        "host": hostOf(host),
        "port": getattr(host, "port", None),
        "path": None if name is None else os.fsdecode(name),
        "endpoint": endpoint.given,
    }
