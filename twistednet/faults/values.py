"""The syntax of rules: forms such as `latency TIME [jitter TIME]`, and the values in them.

In a form, a word in capitals stands for a value of that type; every other word stands
for itself. The part in brackets, at the end, may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

#: The longest time that a rule may name, and the largest number of bytes.
MAX_SECONDS, MAX_BYTES = 86_400, 2**53

_MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000}
_BYTES = {"byte": 1, "bytes": 1, "B": 1, "kB": 1000, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2}
_ORDINAL_ENDINGS = {1: "st", 2: "nd", 3: "rd"}

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
#: Matched once, from the beginning: a search for each part would take quadratic time.
_BALANCED = re.compile(rf'(?:{_QUOTED.pattern}|[^"])*', re.DOTALL)
#: A surrogate, which has no UTF-8.
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNIT = "|".join(sorted((*_MICROSECONDS, *_BYTES), key=len, reverse=True))
# A number and its unit are one word, with or without a space between them.
_WORD = re.compile(rf"{_QUOTED.pattern}|[0-9.]+\s+(?:{_UNIT})(?:/s)?(?![^\s,])|[^\s,]+", re.DOTALL)
_PART = rf'(?:{_QUOTED.pattern}|[^{{}}"])+'


class BadWord(ValueError):
    """A word of a rule is wrong; the message says why, and what would be right."""


def parts(text: str, mark: str = ",") -> list[str]:
    """Return what stands between the marks; a mark inside quotes does not separate."""
    if not _BALANCED.fullmatch(text):
        raise BadWord("a quotation mark is not closed")
    return [part.strip() for part in re.findall(_PART.format(mark), text, re.DOTALL)]


def words(text: str) -> list[str]:
    """Return the words of one part. A quoted text is one word, and so is a number with its unit."""
    return [re.sub(r"\s+", "", word) if word[0] != '"' else word for word in _WORD.findall(text)]


@dataclass(frozen=True)
class _Type:
    """How a value is read (or BadWord raised), and written in its normal form."""

    read: Callable[[str], object]
    write: Callable[..., str]


def _scaled(word: str, units: dict[str, int], what: str, maximum: float, bounds: str) -> int:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]+)", word, re.ASCII)
    if match is None or match[2] not in units:
        raise BadWord(f"{word} is not a {what}")
    exact = float(match[1]) * units[match[2]]
    # Infinity cannot be rounded.
    if not exact <= maximum or not round(exact):
        raise BadWord(f"{word} is out of range: use {bounds}")
    return round(exact)


def readTime(word: str) -> float:
    """Return the time in seconds. Raises BadWord."""
    what = "time: write it as 100ms or 2s"
    return _scaled(word, _MICROSECONDS, what, MAX_SECONDS * 10**6, "1us to 24h") / 10**6


def writeTime(seconds: float) -> str:
    """Return the time in the largest unit of which it is a whole number."""
    microseconds = round(seconds * 10**6)
    unit = next(unit for unit in ("s", "ms", "us") if microseconds % _MICROSECONDS[unit] == 0)
    return f"{microseconds // _MICROSECONDS[unit]}{unit}"


def _readSize(word: str) -> int:
    what = "size: write it as 100 bytes or 10KiB"
    return _scaled(word, _BYTES, what, MAX_BYTES, "at least 1 byte")


def _writeSize(size: int) -> str:
    return f"{size} byte" if size == 1 else f"{size} bytes"


def _readRate(word: str) -> int:
    what = "rate: write it as 1000B/s or 10KiB/s"
    if not word.endswith("/s"):
        raise BadWord(f"{word} is not a {what}")
    return _scaled(word[:-2], _BYTES, what, MAX_BYTES, "at least 1B/s")


def _readNumber(word: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", word, re.ASCII):
        raise BadWord(f"{word} is not a whole number")
    return int(word)


def _readCount(word: str) -> int:
    count = _readNumber(word)
    if count == 0:
        raise BadWord("0 is out of range: use at least 1")
    return count


def _readStatus(word: str) -> int:
    if not re.fullmatch("[2-5][0-9]{2}", word, re.ASCII):
        raise BadWord(f"{word} is not a response status: write it as 503, from 200 to 599")
    return int(word)


def _readNth(word: str) -> int:
    match = re.fullmatch("([0-9]{1,15})(st|nd|rd|th)", word, re.ASCII)
    if match is None or int(match[1]) == 0:
        raise BadWord(f"{word} is not an ordinal number: write it as 1st, 2nd, 3rd or 4th")
    return int(match[1])


def _writeNth(number: int) -> str:
    isTeen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if isTeen else _ORDINAL_ENDINGS.get(number % 10, 'th')}"


def _readPercent(word: str) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)%", word, re.ASCII)
    if match is None or not 0 < float(match[1]) <= 100:
        raise BadWord(f"{word} is not a probability: write it as 30% or 0.5%")
    return float(match[1])


def _readNetwork(word: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(word, strict=False)
    except ValueError:
        raise BadWord(f"{word} is not a network: write it as 192.0.2.0/24 or ::1") from None


def _readText(word: str) -> str:
    if not _QUOTED.fullmatch(word) or word == '""':
        raise BadWord(f'{word} is not a quoted text: write it as "bye"')
    if _SURROGATE.search(word):
        # JSON may have one, and so may an argument that is not UTF-8.
        raise BadWord(f"{word!a} is not Unicode text")
    if re.search(r'\\[^"\\]', re.sub(r"\\\\", "", word)):
        raise BadWord(f'{word}: in a text, \\ may only stand before " or \\')
    return re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL)


def _writeText(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


#: The types that a word in capitals may stand for.
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
    """How a kind or a qualifier is written. `str` of it is for people."""

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

    def match(self, found: list[str]) -> tuple[object, ...] | None:
        """Return the values, None for each that was left out; None if this is another form.

        Raises BadWord if the form matches and a value is wrong.
        """
        if len(found) == len(self._head):
            own = self._head
        elif self._tail and len(found) == len(self._head) + len(self._tail):
            own = self._head + self._tail
        else:
            return None
        pairs = [*zip(own, found, strict=True)]
        if any(name != word for name, word in pairs if name not in TYPES):
            return None
        values = [TYPES[name].read(word) for name, word in pairs if name in TYPES]
        return (*values, *[None] * (len(self.types) - len(values)))

    def write(self, values: tuple[object, ...]) -> str:
        """Return the words that these values were read from, in their normal form."""
        given = iter(values)
        own = self._head if None in values else self._head + self._tail
        return " ".join(TYPES[word].write(next(given)) if word in TYPES else word for word in own)
