"""twistd -n netdemo --answer-class=patient.Patient"""

from twisted.internet.task import deferLater

from twistednet import Answer


class Patient(Answer):
    """Thinks for a moment before it answers, and keeps nobody else waiting.

    Whatever can be awaited goes here: a request to another server, a database.
    """

    async def answer(self, question: str) -> str:
        await deferLater(self.factory.clock, 0.05)
        return f"I thought about {question!r}"
