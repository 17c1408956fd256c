"""Peer text that is safe to show: on a terminal, in a log file, in a reply.

What a peer sends may move the cursor, ring the bell, reverse the reading order
or fake a line of the log. Shown text is printable ASCII; all else is escaped
the way Python writes bytes, so that what was sent can be read off exactly.
"""

from __future__ import annotations

import unicodedata

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def shown(data: bytes | str, limit: int = 256) -> str:
    """`data` as printable ASCII (0x20 to 0x7E), at most about `limit` characters.

    Of what does not fit, the number of bytes (characters, for text) is told.
    """
    text = data.decode("latin-1") if isinstance(data, bytes) else data
    head = "".join(map(_shownCharacter, text[:limit]))
    rest = len(text) - limit
    return head if rest <= 0 else f"{head}... (+{rest})"


def _shownCharacter(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if 0x20 <= code <= 0x7E:
        return character
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def place(address: object) -> str:
    """A peer's address as people write it: 127.0.0.1:8888, [::1]:8888, or a path.

    `address` is a (host, port) pair, or has `host` and `port`, or a `name`.
    """
    if isinstance(address, tuple):
        host, port = address[:2]
    else:
        host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        name = getattr(address, "name", None)
        return f"unix:{shown(name)}" if name else "unix socket"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# Formatting characters that reorder or hide the text around them: the bidi
# controls (UAX #9) and the zero-width ones that no script needs.
_DECEPTIVE = frozenset("\u061c\u200b\u200e\u200f\u2060\ufeff") | frozenset(
    chr(code) for low, high in ((0x202A, 0x202E), (0x2066, 0x2069)) for code in range(low, high + 1)
)
_UNREADABLE = {"Cc", "Cn", "Co", "Cs", "Zl", "Zp"}


def readable(text: str) -> str:
    """`text` for another person to read: any script, but nothing that acts on a screen.

    Controls, line separators, bidi controls and characters without a meaning of
    their own are escaped as in `shown`; a tab becomes a space.
    """
    if text.isprintable():
        return text
    return "".join(map(_readableCharacter, text))


def _readableCharacter(character: str) -> str:
    if character == "\t":
        return " "
    if character in _DECEPTIVE or unicodedata.category(character) in _UNREADABLE:
        return _shownCharacter(character)
    return character
