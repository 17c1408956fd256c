"""Answer: keyword questions and answers."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from twistednet.core.answers import DEFAULT_ANSWERS, AnswerBook, normalised
from twistednet.services.fairness import MessagesFactory
from twistednet.services.messages import Messages


class AnswerFactory(MessagesFactory):
    """All connections of the service share one `book`."""

    maxMessages = 2_000

    def __init__(self, protocol: type[Answer], clock: IReactorTime | None = None) -> None:
        super().__init__(protocol, clock)
        self._default = self.book = AnswerBook(DEFAULT_ANSWERS)

    def configure(self, settings: Any) -> None:
        super().configure(settings)
        self.maxMessages = settings.maxQuestions
        self.book = self._default if settings.answers is None else settings.answers


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
        answer = self.answer(text)
        if isinstance(answer, str):
            self.send(answer)
            return None
        return self._sendLater(answer)

    def answer(self, question: str) -> str | Awaitable[str]:
        """The answer to `question`, as it was asked."""
        book: AnswerBook = self.factory.book
        return book.answer(question)

    async def _sendLater(self, answer: Awaitable[str]) -> None:
        self.send(await answer)
