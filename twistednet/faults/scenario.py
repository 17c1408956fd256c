"""A scenario, such as `outage = 10s healthy | 10s echo: latency 1s | 5s echo: refuse`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from twistednet.faults.grammar import BadFault, Grammar, parseAll
from twistednet.faults.rules import Rule
from twistednet.faults.values import BadWord, parts, readTime, words, writeTime

MAX_PARTS = 100

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_AGAIN, _HEALTHY = "again", "healthy"


@dataclass(frozen=True)
class Part:
    """A time in seconds, and the rules that are active for that time."""

    seconds: float
    rules: tuple[Rule, ...]

    def __str__(self) -> str:
        return f"{writeTime(self.seconds)} {'; '.join(map(str, self.rules)) or _HEALTHY}"


@dataclass(frozen=True)
class Scenario:
    """Parts, one after the other; after the last one it is over, or repeats if `isEndless`."""

    name: str
    parts: tuple[Part, ...]
    isEndless: bool

    def __str__(self) -> str:
        texts = [str(part) for part in self.parts] + [_AGAIN] * self.isEndless
        return f"{self.name} = {' | '.join(texts)}"


def parseScenario(text: str, grammar: Grammar) -> Scenario:
    """Return the scenario. Raises BadFault."""
    name, equals, rest = (one.strip() for one in text.partition("="))
    try:
        if not equals or not _NAME.fullmatch(name):
            raise BadWord("a scenario is a name, =, and parts, as in down = 5s echo: refuse")
        texts = parts(rest, "|")
        isEndless = texts[-1:] == [_AGAIN]
        if _AGAIN in texts[:-1]:
            raise BadWord(f"{_AGAIN} may only stand at the end")
        found = [_part(one, grammar) for one in (texts[:-1] if isEndless else texts)]
        if not 0 < len(found) <= MAX_PARTS:
            raise BadWord(f"a scenario has 1 to {MAX_PARTS} parts, and this one {len(found)}")
    except (BadWord, BadFault) as why:
        raise BadFault(f"{text!r}: {why}") from None
    return Scenario(name, tuple(found), isEndless)


def unknownScenario(name: str, known: Iterable[str]) -> str:
    """Return a message: no scenario has this name, and which names there are."""
    return f"there is no scenario {name!r}; there are {', '.join(known) or 'none'}"


def _part(text: str, grammar: Grammar) -> Part:
    first = (words(text) or [""])[0]
    try:
        seconds = readTime(first)
    except BadWord:
        raise BadWord(
            f"{text!r} is not a part: a part begins with a time, as in 10s healthy"
        ) from None
    rest = re.sub(r"^[0-9.]+\s*[a-z]+", "", text).strip()
    if not rest:
        raise BadWord(f"{text!r} has no rule: write {text} healthy, or a rule after the time")
    return Part(seconds, () if rest == _HEALTHY else tuple(parseAll(rest, grammar)))
