"""The words of a fault's rule: forms such as `latency TIME [jitter TIME]`.

In a form a capital word stands for a value of that type; all others stand for
themselves. What is in brackets, at the end, may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

#: The longest time, in seconds, and the most bytes and times that a rule may name.
LONGEST, MOST = 86_400, 2**53

_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000}
_SIZES = {"byte": 1, "bytes": 1, "B": 1, "kB": 1000, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2}
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
#: From the beginning once: to look for each by itself takes the square of the time.
_BALANCED = re.compile(rf'(?:{_QUOTED.pattern}|[^"])*', re.DOTALL)
#: Half of a character, which has no UTF-8.
_LONE = re.compile("[\ud800-\udfff]")
_UNIT = "|".join(sorted((*_UNITS, *_SIZES), key=len, reverse=True))
# A number may be parted from its unit by a space, and is one word with it.
_WORD = re.compile(rf"{_QUOTED.pattern}|[0-9.]+\s+(?:{_UNIT})(?:/s)?(?![^\s,])|[^\s,]+", re.DOTALL)
_PART = rf'(?:{_QUOTED.pattern}|[^{{}}"])+'


class BadWord(ValueError):
    """What is wrong with a value, and what would be right."""


def parts(text: str, mark: str = ",") -> list[str]:
    """What stands between commas, or other marks, those inside of quotes not counted."""
    if not _BALANCED.fullmatch(text):
        raise BadWord("a quotation mark is not closed")
    return [part.strip() for part in re.findall(_PART.format(mark), text, re.DOTALL)]


def words(text: str) -> list[str]:
    """The words of one part; a quoted text is one, and a number with its unit."""
    return [re.sub(r"\s+", "", word) if word[0] != '"' else word for word in _WORD.findall(text)]


@dataclass(frozen=True)
class _Type:
    """How a value is read, raising BadWord, and written in its normal form."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]


def _scaled(word: str, units: dict[str, int], what: str, most: float, bounds: str) -> int:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]+)", word, re.ASCII)
    if match is None or match[2] not in units:
        raise BadWord(f"{word} is no {what}")
    exact = float(match[1]) * units[match[2]]
    # An infinite one could not be rounded.
    if not exact <= most or not round(exact):
        raise BadWord(f"{word} is out of range: it is {bounds}")
    return round(exact)


def readTime(word: str) -> float:
    """Seconds. Raises BadWord."""
    return (
        _scaled(word, _UNITS, "time: write it as 100ms or 2s", LONGEST * 10**6, "1us to 24h")
        / 10**6
    )


def writeTime(seconds: float) -> str:
    """In the largest unit of which it is a whole number."""
    micro = round(seconds * 10**6)
    unit = next(one for one in ("s", "ms", "us") if micro % _UNITS[one] == 0)
    return f"{micro // _UNITS[unit]}{unit}"


def _readSize(word: str) -> int:
    return _scaled(word, _SIZES, "size: write it as 100 bytes or 10KiB", MOST, "1 byte at least")


def _writeSize(size: int) -> str:
    return f"{size} byte" if size == 1 else f"{size} bytes"


def _readRate(word: str) -> int:
    if not word.endswith("/s"):
        raise BadWord(f"{word} is no rate: write it as 1000B/s or 10KiB/s")
    what = "rate: write it as 1000B/s or 10KiB/s"
    return _scaled(word[:-2], _SIZES, what, MOST, "1B/s at least")


def _readNumber(word: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", word, re.ASCII):
        raise BadWord(f"{word} is no whole number")
    return int(word)


def _readCount(word: str) -> int:
    count = _readNumber(word)
    if count == 0:
        raise BadWord("0 is too few: it is 1 at least")
    return count


def _readStatus(word: str) -> int:
    if not re.fullmatch("[2-5][0-9]{2}", word, re.ASCII):
        raise BadWord(f"{word} is no status of a reply: write it as 503, from 200 to 599")
    return int(word)


def _readNth(word: str) -> int:
    match = re.fullmatch("([0-9]{1,15})(st|nd|rd|th)", word, re.ASCII)
    if match is None or int(match[1]) == 0:
        raise BadWord(f"{word} is no number in a row: write it as 1st, 2nd, 3rd or 4th")
    return int(match[1])


def _writeNth(number: int) -> str:
    isTeen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if isTeen else _ENDINGS.get(number % 10, 'th')}"


def _readPercent(word: str) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)%", word, re.ASCII)
    if match is None or not 0 < float(match[1]) <= 100:
        raise BadWord(f"{word} is no probability: write it as 30% or 0.5%")
    return float(match[1])


def _readNetwork(word: str) -> Any:
    try:
        return ip_network(word, strict=False)
    except ValueError:
        raise BadWord(f"{word} is no network: write it as 192.0.2.0/24 or ::1") from None


def _readText(word: str) -> str:
    if not _QUOTED.fullmatch(word) or word == '""':
        raise BadWord(f'{word} is no text: write it in quotes, as "bye"')
    if _LONE.search(word):
        # JSON may have it, and what is no UTF-8 in an argument is one, too.
        raise BadWord(f"{word!a} is no Unicode text")
    if re.search(r'\\[^"\\]', re.sub(r"\\\\", "", word)):
        raise BadWord(f'{word}: in a text \\ stands before " and \\ alone')
    return re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL)


def _writeText(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


#: What a capital word of a form may be.
TYPES = {
    "TIME": _Type(readTime, writeTime),
    "SIZE": _Type(_readSize, _writeSize),
    "RATE": _Type(_readRate, "{}B/s".format),
    "N": _Type(_readCount, str),
    "NUMBER": _Type(_readNumber, str),
    "NTH": _Type(_readNth, _writeNth),
    "STATUS": _Type(_readStatus, str),
    "PERCENT": _Type(_readPercent, lambda percent: f"{percent!r}%".replace(".0%", "%")),
    "NETWORK": _Type(_readNetwork, str),
    "TEXT": _Type(_readText, _writeText),
}


class Form:
    """How a kind or a choice is written. `str` of it is for people."""

    def __init__(self, text: str) -> None:
        self.text = text
        head, _, tail = text.partition(" [")
        self._head = head.split()
        self._tail = tail.rstrip("]").split()

    def __str__(self) -> str:
        return self.text

    @property
    def types(self) -> list[str]:
        """The types of its values, in their order."""
        return [word for word in (*self._head, *self._tail) if word in TYPES]

    def isBegunBy(self, found: list[str]) -> bool:
        """Are the words, where neither is a value, the form's own?"""
        pairs = zip((*self._head, *self._tail), found, strict=False)
        return all(own in TYPES or own == word for own, word in pairs)

    def match(self, found: list[str]) -> tuple[Any, ...] | None:
        """Its values, None for each that was left out; None if this is another form.

        Raises BadWord if the form is right and a value is wrong.
        """
        if len(found) == len(self._head):
            own = self._head
        elif self._tail and len(found) == len(self._head) + len(self._tail):
            own = self._head + self._tail
        else:
            return None
        if not self.isBegunBy(found):
            return None
        pairs = zip(own, found, strict=True)
        values = [TYPES[name].read(word) for name, word in pairs if name in TYPES]
        return (*values, *[None] * (len(self.types) - len(values)))

    def write(self, values: tuple[Any, ...]) -> str:
        """The words that these values were read from, in their normal form."""
        given = iter(values)
        own = self._head if None in values else self._head + self._tail
        return " ".join(TYPES[word].write(next(given)) if word in TYPES else word for word in own)
