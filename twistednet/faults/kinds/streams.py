"""The kinds of faults of streams, and those that datagrams have too. Add a function and its row."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import Any

from twistednet.faults.model import Act, Action, FaultKind, KindState

#: Seconds of a rate that leave as one piece.
PIECE = 0.02


def latency(step: Action, memory: KindState, delay: float, jitter: float | None) -> list[Action]:
    """Each chunk leaves so much later than it would have, give or take the jitter."""
    wait = delay + memory.draw.uniform(-jitter, jitter) if jitter else delay
    return [replace(step, at=step.at + max(0.0, wait))]


def rate(step: Action, memory: KindState, most: int) -> list[Action]:
    """No more than so many bytes a second."""
    size = step.piece or max(1, int(most * PIECE))
    return _inPieces(step, memory, size, max(step.gap, size / most), len(step.data) / most)


def cut(step: Action, memory: KindState, size: int, pause: float | None) -> list[Action]:
    """Pieces of this size, each by itself, with a pause between them."""
    pace = step.gap / step.piece if step.piece else 0.0
    size = min(size, step.piece or size)
    gap = max(pause or 0.0, pace * size)
    return _inPieces(step, memory, size, gap, math.ceil(len(step.data) / size) * gap)


def _inPieces(step: Action, memory: KindState, size: int, gap: float, lasts: float) -> list[Action]:
    at = max(step.at, memory.free)
    memory.free = at + lasts
    isOne = len(step.data) <= size
    return [replace(step, at=at, piece=0 if isOne else size, gap=0.0 if isOne else gap)]


def _after(act: str) -> Act:
    """Let so many bytes pass, to the byte, then do this, and let no more pass.

    More may have passed before, where a choice says from where on.
    """

    def after(step: Action, memory: KindState, most: int) -> list[Action]:
        left = max(0, most - memory.passed)
        if memory.isOver:
            return []
        if len(step.data) < left:
            return [step]
        memory.isOver = True
        head = [replace(step, data=step.data[:left])] if left else []
        return [*head, Action(step.at, act)]

    return after


def _afterMessages(act: str) -> Act:
    """Let so many chunks pass, then do this, and let no more pass."""

    def after(step: Action, memory: KindState, most: int) -> list[Action]:
        left = max(0, most - memory.chunks)
        if memory.isOver:
            return []
        if left > 1:
            return [step]
        memory.isOver = True
        return [*[step] * left, Action(step.at, act)]

    return after


def instead(act: str) -> Act:
    """Do this instead."""
    return lambda step, memory: [Action(step.at, act)]


def _afterwards(act: str) -> Act:
    """Do this, too."""
    return lambda step, memory: [step, Action(step.at, act)]


def _beforehand(act: str) -> Act:
    """Do this first."""
    return lambda step, memory: [Action(step.at, act), step]


def amidst(step: Action, memory: KindState) -> list[Action]:
    """Half of the chunk, the smaller one, and the end."""
    return [replace(step, data=step.data[: len(step.data) // 2]), Action(step.at, "end")]


def corrupt(step: Action, memory: KindState, percent: float) -> list[Action]:
    """Of each byte, with this probability, one bit is flipped."""
    data = bytearray(step.data)
    for place in _places(len(data), percent / 100, memory.draw):
        data[place] ^= 1 << memory.draw.randrange(8)
    return [replace(step, data=bytes(data))]


def _places(size: int, probability: float, draw: Random) -> list[int]:
    """Places with this probability each; drawn by the gaps between them, which are fewer."""
    if probability >= 1:
        return list(range(size))
    places: list[int] = []
    place, never = -1, math.log1p(-probability)
    while True:
        place += 1 + int(math.log1p(-draw.random()) / never)
        if place >= size:
            return places
        places.append(place)


def corruptBit(step: Action, memory: KindState) -> list[Action]:
    """One bit is flipped."""
    if not step.data:
        return [step]
    data = bytearray(step.data)
    data[memory.draw.randrange(len(data))] ^= 1 << memory.draw.randrange(8)
    return [replace(step, data=bytes(data))]


def corruptAt(step: Action, memory: KindState, place: int) -> list[Action]:
    """All bits of one byte of the connection are flipped."""
    place -= memory.passed
    if not 0 <= place < len(step.data):
        return [step]
    data = bytearray(step.data)
    data[place] ^= 0xFF
    return [replace(step, data=bytes(data))]


def drop(step: Action, memory: KindState, *_: Any) -> list[Action]:
    """It is as if it had never been."""
    return []


def linger(step: Action, memory: KindState, seconds: float) -> list[Action]:
    """Our FIN at once, and the socket stays so much longer."""
    first = [] if memory.free else [Action(step.at, "fin")]
    memory.free = memory.free or step.at + seconds
    last = [Action(max(step.at, memory.free), "close")] if step.act == "close" else []
    return first + last


def slowClose(step: Action, memory: KindState, seconds: float) -> list[Action]:
    """The service closes so much later than it would have."""
    return [replace(step, at=step.at + seconds)]


def _timeout(act: str) -> Act:
    """Nothing passes for so long, and then comes this."""

    def timeout(step: Action, memory: KindState, seconds: float) -> list[Action]:
        if memory.free:
            return [step]
        memory.free = step.at + seconds
        return [step, Action(memory.free, act)]

    return timeout


_CLOSE = frozenset({"close", "fin"})
_ACCEPT, _MET = frozenset({"accept"}), frozenset({"accept", "join"})
_BOTH = frozenset({"stream", "datagram"})


#: Every kind.
STREAM_KINDS = (
    FaultKind.of("latency TIME [jitter TIME]", latency, "chunks", carriers=_BOTH),
    FaultKind.of("rate RATE", rate),
    FaultKind.of("slice SIZE [pause TIME]", cut),
    FaultKind.of("drop", drop, "chunks", carriers=_BOTH),
    FaultKind.of("corrupt PERCENT", corrupt, "chunks", carriers=_BOTH),
    FaultKind.of("corrupt bit", corruptBit, "chunks", carriers=_BOTH),
    FaultKind.of("corrupt byte NUMBER", corruptAt),
    FaultKind.of("truncate after SIZE", _after("end")),
    FaultKind.of("truncate after SIZE with RST", _after("reset")),
    FaultKind.of("truncate after N messages", _afterMessages("end")),
    FaultKind.of("reset after N messages", _afterMessages("reset")),
    FaultKind.of("reset at accept", instead("reset"), direction="", on=_ACCEPT, isForNew=True),
    FaultKind.of("reset at first byte", instead("reset"), direction="in", isForNew=True),
    FaultKind.of("reset after SIZE", _after("reset")),
    FaultKind.of("reset at close", instead("reset"), direction="", on=_CLOSE),
    FaultKind.of("close before reply", instead("end"), "chunks"),
    FaultKind.of("close in reply", amidst, "chunks"),
    FaultKind.of("close after reply", _afterwards("end"), "chunks"),
    FaultKind.of("silence", drop),
    FaultKind.of(
        "stop reading",
        _beforehand("stop"),
        direction="in",
        on=_MET | {"pass"},
        given="stop reading",
    ),
    FaultKind.of(
        "half-close at accept", _beforehand("fin"), direction="", on=_ACCEPT, isForNew=True
    ),
    FaultKind.of("half-close after SIZE", _after("fin")),
    FaultKind.of("never close", drop, direction="", on=_CLOSE, given="never close"),
    FaultKind.of("linger TIME", linger, direction="", on=_CLOSE),
    FaultKind.of("slow close TIME", slowClose, direction="", on=_CLOSE, given="slow close"),
    FaultKind.of("timeout TIME", _timeout("end"), direction="", on=_MET),
    FaultKind.of("timeout TIME with RST", _timeout("reset"), direction="", on=_MET),
)
