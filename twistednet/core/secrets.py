"""Secrets: credentials that are masked in whatever is logged, kept or exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from twistednet.core.text import shown

#: Characters of a secret, in a row, that are masked.
MIN_PART = 8
# Each part of MIN_PART characters has a piece of this length in it that begins at a multiple of
# it, so only such pieces are searched.
_PIECE = MIN_PART // 2
_MASK = "*"


class Secrets:
    """The credentials that are valid now.

    Every part of a secret of `MIN_PART` characters or more is masked: a secret may be cut where
    a line is too long, or where a chunk ends.
    """

    def __init__(self) -> None:
        self._forms: list[_Form] = []

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these from now on, and no others; also as a URL and as `shown` write them."""
        forms = {form for one in secrets for form in (one, quote(one, safe=""), shown(one))}
        self._forms = [_Form(form) for form in sorted(forms)]

    def masked(self, data: bytes) -> bytes:
        """Return `data` with an asterisk for each byte of a secret."""
        return self.maskedText(data.decode("latin-1")).encode("latin-1") if self._forms else data

    def maskedText(self, text: str) -> str:
        """Return `text` with an asterisk for each character of a secret."""
        for form in self._forms:
            for begin, end in form.parts(text):
                text = text[:begin] + _MASK * (end - begin) + text[end:]
        return text


class _Form:
    """One spelling of a secret."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pieces = [
            (text[at : at + _PIECE], at) for at in range(0, len(text) - _PIECE + 1, _PIECE)
        ]

    def parts(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the begin and the end of each part of the secret in `text`."""
        for piece, at in self._pieces:
            found = text.find(piece)
            while found >= 0:
                begin, end = self._grown(text, found, at)
                if end - begin >= MIN_PART:
                    yield begin, end
                found = text.find(piece, found + 1)

    def _grown(self, text: str, found: int, at: int) -> tuple[int, int]:
        """Return the part around the piece at `at` of the secret, which is at `found` of `text`."""
        own, begin, end = self._text, 0, _PIECE
        while min(at, found) + begin > 0 and own[at + begin - 1] == text[found + begin - 1]:
            begin -= 1
        while max(at + end - len(own), found + end - len(text)) < 0 and (
            own[at + end] == text[found + end]
        ):
            end += 1
        return found + begin, found + end
