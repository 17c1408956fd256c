"""TOML: the parser of the standard library, with errors of one kind and bounded time."""

from __future__ import annotations

import re
import tomllib
from typing import Any

#: Parts of a dotted key. The parser's time grows with their square: 50,000 take seconds.
MAX_KEY_PARTS = 32

_PART = r"(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+"
_LONG_KEY = re.compile(rf"(?<![\w-])(?:{_PART}){{{MAX_KEY_PARTS}}}")


class BadTOML(ValueError):
    """A text is not TOML, or not what the parser can take."""


def _checkIntegers(value: object) -> None:
    """Raise BadTOML for an integer that is not one of TOML's, which have 64 bits."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            _checkIntegers(one)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise BadTOML("an integer does not fit into 64 bits")


def parseTOML(text: str) -> dict[str, Any]:
    """Return the content of a TOML document. Raises BadTOML."""
    if _LONG_KEY.search(text):
        raise BadTOML(f"a key has more than {MAX_KEY_PARTS} parts")
    try:
        content = tomllib.loads(text)
        _checkIntegers(content)
        return content
    except BadTOML:
        raise
    except tomllib.TOMLDecodeError as error:
        raise BadTOML(str(error)) from None
    except RecursionError:
        raise BadTOML("it is nested too deeply") from None
    except ValueError:
        # Of int(), whose message is for programmers.
        raise BadTOML("an integer has thousands of digits") from None
