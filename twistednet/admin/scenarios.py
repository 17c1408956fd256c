"""`/api/v1/scenario`: the known scenarios, the one that is played, and how to play another."""

from __future__ import annotations

from twistednet.admin.faults import field
from twistednet.admin.interfaces import DaemonAPI
from twistednet.admin.replies import APIError, Reply, jsonReply
from twistednet.admin.routing import APIRequest, Route
from twistednet.faults.grammar import BadFault
from twistednet.faults.scenario import Scenario, parseScenario, unknownScenario


class ScenarioAPI:
    """The routes of `/api/v1/scenario`. A wrong scenario changes nothing."""

    def __init__(self, daemon: DaemonAPI) -> None:
        self._daemon = daemon

    def routes(self) -> tuple[Route, ...]:
        path = "/api/v1/scenario"
        return Route("GET", path, self.shown), Route("PUT", path, self.play)

    def shown(self, request: APIRequest) -> Reply:
        known = [
            {"name": name, "scenario": str(one)} for name, one in self._daemon.scenarios.items()
        ]
        return jsonReply({"known": known, "playing": self._playing()})

    def play(self, request: APIRequest) -> Reply:
        """Play a known scenario by its name, or another by its text; null stops it."""
        wanted = field(request.body(), "play")
        if wanted is None:
            self._daemon.player.stop()
        else:
            self._daemon.player.play(self._found(wanted))
        return self.shown(request)

    def _found(self, wanted: object) -> Scenario:
        if not isinstance(wanted, str):
            raise APIError(400, "play is a scenario, or the name of one, or null")
        known = self._daemon.scenarios
        if wanted in known:
            return known[wanted]
        if "=" not in wanted:
            raise APIError(409, unknownScenario(wanted, known))
        try:
            return parseScenario(wanted, self._daemon.grammar)
        except BadFault as why:
            raise APIError(409, str(why)) from None

    def _playing(self) -> dict[str, object] | None:
        player = self._daemon.player
        scenario = player.scenario
        if scenario is None:
            return None
        return {
            "name": scenario.name,
            "scenario": str(scenario),
            "part": player.part + 1,
            "parts": [*map(str, scenario.parts)],
            "again": scenario.isEndless,
            "left": round(player.left, 3),
        }
