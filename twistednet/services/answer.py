"""Answer: keyword questions and answers."""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.internet.interfaces import IReactorTime

from twistednet.core.answers import DEFAULT_ANSWERS, UNKNOWN, AnswerBook, normalised
from twistednet.core.metrics import Histogram, Metrics
from twistednet.core.settings import ServiceSettings
from twistednet.services.fairness import MessagesFactory
from twistednet.services.messages import Messages


class AnswerFactory(MessagesFactory):
    """All connections of the service share one `book`."""

    maxMessages = 2_000

    def __init__(self, protocol: type[Answer], clock: IReactorTime | None = None) -> None:
        super().__init__(protocol, clock)
        self._default = self.book = AnswerBook(DEFAULT_ANSWERS)
        self._misses = 0
        self._seconds = Histogram(0.00001, 0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)

    def configure(self, settings: ServiceSettings) -> None:
        super().configure(settings)
        self.maxMessages = settings.maxQuestions
        self.book = self._default if settings.answers is None else settings.answers

    def answered(self, answer: str, asked: float) -> None:
        """A question has this answer; it was asked at this time of the clock."""
        self._misses += answer == UNKNOWN
        self._seconds.add(self.clock.seconds() - asked)

    def metrics(self) -> Metrics:
        return {
            **super().metrics(),
            "answer_hits_total": sum(self._seconds.counts) - self._misses,
            "answer_misses_total": self._misses,
            "answer_seconds": self._seconds,
        }


class Answer(Messages):
    """Answers each question from the book, or `Nothing`; `bye` gets `Bye` and the end.

    Override: `answer` is given one question, and returns the answer or a
    coroutine or Deferred of it. Questions wait their turn while one is awaited.
    """

    def messageReceived(self, text: str) -> Awaitable[None] | None:
        if normalised(text) == "bye":
            self.send("Bye")
            self.end()
            return None
        asked = self.factory.clock.seconds()
        answer = self.answer(text)
        if not isinstance(answer, str):
            return self._giveLater(answer, asked)
        self.send(answer)
        self.factory.answered(answer, asked)
        return None

    def answer(self, question: str) -> str | Awaitable[str]:
        """The answer to `question`, as it was asked."""
        book: AnswerBook = self.factory.book
        return book.answer(question)

    async def _giveLater(self, awaited: Awaitable[str], asked: float) -> None:
        answer = await awaited
        self.send(answer)
        self.factory.answered(answer, asked)
