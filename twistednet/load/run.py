"""A load run: its target, timeout, schedule and results, which all its connections share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from twistednet.client.reactors import Reactor
from twistednet.client.targets import Target
from twistednet.load.pacing import Schedule, Sender
from twistednet.load.tally import LoadTally


@dataclass(frozen=True)
class LoadRun:
    """A run against one server, which may be silent for `timeout` seconds."""

    reactor: Reactor
    target: Target
    timeout: float
    schedule: Schedule
    tally: LoadTally


class Senders(Protocol):
    """All connections, or all sockets, of a run."""

    @property
    def patience(self) -> float:
        """The seconds that the last answers of the run may take."""

    def senders(self) -> Sequence[Sender]:
        """Return those that are open."""

    async def close(self) -> None:
        """Close them, and open no others."""
