"""A promise, and what a run of it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


class CannotRun(Exception):
    """A promise cannot be measured here; the message says what is missing."""


@dataclass(frozen=True)
class Figure:
    """One measured value, and its bar: the most that it may be.

    `isTime` is for a value that depends on how busy and how fast the machine is. A table shows
    it beside its bar; a test does not judge it.
    """

    what: str
    value: float
    unit: str = ""
    most: float = float("inf")
    isTime: bool = False

    @property
    def holds(self) -> bool:
        """True if the value is not above its bar."""
        return self.value <= self.most

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        bar = "" if self.most == float("inf") else f" (at most {self.most:,.4g}{unit})"
        return f"{self.what}: {self.value:,.4g}{unit}{bar}{'' if self.holds else ' **missed**'}"


@dataclass(frozen=True)
class Conditions:
    """How long the promises that take any time run (seconds), and the seed of what is random."""

    seconds: float = 90.0
    seed: int = 1


@dataclass(frozen=True)
class Promise:
    """What is promised, how it is tested, and the function that measures it.

    `measure` raises CannotRun. `isSoak` is for one that runs as long as it is given.
    """

    name: str
    text: str
    how: str
    measure: Callable[[Conditions], Iterable[Figure]]
    isSoak: bool = False
