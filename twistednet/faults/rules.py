"""One rule, such as `echo: latency 100ms jitter 20ms, first 2`, and its normal form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from random import Random
from typing import TypeVar

from twistednet.faults.model import FaultKind
from twistednet.faults.values import Form

T = TypeVar("T")


def _qualifier(*forms: str, default: T) -> T:
    """Return a field of `Rule` for a qualifier. Of several forms, each is its own value."""
    return field(default=default, metadata={"forms": [Form(form) for form in forms]})


@dataclass(frozen=True)
class Rule:
    """Which fault acts on what. `str` of it is its normal form, which reads back as it.

    All qualifiers must hold. Those with a number count what the kind counts, among what the
    conditions let through. Those of connections choose connections first.
    """

    service: str
    kind: FaultKind
    values: tuple[object, ...] = ()
    direction: str = _qualifier("in", "out", default="")
    first: int | None = _qualifier("first N", default=None)
    every: int | None = _qualifier("every NTH", default=None)
    nth: int | None = _qualifier("the NTH", default=None)
    percent: float | None = _qualifier("PERCENT", default=None)
    firstConnections: int | None = _qualifier("first N connections", default=None)
    everyConnection: int | None = _qualifier("every NTH connection", default=None)
    nthConnection: int | None = _qualifier("the NTH connection", default=None)
    percentConnections: float | None = _qualifier("PERCENT of connections", default=None)
    network: IPv4Network | IPv6Network | None = _qualifier("from NETWORK", default=None)
    afterBytes: int | None = _qualifier("after SIZE", default=None)
    afterTime: float | None = _qualifier("after TIME", default=None)
    text: str | None = _qualifier("matching TEXT", default=None)
    times: int | None = _qualifier("N times", default=None)
    lasting: float | None = _qualifier("for TIME", default=None)
    newConnections: str | None = _qualifier("new connections", default=None)
    seed: int | None = _qualifier("seed NUMBER", default=None)

    def __str__(self) -> str:
        return ", ".join((f"{self.service}: {self.kind.form.write(self.values)}", *self._written()))

    def _written(self) -> Iterable[str]:
        for name, forms in QUALIFIERS.items():
            value = getattr(self, name)
            isDefault = name == "direction" and value == self.kind.direction
            if value not in (None, "") and not isDefault:
                yield forms[0].write((value,)) if forms[0].types else value

    def chooses(self, seen: int, random: Random) -> bool:
        """True if the rule acts on the one with this number, counted from 1."""
        return _isChosen(seen, random, self.first, self.every, self.nth, self.percent)

    def choosesConnection(self, number: int, random: Random) -> bool:
        """True if the rule acts on the connection with this number, counted from 1."""
        return _isChosen(
            number,
            random,
            self.firstConnections,
            self.everyConnection,
            self.nthConnection,
            self.percentConnections,
        )


def _isChosen(
    number: int,
    random: Random,
    first: int | None,
    every: int | None,
    nth: int | None,
    percent: float | None,
) -> bool:
    # Drawn whatever the other qualifiers are, so that the schedule depends on counts alone.
    isDrawn = percent is None or random.random() * 100 < percent
    return (
        isDrawn
        and (first is None or number <= first)
        and (every is None or number % every == 0)
        and (nth is None or number == nth)
    )


#: The forms of each qualifier, by the name of its field.
QUALIFIERS: dict[str, list[Form]] = {
    one.name: one.metadata["forms"] for one in fields(Rule) if one.metadata
}

#: Qualifiers of connections, and those that mean the same if the kind counts connections.
CONNECTION_QUALIFIERS = {
    "firstConnections": "first",
    "everyConnection": "every",
    "nthConnection": "nth",
    "percentConnections": "percent",
}
