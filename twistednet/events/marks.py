"""Marks of a conversation: what happened to it between its chunks."""

from __future__ import annotations

from dataclasses import dataclass

#: Bytes of an action of a fault besides its texts, and of a pause.
MARK_OVERHEAD = 220
PAUSE_BYTES = 120


@dataclass(frozen=True, slots=True)
class FaultMark:
    """One action of a fault, at `at` as of a chunk; `Faulted` explains the other fields."""

    at: float
    fault: str
    rule: str
    count: int
    did: str

    def __str__(self) -> str:
        return f"fault {self.fault}: {self.did} ({self.rule}; {self.count} by now)"

    @property
    def isReset(self) -> bool:
        """True if it ended the connection with a RST."""
        return self.did.split(", ")[-1] == "reset"

    @property
    def size(self) -> int:
        """The bytes that it takes in memory."""
        return MARK_OVERHEAD + len(self.rule) + len(self.did)


@dataclass(frozen=True, slots=True)
class PauseMark:
    """A pause, at `at` as of a chunk, that ended a message of `size` bytes without a line end."""

    at: float
    size: int

    def __str__(self) -> str:
        return f"a pause ended a message of {self.size} B"
