"""Journals that tests fill."""

from __future__ import annotations

from unittest.mock import patch

from twistednet.events.journal import Journal
from twistednet.events.model import Faulted


def add(
    journal: Journal, number: int, at: float, direction: str, data: bytes, callback: str
) -> bool:
    """Tell the conversation of this number of a chunk, at this time. Does it want more?"""
    one = journal.get(number)
    if one is None:
        return False
    with patch.object(one, "_now", lambda: at):
        if direction == "in":
            return one.received(data, callback)
        one.inside = callback
        return one.sent(data)


def pause(journal: Journal, number: int, at: float, size: int) -> None:
    """A pause ends a message of this size."""
    one = journal.get(number)
    assert one is not None
    with patch.object(one, "_now", lambda: at):
        one.paused(size)


def act(journal: Journal, number: int, at: float, did: str, rule: str = "echo: drop") -> None:
    """A fault acts on the conversation of this number, at this time."""
    journal(Faulted(number, "echo", "p", rule.split()[1], rule, 1, did, at))
