"""Parser of fault rules; the error for a bad rule says what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from twistednet.core.text import suggestion
from twistednet.faults.kinds import KINDS
from twistednet.faults.model import FaultKind
from twistednet.faults.rules import CONNECTION_QUALIFIERS, QUALIFIERS, Rule
from twistednet.faults.values import BadWord, parts, words

#: What messages call that which each carrier carries.
_CARRIED = {
    "datagram": "datagrams",
    "request": "HTTP requests",
    "stream": "connections",
    "listener": "connections",
}

#: The carriers of each service (stream, listener, datagram, request), by its name.
Carriers = Mapping[str, Iterable[str]]


class BadFault(ValueError):
    """A rule is wrong; the message is one line: the rule, why, and what would be right."""


@dataclass(frozen=True)
class Grammar:
    """What rules may name: kinds, and services with their carriers; with None, any service."""

    services: Carriers | None = None
    kinds: tuple[FaultKind, ...] = KINDS

    def kindsFor(self, service: str) -> list[FaultKind]:
        """Return the kinds that fit the service. Raises BadWord if it is unknown."""
        if self.services is None:
            return list(self.kinds)
        if service not in self.services:
            raise BadWord(f"there is no service {service!r}{suggestion(service, self.services)}")
        carried = self.services[service]
        return [kind for kind in self.kinds if not kind.carriers.isdisjoint(carried)]


#: The kinds of this package, and any service.
ANY_SERVICE = Grammar()


def parse(text: str, grammar: Grammar = ANY_SERVICE) -> Rule:
    """Return the rule. Raises BadFault."""
    try:
        return _parsed(text, grammar)
    except BadWord as why:
        raise BadFault(f"{text!r}: {why}") from None


def parseAll(text: str, grammar: Grammar) -> list[Rule]:
    """Return the rules, which semicolons separate. Raises BadFault."""
    try:
        texts = parts(text, ";")
    except BadWord as why:
        raise BadFault(f"{text!r}: {why}") from None
    return [parse(rule, grammar) for rule in texts]


def _parsed(text: str, grammar: Grammar) -> Rule:
    service, colon, rest = (part.strip() for part in text.partition(":"))
    if not colon or not service or not rest:
        raise BadWord("a rule is a service, a colon and a fault, as in echo: latency 100ms")
    fitting = grammar.kindsFor(service)
    first, *others = parts(rest) or [""]
    kind, values = _kindOf(first, grammar.kinds, fitting)
    if kind not in fitting:
        carried = next(what for carrier, what in _CARRIED.items() if carrier in kind.carriers)
        raise BadWord(f"{kind.name} is for {carried}, and {service} has none")
    qualifiers = _qualifiers(kind, others)
    kind.checkQualifiers(qualifiers)
    return Rule(service, kind, values, **{"direction": kind.direction, **qualifiers})


def _qualifiers(kind: FaultKind, texts: list[str]) -> dict[str, Any]:
    """Return the values of the qualifiers, by the names of the fields of `Rule`."""
    qualifiers: dict[str, Any] = {}
    for text in texts:
        name, value = _qualifierOf(text)
        if kind.counts == "connections":
            name = CONNECTION_QUALIFIERS.get(name, name)
        if name in qualifiers:
            raise BadWord(f"{text}: the rule has such a qualifier already")
        qualifiers[name] = value
    return qualifiers


def _kindOf(
    text: str, kinds: Iterable[FaultKind], fitting: list[FaultKind]
) -> tuple[FaultKind, tuple[object, ...]]:
    """Return the kind, whether it fits or not, and its values.

    The message for a bad one names those that fit.
    """
    found = words(text)
    problem: BadWord | None = None
    for kind in kinds:
        for form in kind.forms:
            try:
                values = form.match(found)
            except BadWord as why:
                problem = problem or why
                continue
            if values is not None:
                return kind, values
    raise problem or BadWord(_unknown(text, found, kinds, fitting))


def _unknown(
    text: str, found: list[str], kinds: Iterable[FaultKind], fitting: list[FaultKind]
) -> str:
    """Return what is wrong with a text that no kind has as its form."""
    separated = _separated(found, kinds)
    if separated:
        return f"{text!r} needs a comma: write {separated}"
    forms = [kind.form.text for kind in fitting]
    alike = [form for form in forms if found and form.split()[0] == found[0]]
    if alike:
        return f"{text!r} is written as {' or '.join(alike)}"
    names = dict.fromkeys(kind.name for kind in fitting)
    return f"there is no fault {text!r}{suggestion(found[0] if found else '', names)}"


def _separated(found: list[str], kinds: Iterable[FaultKind]) -> str:
    """Return the words with a comma, if that makes them a kind and a qualifier."""
    forms = [form for kind in kinds for form in kind.forms]
    for cut in range(1, len(found)):
        head, tail = found[:cut], " ".join(found[cut:])
        with suppress(BadWord):
            if any(form.match(head) is not None for form in forms) and _qualifierOf(tail):
                return f"{' '.join(head)}, {tail}"
    return ""


def _qualifierOf(text: str) -> tuple[str, object]:
    """Return the name of the qualifier's field, and its value."""
    found = words(text) or [""]
    problem: BadWord | None = None
    for name, forms in QUALIFIERS.items():
        for form in forms:
            try:
                values = form.match(found)
            except BadWord as why:
                isLike = found[0] in form.text.split() or found[0].endswith("%")
                problem = why if isLike else problem
                continue
            if values is not None:
                return name, values[0] if values else form.text
    known = [form.text for forms in QUALIFIERS.values() for form in forms]
    raise problem or BadWord(f"{text!r} is not a qualifier{suggestion(text, known)}")
