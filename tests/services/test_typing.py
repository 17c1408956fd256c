"""What a type checker says of a package that subclasses our classes."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.processes import ROOT, temporaryFolder

SOURCE = """
from twisted.internet.interfaces import IReactorTime
from twistednet import Answer, AnswerFactory, Chat, ChatFactory, Messages, MessagesFactory


class StoreFactory(MessagesFactory):
    def __init__(self, protocol: type[Messages], clock: IReactorTime | None = None) -> None:
        super().__init__(protocol, clock)
        self.store: dict[str, str] = {}


class Store(Messages):
    factory: StoreFactory

    def messageReceived(self, text: str) -> None:
        self.send(self.factory.store[text])


class CountingFactory(AnswerFactory):
    count = 0


class Counting(Answer):
    factory: CountingFactory

    def answer(self, question: str) -> str:
        self.factory.count += 1
        return str(self.factory.count)


class Quiet(Chat):
    def said(self, text: str) -> None:
        if self.factory.rooms.people > 1:
            super().said(text.lower())
"""


@pytest.mark.slow
class TypingTests(SynchronousTestCase):
    """`mypy --strict` knows the factory of a subclass."""

    def mypy(self, source: str) -> str:
        if find_spec("mypy") is None:
            raise SkipTest("mypy is not installed")
        path = temporaryFolder(self) / "package.py"
        path.write_text(source)
        command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(path)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout

    def test_right(self) -> None:
        """A subclass that is right passes."""
        self.assertIn("Success", self.mypy(SOURCE))

    def test_misspelt(self) -> None:
        """A misspelt attribute of the factory is an error, in each class of messages."""
        wrong = SOURCE.replace("factory.store[", "factory.stroe[")
        wrong = wrong.replace("factory.rooms", "factory.roms").replace(
            "factory.count)", "factory.coutn)"
        )
        found = self.mypy(wrong)
        for factory, name in (
            ("StoreFactory", "stroe"),
            ("CountingFactory", "coutn"),
            ("ChatFactory", "roms"),
        ):
            self.assertIn(f'"{factory}" has no attribute "{name}"', found)
