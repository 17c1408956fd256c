"""One rule, such as `echo: latency 100ms jitter 20ms, first 2`, and how it is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from random import Random
from typing import Any

from twistednet.faults.model import FaultKind
from twistednet.faults.values import Form


def _choice(*forms: str, default: Any = None) -> Any:
    """A field of `Rule` after the comma. With several forms, each is its own value."""
    return field(default=default, metadata={"forms": [Form(form) for form in forms]})


@dataclass(frozen=True)
class Rule:
    """What is to go wrong where. `str` of it is its normal form, which reads back as it.

    Of the choices all that are given must hold. Those with a number count what the kind
    counts, in as far as the others let it through; those of connections choose these first.
    """

    service: str
    kind: FaultKind
    values: tuple[Any, ...] = ()
    direction: str = _choice("in", "out", default="")
    first: int | None = _choice("first N")
    every: int | None = _choice("every NTH")
    nth: int | None = _choice("the NTH")
    percent: float | None = _choice("PERCENT")
    firstConnections: int | None = _choice("first N connections")
    everyConnection: int | None = _choice("every NTH connection")
    nthConnection: int | None = _choice("the NTH connection")
    percentConnections: float | None = _choice("PERCENT of connections")
    network: Any = _choice("from NETWORK")
    afterBytes: int | None = _choice("after SIZE")
    afterTime: float | None = _choice("after TIME")
    text: str | None = _choice("matching TEXT")
    times: int | None = _choice("N times")
    lasting: float | None = _choice("for TIME")
    isNew: str | None = _choice("new connections")
    seed: int | None = _choice("seed NUMBER")

    def __str__(self) -> str:
        chosen = [text for name, text in self._written() if name != "direction" or self._isTurned]
        return ", ".join((f"{self.service}: {self.kind.form.write(self.values)}", *chosen))

    @property
    def _isTurned(self) -> bool:
        return self.direction != self.kind.direction

    def _written(self) -> Iterable[tuple[str, str]]:
        for name, forms in CHOICES.items():
            value = getattr(self, name)
            if value not in (None, ""):
                yield name, forms[0].write((value,)) if forms[0].types else value

    def chooses(self, seen: int, draw: Random) -> bool:
        """Is the so manieth one, counted from 1, among those that are meant?"""
        return _isAmong(seen, draw, self.first, self.every, self.nth, self.percent)

    def choosesConnection(self, met: int, draw: Random) -> bool:
        """Is something to happen on the so manieth connection, counted from 1?"""
        return _isAmong(
            met,
            draw,
            self.firstConnections,
            self.everyConnection,
            self.nthConnection,
            self.percentConnections,
        )


def _isAmong(
    seen: int,
    draw: Random,
    first: int | None,
    every: int | None,
    nth: int | None,
    percent: float | None,
) -> bool:
    # Drawn whatever else the rule says, so that the schedule depends on counts alone.
    isDrawn = percent is None or draw.random() * 100 < percent
    return (
        isDrawn
        and (first is None or seen <= first)
        and (every is None or seen % every == 0)
        and (nth is None or seen == nth)
    )


#: The forms of each choice, by the name of the field.
CHOICES: dict[str, list[Form]] = {
    one.name: one.metadata["forms"] for one in fields(Rule) if one.metadata
}

#: Choices of connections, and those that say the same where connections are counted.
OF_CONNECTIONS = {
    "firstConnections": "first",
    "everyConnection": "every",
    "nthConnection": "nth",
    "percentConnections": "percent",
}
