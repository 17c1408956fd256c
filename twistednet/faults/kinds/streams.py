"""The kinds of faults of streams, and those that datagrams have too. Add a function and its row."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import Any

from twistednet.faults.model import Act, Kind, Memory, Step

#: Seconds of a rate that leave as one piece.
PIECE = 0.02


def latency(step: Step, memory: Memory, delay: float, jitter: float | None) -> list[Step]:
    """Each chunk leaves so much later than it would have, give or take the jitter."""
    wait = delay + memory.draw.uniform(-jitter, jitter) if jitter else delay
    return [replace(step, at=step.at + max(0.0, wait))]


def rate(step: Step, memory: Memory, most: int) -> list[Step]:
    """No more than so many bytes a second."""
    size = step.piece or max(1, int(most * PIECE))
    return _inPieces(step, memory, size, max(step.gap, size / most), len(step.data) / most)


def cut(step: Step, memory: Memory, size: int, pause: float | None) -> list[Step]:
    """Pieces of this size, each by itself, with a pause between them."""
    pace = step.gap / step.piece if step.piece else 0.0
    size = min(size, step.piece or size)
    gap = max(pause or 0.0, pace * size)
    return _inPieces(step, memory, size, gap, math.ceil(len(step.data) / size) * gap)


def _inPieces(step: Step, memory: Memory, size: int, gap: float, lasts: float) -> list[Step]:
    at = max(step.at, memory.free)
    memory.free = at + lasts
    isOne = len(step.data) <= size
    return [replace(step, at=at, piece=0 if isOne else size, gap=0.0 if isOne else gap)]


def _after(act: str) -> Act:
    """Let so many bytes pass, to the byte, then do this, and let no more pass.

    More may have passed before, where a choice says from where on.
    """

    def after(step: Step, memory: Memory, most: int) -> list[Step]:
        left = max(0, most - memory.passed)
        if memory.isOver:
            return []
        if len(step.data) < left:
            return [step]
        memory.isOver = True
        head = [replace(step, data=step.data[:left])] if left else []
        return [*head, Step(step.at, act)]

    return after


def _afterMessages(act: str) -> Act:
    """Let so many chunks pass, then do this, and let no more pass."""

    def after(step: Step, memory: Memory, most: int) -> list[Step]:
        left = max(0, most - memory.chunks)
        if memory.isOver:
            return []
        if left > 1:
            return [step]
        memory.isOver = True
        return [*[step] * left, Step(step.at, act)]

    return after


def instead(act: str) -> Act:
    """Do this instead."""
    return lambda step, memory: [Step(step.at, act)]


def _afterwards(act: str) -> Act:
    """Do this, too."""
    return lambda step, memory: [step, Step(step.at, act)]


def _beforehand(act: str) -> Act:
    """Do this first."""
    return lambda step, memory: [Step(step.at, act), step]


def amidst(step: Step, memory: Memory) -> list[Step]:
    """Half of the chunk, the smaller one, and the end."""
    return [replace(step, data=step.data[: len(step.data) // 2]), Step(step.at, "end")]


def corrupt(step: Step, memory: Memory, percent: float) -> list[Step]:
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


def corruptBit(step: Step, memory: Memory) -> list[Step]:
    """One bit is flipped."""
    if not step.data:
        return [step]
    data = bytearray(step.data)
    data[memory.draw.randrange(len(data))] ^= 1 << memory.draw.randrange(8)
    return [replace(step, data=bytes(data))]


def corruptAt(step: Step, memory: Memory, place: int) -> list[Step]:
    """All bits of one byte of the connection are flipped."""
    place -= memory.passed
    if not 0 <= place < len(step.data):
        return [step]
    data = bytearray(step.data)
    data[place] ^= 0xFF
    return [replace(step, data=bytes(data))]


def drop(step: Step, memory: Memory, *_: Any) -> list[Step]:
    """It is as if it had never been."""
    return []


def linger(step: Step, memory: Memory, seconds: float) -> list[Step]:
    """Our FIN at once, and the socket stays so much longer."""
    first = [] if memory.free else [Step(step.at, "fin")]
    memory.free = memory.free or step.at + seconds
    last = [Step(max(step.at, memory.free), "close")] if step.act == "close" else []
    return first + last


def slowClose(step: Step, memory: Memory, seconds: float) -> list[Step]:
    """The service closes so much later than it would have."""
    return [replace(step, at=step.at + seconds)]


def _timeout(act: str) -> Act:
    """Nothing passes for so long, and then comes this."""

    def timeout(step: Step, memory: Memory, seconds: float) -> list[Step]:
        if memory.free:
            return [step]
        memory.free = step.at + seconds
        return [step, Step(memory.free, act)]

    return timeout


_CLOSE = frozenset({"close", "fin"})
_ACCEPT, _MET = frozenset({"accept"}), frozenset({"accept", "join"})
_BOTH = frozenset({"stream", "datagram"})


#: Every kind.
STREAM_KINDS = (
    Kind.of("latency TIME [jitter TIME]", latency, "chunks", carriers=_BOTH),
    Kind.of("rate RATE", rate),
    Kind.of("slice SIZE [pause TIME]", cut),
    Kind.of("drop", drop, "chunks", carriers=_BOTH),
    Kind.of("corrupt PERCENT", corrupt, "chunks", carriers=_BOTH),
    Kind.of("corrupt bit", corruptBit, "chunks", carriers=_BOTH),
    Kind.of("corrupt byte NUMBER", corruptAt),
    Kind.of("truncate after SIZE", _after("end")),
    Kind.of("truncate after SIZE with RST", _after("reset")),
    Kind.of("truncate after N messages", _afterMessages("end")),
    Kind.of("reset after N messages", _afterMessages("reset")),
    Kind.of("reset at accept", instead("reset"), direction="", on=_ACCEPT, isForNew=True),
    Kind.of("reset at first byte", instead("reset"), direction="in", isForNew=True),
    Kind.of("reset after SIZE", _after("reset")),
    Kind.of("reset at close", instead("reset"), direction="", on=_CLOSE),
    Kind.of("close before reply", instead("end"), "chunks"),
    Kind.of("close in reply", amidst, "chunks"),
    Kind.of("close after reply", _afterwards("end"), "chunks"),
    Kind.of("silence", drop),
    Kind.of(
        "stop reading",
        _beforehand("stop"),
        direction="in",
        on=_MET | {"pass"},
        given="stop reading",
    ),
    Kind.of("half-close at accept", _beforehand("fin"), direction="", on=_ACCEPT, isForNew=True),
    Kind.of("half-close after SIZE", _after("fin")),
    Kind.of("never close", drop, direction="", on=_CLOSE, given="never close"),
    Kind.of("linger TIME", linger, direction="", on=_CLOSE),
    Kind.of("slow close TIME", slowClose, direction="", on=_CLOSE, given="slow close"),
    Kind.of("timeout TIME", _timeout("end"), direction="", on=_MET),
    Kind.of("timeout TIME with RST", _timeout("reset"), direction="", on=_MET),
)
