"""The book of questions and answers."""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from collections.abc import Mapping

UNKNOWN = "Nothing"

_CLOSING = " .?!,;:\u3002\uff1f\uff01\u2026"

#: Characters of a question that are remembered.
MOST_REMEMBERED = 100
#: Questions whose normal form is remembered.
_MOST_KNOWN = 1024
_known: dict[str, str] = {}


def normalised(question: str) -> str:
    """What two ways to write one question have in common.

    Case, spacing, Unicode form (NFKC, then case folding) and closing punctuation
    do not count.
    """
    known = _known.get(question)
    if known is not None:
        return known
    folded = unicodedata.normalize("NFKC", question).casefold()
    normal = " ".join(folded.split()).rstrip(_CLOSING)
    # Outside of ASCII one character may become eighteen: what a peer may make us
    # keep would no longer be bounded by what it sends.
    if question.isascii() and len(question) <= MOST_REMEMBERED:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[question] = normal
    return normal


class AnswerBook:
    """Questions and their answers, and the questions that had none.

    Raises ValueError, naming the entry, for a question that is empty, stands
    twice, or has an answer that is no single line of text.
    """

    #: How many different unanswered questions are remembered, the latest first to stay.
    MOST_UNANSWERED = 1_000

    def __init__(self, answers: Mapping[str, str]) -> None:
        self._answers: dict[str, str] = {}
        self.unanswered: OrderedDict[str, int] = OrderedDict()
        for question, answer in answers.items():
            key = normalised(question)
            if not key:
                raise ValueError(f"{question!r} is no question: give it some letters")
            if key in self._answers:
                raise ValueError(f"{question!r} stands twice: keep one of them")
            if not isinstance(answer, str) or not answer.isprintable() or not answer:
                raise ValueError(f"the answer to {question!r} must be one line of text in quotes")
            self._answers[key] = answer

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, question: str) -> str:
        """The answer, or `UNKNOWN`; an unanswered question's beginning is counted and kept."""
        key = normalised(question)
        found = self._answers.get(key)
        if found is not None:
            return found
        key = key[:MOST_REMEMBERED]
        self.unanswered[key] = self.unanswered.pop(key, 0) + 1
        if len(self.unanswered) > self.MOST_UNANSWERED:
            self.unanswered.popitem(last=False)
        return UNKNOWN


DEFAULT_ANSWERS = {"how are u": "fine", "how old are u": "nicai"}
