"""A scenario, such as `outage = 10s healthy | 10s echo: latency 1s | 5s echo: refuse`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from twistednet.faults.grammar import BadFault, Grammar, parseAll
from twistednet.faults.rules import Rule
from twistednet.faults.values import BadWord, parts, readTime, words, writeTime

#: Parts that a scenario may have.
MOST = 100

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_AGAIN, _HEALTHY = "again", "healthy"


@dataclass(frozen=True)
class Part:
    """So many seconds, and the rules that are in force meanwhile."""

    seconds: float
    rules: tuple[Rule, ...]

    def __str__(self) -> str:
        return f"{writeTime(self.seconds)} {'; '.join(map(str, self.rules)) or _HEALTHY}"


@dataclass(frozen=True)
class Scenario:
    """Parts, one after the other; then all is over, or begins `again`."""

    name: str
    parts: tuple[Part, ...]
    isEndless: bool

    def __str__(self) -> str:
        told = [str(part) for part in self.parts] + [_AGAIN] * self.isEndless
        return f"{self.name} = {' | '.join(told)}"


def parseScenario(text: str, grammar: Grammar) -> Scenario:
    """The scenario that this is. Raises BadFault."""
    name, equals, rest = (one.strip() for one in text.partition("="))
    try:
        if not equals or not _NAME.fullmatch(name):
            raise BadWord("a scenario is a name, =, and parts, as in down = 5s echo: refuse")
        told = parts(rest, "|")
        isEndless = told[-1:] == [_AGAIN]
        if _AGAIN in told[:-1]:
            raise BadWord(f"{_AGAIN} stands at the end, or nowhere")
        found = [_part(one, grammar) for one in (told[:-1] if isEndless else told)]
        if not 0 < len(found) <= MOST:
            raise BadWord(f"a scenario has 1 to {MOST} parts, and this one {len(found)}")
    except (BadWord, BadFault) as why:
        raise BadFault(f"{text!r}: {why}") from None
    return Scenario(name, tuple(found), isEndless)


def unknownScenario(name: str, known: Iterable[str]) -> str:
    """That there is none with this name, and which there are."""
    return f"there is no scenario {name!r}; there are {', '.join(known) or 'none'}"


def _part(text: str, grammar: Grammar) -> Part:
    first = (words(text) or [""])[0]
    try:
        seconds = readTime(first)
    except BadWord:
        raise BadWord(f"{text!r} is no part: it begins with a time, as in 10s healthy") from None
    rest = re.sub(r"^[0-9.]+\s*[a-z]+", "", text).strip()
    if not rest:
        raise BadWord(f"{text!r}: what is to be so long? Write {text} healthy, or a rule")
    return Part(seconds, () if rest == _HEALTHY else tuple(parseAll(rest, grammar)))
