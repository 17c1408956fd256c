"""The kinds of faults that only datagrams have. Add a function and its row."""

from __future__ import annotations

from dataclasses import replace

from twistednet.faults.kinds.streams import latency
from twistednet.faults.model import Act, Action, FaultKind, KindState


def loss(step: Action, memory: KindState, percent: float) -> list[Action]:
    """It is lost, with this probability."""
    return [] if memory.draw.random() * 100 < percent else [step]


def duplicate(step: Action, memory: KindState) -> list[Action]:
    """It comes twice."""
    return [step, step]


def shorten(step: Action, memory: KindState, size: int) -> list[Action]:
    """Only its first bytes come."""
    return [replace(step, data=step.data[:size])]


def _turned(act: str) -> Act:
    """It passes in another way."""
    return lambda step, memory: [replace(step, act=act)]


_ONLY = frozenset({"datagram"})

#: Every kind.
DATAGRAM_KINDS = (
    FaultKind.of("loss PERCENT", loss, "chunks", carriers=_ONLY),
    FaultKind.of("duplicate", duplicate, "chunks", carriers=_ONLY),
    FaultKind.of("reorder", _turned("hold"), "chunks", carriers=_ONLY),
    FaultKind.of("delay TIME [jitter TIME]", latency, "chunks", carriers=_ONLY),
    FaultKind.of("truncate to SIZE", shorten, "chunks", carriers=_ONLY),
    FaultKind.of("wrong port", _turned("astray"), "chunks", carriers=_ONLY, given="wrong port"),
)
