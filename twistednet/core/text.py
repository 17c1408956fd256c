"""Text of peers, made printable: for terminals, log files and replies; and addresses.

Data of a peer may move the cursor, ring the bell, reverse the reading order or fake a line
of the log. `shown` returns printable ASCII; other characters are escaped as Python escapes
bytes, so that the exact data can be read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address, ip_address

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def shown(data: bytes | str, limit: int = 256) -> str:
    """Return `data` as printable ASCII (0x20 to 0x7E), cut after `limit` bytes or characters.

    The number of bytes (of characters, for text) that were cut stands at the end.
    """
    text = data.decode("latin-1") if isinstance(data, bytes) else data
    head = "".join(map(_shownCharacter, text[:limit]))
    rest = len(text) - limit
    return head if rest <= 0 else f"{head}... (+{rest})"


def quoted(value: object) -> str:
    """Return a value as Python writes it, cut to 80 characters, for a message of one line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _shownCharacter(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if 0x20 <= code <= 0x7E:
        return character
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: what was perhaps meant, or all."""
    known = list(known)
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"


def hostOf(address: object) -> str | None:
    """Return the IP address in `address`; None if it has none, as a UNIX socket's."""
    host = getattr(address, "host", None)
    return host if isinstance(host, str) else None


def ipAddress(host: str) -> IPv4Address | IPv6Address:
    """Return the address of a host, without a zone; an IPv4-mapped one is one of IPv4.

    (RFC 4291, 2.5.5.2.) Raises ValueError for what is not an address.
    """
    address = ip_address(host.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def addressText(address: object) -> str:
    """Return an address as people write it: 127.0.0.1:8888, [::1]:8888, or a path.

    `address` is a (host, port) pair, or has `host` and `port`, or a `name`.
    """
    if isinstance(address, tuple):
        host, port = address[:2]
    else:
        host, port = hostOf(address), getattr(address, "port", None)
    if host is None:
        name = getattr(address, "name", None)
        return f"unix:{shown(name)}" if name else "unix socket"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# Drawn as nothing: Unicode's Default_Ignorable_Code_Point (UAX #44), which has
# the bidi controls (UAX #9) in it, and the annotation marks U+FFF9 to U+FFFB.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
# Of these, scripts and emoji need the two joiners and the two variation selectors for text
# and emoji.
_NEEDED = frozenset("\u200c\u200d\ufe0e\ufe0f")
_UNREADABLE = {"Cc", "Cn", "Co", "Cs", "Zl", "Zp"}


def unseen(text: str) -> bool:
    """True if `text` has a character that is drawn as nothing."""
    return _UNSEEN.search(text) is not None


def readable(text: str) -> str:
    """Return `text` for another person to read: any script, but nothing that acts on a screen.

    Controls, line separators, unassigned and private characters, and characters that are
    drawn as nothing are escaped as in `shown`; a tab becomes a space.
    """
    if text.isprintable() and not unseen(text):
        return text
    return "".join(map(_readableCharacter, text))


def _readableCharacter(character: str) -> str:
    if character == "\t":
        return " "
    hidden = unseen(character) and character not in _NEEDED
    if hidden or unicodedata.category(character) in _UNREADABLE:
        return _shownCharacter(character)
    return character
