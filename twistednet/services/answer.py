"""Answer: answers keyword questions from a book."""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.internet.interfaces import IReactorTime

from twistednet.core.answers import DEFAULT_ANSWERS, UNKNOWN, AnswerBook, normalised
from twistednet.core.metrics import Histogram, Metrics
from twistednet.core.settings import ServiceSettings
from twistednet.services.factory import MessagesFactory
from twistednet.services.messages import Messages


class AnswerFactory(MessagesFactory):
    """The factory of `Answer`; all its connections share one `book`."""

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

    def answered(self, answer: str, since: float, count: int = 1) -> None:
        """Count `count` equal answers to a question that arrived at `since` (seconds)."""
        self._misses += count * (answer == UNKNOWN)
        self._seconds.add(self.clock.seconds() - since, count)

    def metrics(self) -> Metrics:
        return {
            **super().metrics(),
            "answer_hits_total": sum(self._seconds.counts) - self._misses,
            "answer_misses_total": self._misses,
            "answer_seconds": self._seconds,
        }


class Answer(Messages):
    """Answers each question from the book, or `Nothing`; `bye` is answered `Bye` and closes.

    Override: `answer` is given one question, and returns the answer, or a coroutine or
    Deferred of it. The next question waits while an answer is awaited.
    """

    factory: AnswerFactory

    def messageReceived(self, text: str) -> Awaitable[None] | None:
        if normalised(text) == "bye":
            self.send("Bye")
            self.end()
            return None
        since = self.factory.clock.seconds()
        answer = self.answer(text)
        if not isinstance(answer, str):
            return self._answerLater(answer, since)
        self.send(answer)
        self.factory.answered(answer, since)
        return None

    def fixedReply(self, text: str) -> str | None:
        # A subclass may answer the same question in different ways.
        isOurs = type(self).answer is Answer.answer
        isOurs = isOurs and type(self).messageReceived is Answer.messageReceived
        if not isOurs or normalised(text) == "bye":
            return None
        return self.factory.book.answer(text) or None

    def repliedFixed(self, text: str, reply: str, count: int) -> None:
        self.factory.answered(reply, self.factory.clock.seconds(), count)

    def answer(self, question: str) -> str | Awaitable[str]:
        """Return the answer to `question`, which is as it was sent."""
        return self.factory.book.answer(question)

    async def _answerLater(self, awaited: Awaitable[str], since: float) -> None:
        answer = await awaited
        self.send(answer)
        self.factory.answered(answer, since)
