"""What each service does a second, and what goes wrong on purpose meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime

from twistednet.admin.totals import totals
from twistednet.core.metrics import Histogram

#: Seconds that a rate is measured over, at least and at most.
EVERY = 1.0
LONGEST = 5.0


class Rates:
    """Measured when somebody asks, and at most once a second; all who ask share them."""

    def __init__(self, clock: IReactorTime, daemon: Any) -> None:
        self._clock = clock
        self._daemon = daemon
        self._at = -LONGEST
        self._before: dict[str, dict[str, float]] = {}
        self._latest: dict[str, Any] = {}

    def __call__(self) -> Mapping[str, Any]:
        """The latest; the same object until there are later ones."""
        now = self._clock.seconds()
        seconds = now - self._at
        if seconds >= EVERY:
            # Of long ago: nobody has asked since.
            before = self._before if seconds <= LONGEST else {}
            self._before, self._at = self._measured(), now
            self._latest = {
                "seconds": round(seconds, 3),
                "faults": self._faults(),
                "playing": self._playing(),
                "services": {
                    name: _rates(before.get(name, values), values, seconds)
                    for name, values in self._before.items()
                },
            }
        return self._latest

    def _faults(self) -> int:
        """How many are in force, without those that are over."""
        faulting = self._daemon.connections.faults
        return sum(not faulting.isOver(fault) for fault in faulting.inForce)

    def _playing(self) -> dict[str, Any] | None:
        """Which scenario, and which of its parts; the API of scenarios has all of it."""
        scenario = self._daemon.player.scenario
        return scenario and {
            "name": scenario.name,
            "part": self._daemon.player.part + 1,
            "of": len(scenario.parts),
        }

    def _measured(self) -> dict[str, dict[str, float]]:
        measured = {name: dict(vars(total)) for name, total in totals(self._daemon).items()}
        for service, count in self._daemon.ports.datagrams().items():
            measured[service]["messagesIn"] = count["datagramsIn"]
            measured[service]["messagesOut"] = count["datagramsOut"]
        for service, figures in self._daemon.ports.figures():
            values = measured[service]
            for name, value in figures.items():
                if isinstance(value, Histogram):
                    values["latencySum"] = value.sum
                    values["latencyCount"] = sum(value.counts)
                elif name == "received_messages_total":
                    values["messagesIn"] = value
                elif name == "sent_messages_total":
                    values["messagesOut"] = value
        return measured


def _rates(before: Mapping[str, float], now: Mapping[str, float], seconds: float) -> dict[str, Any]:
    """A second each; `open` is how many now, `latency` the mean in seconds of these answers."""
    rates: dict[str, Any] = {
        name: round((value - before.get(name, 0)) / seconds, 2) for name, value in now.items()
    }
    rates["open"] = now["open"]
    count = now.get("latencyCount", 0) - before.get("latencyCount", 0)
    if count:
        rates["latency"] = (now["latencySum"] - before.get("latencySum", 0)) / count
    rates.pop("latencySum", None)
    rates.pop("latencyCount", None)
    return rates
