"""Rules as people write them: read, or refused with what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from twistednet.faults.kinds import KINDS
from twistednet.faults.model import FaultKind
from twistednet.faults.rules import CHOICES, OF_CONNECTIONS, Rule
from twistednet.faults.values import BadWord, parts, words

#: What each carrier of faults is to people.
_CARRIED = {
    "datagram": "datagrams",
    "request": "HTTP requests",
    "stream": "connections",
    "listener": "connections",
}

#: What each service carries, by its name: stream, listener, datagram, request.
Carriers = Mapping[str, Iterable[str]]


class BadFault(ValueError):
    """Which rule is wrong, why, and what would be right, in one line."""


@dataclass(frozen=True)
class Grammar:
    """What rules may name: kinds, and services with what they carry; with None, any."""

    services: Carriers | None = None
    kinds: tuple[FaultKind, ...] = KINDS

    def fitting(self, service: str) -> list[FaultKind]:
        """The kinds that a rule for this service may name. Raises BadWord if there is none."""
        if self.services is None:
            return list(self.kinds)
        if service not in self.services:
            raise BadWord(f"there is no service {service!r}{_guess(service, self.services)}")
        carried = self.services[service]
        return [kind for kind in self.kinds if not kind.carriers.isdisjoint(carried)]


#: Our kinds, and any service.
ANY = Grammar()


def parse(text: str, grammar: Grammar = ANY) -> Rule:
    """The rule that this is. Raises BadFault."""
    try:
        return _parsed(text, grammar)
    except BadWord as why:
        raise BadFault(f"{text!r}: {why}") from None


def parseAll(text: str, grammar: Grammar) -> list[Rule]:
    """The rules that this is, parted by semicolons. Raises BadFault."""
    try:
        texts = parts(text, ";")
    except BadWord as why:
        raise BadFault(f"{text!r}: {why}") from None
    return [parse(one, grammar) for one in texts]


def _parsed(text: str, grammar: Grammar) -> Rule:
    service, colon, rest = (part.strip() for part in text.partition(":"))
    if not colon or not service or not rest:
        raise BadWord("a rule is a service, a colon and a fault, as in echo: latency 100ms")
    fitting = grammar.fitting(service)
    first, *others = parts(rest) or [""]
    kind, values = _kindOf(first, grammar.kinds, fitting)
    if kind not in fitting:
        carried = next(what for one, what in _CARRIED.items() if one in kind.carriers)
        raise BadWord(f"{kind.name} is for {carried}, and {service} has none")
    return Rule(service, kind, values, **_checked(kind, _chosen(kind, others)))


def _chosen(kind: FaultKind, texts: list[str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for text in texts:
        name, value = _choiceOf(text)
        if kind.counts == "connections":
            name = OF_CONNECTIONS.get(name, name)
        if name in chosen:
            raise BadWord(f"{text}: it is said twice")
        chosen[name] = value
    return chosen


def _kindOf(
    text: str, kinds: Iterable[FaultKind], fitting: list[FaultKind]
) -> tuple[FaultKind, tuple[Any, ...]]:
    """The kind, whether it fits or not; what is said of a bad one names those that fit."""
    found = words(text)
    problem: BadWord | None = None
    for kind in kinds:
        try:
            values = kind.form.match(found)
        except BadWord as why:
            problem = problem or why
            continue
        if values is not None:
            return kind, values
    if problem is not None:
        raise problem
    parted = _parted(found, kinds)
    if parted:
        raise BadWord(f"{text!r} wants a comma: write {parted}")
    forms = [kind.form.text for kind in fitting]
    alike = [form for form in forms if found and form.split()[0] == found[0]]
    if alike:
        raise BadWord(f"{text!r} is written as {' or '.join(alike)}")
    names = dict.fromkeys(kind.name for kind in fitting)
    raise BadWord(f"there is no fault {text!r}{_guess(found[0] if found else '', names)}")


def _parted(found: list[str], kinds: Iterable[FaultKind]) -> str:
    """The words with a comma, if they are a kind and a choice then."""
    for cut in range(1, len(found)):
        head, tail = found[:cut], " ".join(found[cut:])
        with suppress(BadWord):
            if any(kind.form.match(head) is not None for kind in kinds) and _choiceOf(tail):
                return f"{' '.join(head)}, {tail}"
    return ""


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


def _checked(kind: FaultKind, chosen: dict[str, Any]) -> dict[str, Any]:
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
