"""The answer book: questions, their answers, and the questions without an answer."""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from collections.abc import Mapping

UNKNOWN = "Nothing"

_CLOSING = " .?!,;:\u3002\uff1f\uff01\u2026"

#: Characters of an unanswered question that are kept.
MAX_KEPT_CHARACTERS = 100
#: Questions whose normal form is cached.
_MAX_CACHED = 1024
_cached: dict[str, str] = {}


def normalised(question: str) -> str:
    """Return the normal form of a question.

    Case, spacing, the Unicode form (NFKC, then case folding) and punctuation at the end do
    not matter.
    """
    cached = _cached.get(question)
    if cached is not None:
        return cached
    folded = unicodedata.normalize("NFKC", question).casefold()
    normal = " ".join(folded.split()).rstrip(_CLOSING)
    # Outside of ASCII one character may become eighteen, so the memory of the cache would not
    # be bounded by what peers send.
    if question.isascii() and len(question) <= MAX_KEPT_CHARACTERS:
        if len(_cached) >= _MAX_CACHED:
            _cached.clear()
        _cached[question] = normal
    return normal


class AnswerBook:
    """Questions with their answers, and the questions that had none.

    Raises ValueError, which names the entry, for a question that is empty or stands twice,
    and for an answer that is not one line of text.
    """

    #: Unanswered questions that are kept; the oldest are dropped first.
    MAX_UNANSWERED = 1_000

    def __init__(self, answers: Mapping[str, str]) -> None:
        self._answers: dict[str, str] = {}
        self.unanswered: OrderedDict[str, int] = OrderedDict()
        for question, answer in answers.items():
            key = normalised(question)
            if not key:
                raise ValueError(f"{question!r} is not a question: write some letters")
            if key in self._answers:
                raise ValueError(f"{question!r} stands twice: keep one of them")
            if not isinstance(answer, str) or not answer.isprintable() or not answer:
                raise ValueError(f"the answer to {question!r} must be one line of text in quotes")
            self._answers[key] = answer

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, question: str) -> str:
        """Return the answer, or `UNKNOWN`, and count an unanswered question."""
        key = normalised(question)
        found = self._answers.get(key)
        if found is not None:
            return found
        key = key[:MAX_KEPT_CHARACTERS]
        self.unanswered[key] = self.unanswered.pop(key, 0) + 1
        if len(self.unanswered) > self.MAX_UNANSWERED:
            self.unanswered.popitem(last=False)
        return UNKNOWN


DEFAULT_ANSWERS = {"how are u": "fine", "how old are u": "nicai"}
