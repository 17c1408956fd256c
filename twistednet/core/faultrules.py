"""One rule, such as `echo: latency 100ms jitter 20ms, first 2`: read, and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from random import Random
from typing import Any

from twistednet.core import faulthttp, faultkinds
from twistednet.core.faultsteps import Kind
from twistednet.core.faultwords import BadWord, Form, parts, words

#: Every kind.
KINDS = (*faultkinds.KINDS, *faulthttp.KINDS)


class BadFault(ValueError):
    """Which rule is wrong, why, and what would be right, in one line."""


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
    kind: Kind
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

#: What each carrier of faults is to people.
_CARRIED = {
    "datagram": "datagrams",
    "request": "HTTP requests",
    "stream": "connections",
    "listener": "connections",
}

#: What each service carries, by its name: stream, listener, datagram, request.
Carriers = Mapping[str, Iterable[str]]


def parse(text: str, services: Carriers | None = None) -> Rule:
    """The rule that this is. Raises BadFault. Without `services` any name will do."""
    try:
        return _parsed(text, services)
    except BadWord as why:
        raise BadFault(f"{text!r}: {why}") from None


def parseAll(text: str, services: Carriers) -> list[Rule]:
    """The rules that this is, parted by semicolons. Raises BadFault."""
    try:
        texts = parts(text, ";")
    except BadWord as why:
        raise BadFault(f"{text!r}: {why}") from None
    return [parse(one, services) for one in texts]


def _parsed(text: str, services: Carriers | None) -> Rule:
    service, colon, rest = (part.strip() for part in text.partition(":"))
    if not colon or not service or not rest:
        raise BadWord("a rule is a service, a colon and a fault, as in echo: latency 100ms")
    if services is not None and service not in services:
        raise BadWord(f"there is no service {service!r}{_guess(service, services)}")
    first, *others = parts(rest) or [""]
    fitting = [
        kind
        for kind in KINDS
        if services is None or not kind.carriers.isdisjoint(services[service])
    ]
    kind, values = _kindOf(first, fitting)
    if kind not in fitting:
        carried = next(what for one, what in _CARRIED.items() if one in kind.carriers)
        raise BadWord(f"{kind.name} is for {carried}, and {service} has none")
    return Rule(service, kind, values, **_checked(kind, _chosen(kind, others)))


def _chosen(kind: Kind, texts: list[str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for text in texts:
        name, value = _choiceOf(text)
        if kind.counts == "connections":
            name = OF_CONNECTIONS.get(name, name)
        if name in chosen:
            raise BadWord(f"{text}: it is said twice")
        chosen[name] = value
    return chosen


def _kindOf(text: str, fitting: list[Kind]) -> tuple[Kind, tuple[Any, ...]]:
    """The kind, whether it fits or not; what is said of a bad one names those that fit."""
    found = words(text)
    problem: BadWord | None = None
    for kind in KINDS:
        try:
            values = kind.form.match(found)
        except BadWord as why:
            problem = problem or why
            continue
        if values is not None:
            return kind, values
    if problem is not None:
        raise problem
    forms = [kind.form.text for kind in fitting]
    alike = [form for form in forms if found and form.split()[0] == found[0]]
    if alike:
        raise BadWord(f"{text!r} is written as {' or '.join(alike)}")
    names = dict.fromkeys(kind.name for kind in fitting)
    raise BadWord(f"there is no fault {text!r}{_guess(found[0] if found else '', names)}")


def _choiceOf(text: str) -> tuple[str, Any]:
    found = words(text) or [""]
    problem: BadWord | None = None
    for name, forms in CHOICES.items():
        for form in forms:
            try:
                values = form.match(found)
            except BadWord as why:
                isLike = found[0] in form.text.split() or found[0].endswith("%")
                problem = why if isLike else problem
                continue
            if values is not None:
                return name, values[0] if values else form.text
    known = [form.text for forms in CHOICES.values() for form in forms]
    raise problem or BadWord(f"{text!r} is no choice{_guess(text, known)}")


def _checked(kind: Kind, chosen: dict[str, Any]) -> dict[str, Any]:
    if "direction" in chosen and not kind.direction:
        raise BadWord(f"{kind.form} has no direction: leave {chosen['direction']!r} out")
    if kind.on == {"listen"} and set(chosen) - {"lasting", "seed"}:
        raise BadWord(f"{kind.form} is for all that connect: it may be for a time, as in for 10s")
    if kind.on == {"accept"} and {"afterBytes", "afterTime", "text"} & set(chosen):
        raise BadWord(f"{kind.form} comes first: nothing can be before it")
    if kind.on == {"request"} and "afterBytes" in chosen:
        raise BadWord(f"{kind.form} is of whole replies: leave 'after SIZE' out")
    return {"direction": kind.direction, **chosen}


def _guess(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
