"""The kinds of faults that only datagrams have. Add a function and its row."""

from __future__ import annotations

from dataclasses import replace

from twistednet.faults.kinds.streams import latency
from twistednet.faults.model import Act, Kind, Memory, Step


def loss(step: Step, memory: Memory, percent: float) -> list[Step]:
    """It is lost, with this probability."""
    return [] if memory.draw.random() * 100 < percent else [step]


def duplicate(step: Step, memory: Memory) -> list[Step]:
    """It comes twice."""
    return [step, step]


def shorten(step: Step, memory: Memory, size: int) -> list[Step]:
    """Only its first bytes come."""
    return [replace(step, data=step.data[:size])]


def _turned(act: str) -> Act:
    """It passes in another way."""
    return lambda step, memory: [replace(step, act=act)]


_ONLY = frozenset({"datagram"})

#: Every kind.
DATAGRAM_KINDS = (
    Kind.of("loss PERCENT", loss, "chunks", carriers=_ONLY),
    Kind.of("duplicate", duplicate, "chunks", carriers=_ONLY),
    Kind.of("reorder", _turned("hold"), "chunks", carriers=_ONLY),
    Kind.of("delay TIME [jitter TIME]", latency, "chunks", carriers=_ONLY),
    Kind.of("truncate to SIZE", shorten, "chunks", carriers=_ONLY),
    Kind.of("wrong port", _turned("astray"), "chunks", carriers=_ONLY, given="wrong port"),
)
