"""core/answers.py: the answer book."""

from __future__ import annotations

import tracemalloc

from twisted.trial.unittest import SynchronousTestCase

from twistednet.core.answers import DEFAULT_ANSWERS, UNKNOWN, AnswerBook


class AnswerBookTests(SynchronousTestCase):
    """Questions as people write them."""

    def test_default(self) -> None:
        """The questions of the tutorials have the answers of the tutorials."""
        book = AnswerBook(DEFAULT_ANSWERS)
        self.assertEqual(len(book), 2)
        self.assertEqual(book.answer("how are u"), "fine")
        self.assertEqual(book.answer("how old are u"), "nicai")

    def test_waysToWrite(self) -> None:
        """Case, spacing, Unicode form and closing punctuation do not count."""
        book = AnswerBook({"Wie geht's, Straße?": "gut", "ﬁne？": "yes"})
        for question in (
            "wie geht's, strasse",
            "  WIE   GEHT'S,\tSTRASSE ?!",
            "Wie geht\u0027s, Stra\u00dfe...",
        ):
            self.assertEqual(book.answer(question), "gut", question)
        self.assertEqual(book.answer("FINE"), "yes")
        self.assertEqual(book.answer("Ｆｉｎｅ？"), "yes")

    def test_unanswered(self) -> None:
        """A question that is not in the book gets `Nothing`, and is counted."""
        book = AnswerBook({})
        for question in ("why", "Why?", "when"):
            self.assertEqual(book.answer(question), UNKNOWN)
        self.assertEqual(dict(book.unanswered), {"why": 2, "when": 1})

    def test_unansweredIsBounded(self) -> None:
        """The oldest of too many unanswered questions is dropped."""
        book = AnswerBook({})
        book.MAX_UNANSWERED = 2
        for question in ("a", "b", "a", "c"):
            book.answer(question)
        self.assertEqual(dict(book.unanswered), {"a": 2, "c": 1})

    def test_memoryIsBounded(self) -> None:
        """Little is kept of a question, however long its normal form is."""
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        book = AnswerBook({})
        for filling in ("\ufdfa" * 60, "x" * 90, "\U00010400" * 500):
            for number in range(5_000):
                book.answer(f"{number}{filling}")
        self.assertLess(tracemalloc.get_traced_memory()[0], 1 << 20)

    def test_badEntries(self) -> None:
        """The error of a wrong entry names it."""
        for answers, named in (
            ({"?": "x"}, "'\\?' is not a question"),
            ({"a": "x", "A?": "y"}, "'A\\?' stands twice"),
            ({"a": "x\ny"}, "the answer to 'a'"),
            ({"a": ""}, "the answer to 'a'"),
            ({"a": 1}, "the answer to 'a'"),
        ):
            with self.assertRaisesRegex(ValueError, named):
                AnswerBook(answers)  # type: ignore[arg-type]
