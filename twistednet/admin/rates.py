"""Rates of each service, and the active faults."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.interfaces import IReactorTime

from twistednet.admin.interfaces import DaemonAPI
from twistednet.admin.totals import totals
from twistednet.core.metrics import Histogram

#: Seconds over which a rate is measured, at least and at most.
MIN_SECONDS = 1.0
MAX_SECONDS = 5.0


class Rates:
    """Rates, measured on request and at most once a second; all readers share them."""

    def __init__(self, clock: IReactorTime, daemon: DaemonAPI) -> None:
        self._clock = clock
        self._daemon = daemon
        self._at = -MAX_SECONDS
        self._before: dict[str, dict[str, float]] = {}
        self._latest: dict[str, object] = {}

    def __call__(self) -> Mapping[str, object]:
        """Return the latest rates: the same object until there are later ones."""
        now = self._clock.seconds()
        seconds = now - self._at
        if seconds >= MIN_SECONDS:
            # Of long ago: nobody has asked since.
            before = self._before if seconds <= MAX_SECONDS else {}
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
        """Return the number of active rules that have not expired."""
        faults = self._daemon.connections.faults
        return sum(not faults.isOver(fault) for fault in faults.active)

    def _playing(self) -> dict[str, object] | None:
        """Return the scenario that is played and its part; the API of scenarios has the details."""
        scenario = self._daemon.player.scenario
        if scenario is None:
            return None
        return {
            "name": scenario.name,
            "part": self._daemon.player.part + 1,
            "of": len(scenario.parts),
        }

    def _measured(self) -> dict[str, dict[str, float]]:
        measured = {name: dict(vars(total)) for name, total in totals(self._daemon).items()}
        for service, count in self._daemon.ports.datagrams().items():
            measured[service]["messagesIn"] = count["datagramsIn"]
            measured[service]["messagesOut"] = count["datagramsOut"]
        for service, figures in self._daemon.ports.metrics():
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


def _rates(
    before: Mapping[str, float], now: Mapping[str, float], seconds: float
) -> dict[str, object]:
    """Return rates per second; `open` is a number, `latency` a mean in seconds."""
    rates: dict[str, object] = {
        name: round((value - before.get(name, 0)) / seconds, 2) for name, value in now.items()
    }
    rates["open"] = now["open"]
    count = now.get("latencyCount", 0) - before.get("latencyCount", 0)
    if count:
        rates["latency"] = (now["latencySum"] - before.get("latencySum", 0)) / count
    rates.pop("latencySum", None)
    rates.pop("latencyCount", None)
    return rates
