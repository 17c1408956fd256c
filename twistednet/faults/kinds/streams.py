"""The kinds of faults of streams, some of them of datagrams too. Add a function and its row."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from twistednet.faults.actions import Action
from twistednet.faults.actiontypes import ActionType
from twistednet.faults.model import FaultFunction, KindState, StreamFaultKind

#: A piece of a rate is what leaves in this many seconds.
RATE_PIECE_SECONDS = 0.02


def latency(action: Action, state: KindState, delay: float, jitter: float | None) -> list[Action]:
    """Delay each chunk by `delay`, plus or minus a random part of the jitter."""
    wait = delay + state.random.uniform(-jitter, jitter) if jitter else delay
    return [replace(action, at=action.at + max(0.0, wait))]


def rate(action: Action, state: KindState, bytesPerSecond: int) -> list[Action]:
    """Pass no more than this many bytes a second."""
    size = action.piece or max(1, int(bytesPerSecond * RATE_PIECE_SECONDS))
    gap = max(action.gap, size / bytesPerSecond)
    return _inPieces(action, state, size, gap, len(action.data) / bytesPerSecond)


def cut(action: Action, state: KindState, size: int, pause: float | None) -> list[Action]:
    """Pass pieces of this size, each in a write of its own, with a pause between them."""
    secondsPerByte = action.gap / action.piece if action.piece else 0.0
    size = min(size, action.piece or size)
    gap = max(pause or 0.0, secondsPerByte * size)
    return _inPieces(action, state, size, gap, math.ceil(len(action.data) / size) * gap)


def _inPieces(
    action: Action, state: KindState, size: int, gap: float, seconds: float
) -> list[Action]:
    """Return the action in pieces, which take `seconds` and start when the last ones are out."""
    at = max(action.at, state.nextTime)
    state.nextTime = at + seconds
    isOnePiece = len(action.data) <= size
    piece, gap = (0, 0.0) if isOnePiece else (size, gap)
    return [replace(action, at=at, piece=piece, gap=gap)]


def _after(type: ActionType) -> FaultFunction:
    """Return a function that lets exactly this many bytes pass, then does this, and no more.

    More bytes may have passed before, if a qualifier sets where the fault begins.
    """

    def after(action: Action, state: KindState, size: int) -> list[Action]:
        left = max(0, size - state.passedBytes)
        if state.isOver:
            return []
        if len(action.data) < left:
            return [action]
        state.isOver = True
        head = [replace(action, data=action.data[:left])] if left else []
        return [*head, Action(action.at, type)]

    return after


def _afterMessages(type: ActionType) -> FaultFunction:
    """Return a function that lets this many chunks pass, then does this, and no more."""

    def after(action: Action, state: KindState, count: int) -> list[Action]:
        left = max(0, count - state.passedChunks)
        if state.isOver:
            return []
        if left > 1:
            return [action]
        state.isOver = True
        return [*[action] * left, Action(action.at, type)]

    return after


def _instead(type: ActionType) -> FaultFunction:
    """Return a function that does this in place of the action."""
    return lambda action, state: [Action(action.at, type)]


def _afterwards(type: ActionType) -> FaultFunction:
    """Return a function that does this after the action."""
    return lambda action, state: [action, Action(action.at, type)]


def _beforehand(type: ActionType) -> FaultFunction:
    """Return a function that does this before the action."""
    return lambda action, state: [Action(action.at, type), action]


def endInside(action: Action, state: KindState) -> list[Action]:
    """Pass the first half of the chunk, rounded down, and end the connection."""
    half = replace(action, data=action.data[: len(action.data) // 2])
    return [half, Action(action.at, ActionType.END)]


def corrupt(action: Action, state: KindState, percent: float) -> list[Action]:
    """Flip one bit of each byte, with this probability."""
    data = bytearray(action.data)
    for place in _places(len(data), percent / 100, state.random):
        data[place] ^= 1 << state.random.randrange(8)
    return [replace(action, data=bytes(data))]


def _places(size: int, probability: float, random: Random) -> list[int]:
    """Return places below `size`, each with this probability.

    The gaps between them are drawn, which are fewer than the places.
    """
    if probability >= 1:
        return list(range(size))
    places: list[int] = []
    place, never = -1, math.log1p(-probability)
    while True:
        place += 1 + int(math.log1p(-random.random()) / never)
        if place >= size:
            return places
        places.append(place)


def corruptBit(action: Action, state: KindState) -> list[Action]:
    """Flip one bit of the chunk."""
    if not action.data:
        return [action]
    data = bytearray(action.data)
    data[state.random.randrange(len(data))] ^= 1 << state.random.randrange(8)
    return [replace(action, data=bytes(data))]


def corruptByte(action: Action, state: KindState, place: int) -> list[Action]:
    """Flip all bits of one byte of the connection."""
    place -= state.passedBytes
    if not 0 <= place < len(action.data):
        return [action]
    data = bytearray(action.data)
    data[place] ^= 0xFF
    return [replace(action, data=bytes(data))]


def drop(action: Action, state: KindState) -> list[Action]:
    """Leave the action out."""
    return []


def linger(action: Action, state: KindState, seconds: float) -> list[Action]:
    """Send our FIN at once, and close the socket later."""
    first = [] if state.nextTime else [Action(action.at, ActionType.FIN)]
    state.nextTime = state.nextTime or action.at + seconds
    if action.type is not ActionType.CLOSE:
        return first
    return [*first, Action(max(action.at, state.nextTime), ActionType.CLOSE)]


def slowClose(action: Action, state: KindState, seconds: float) -> list[Action]:
    """Delay the service's close."""
    return [replace(action, at=action.at + seconds)]


def _timeout(type: ActionType) -> FaultFunction:
    """Return a function that passes nothing for a while, and then does this."""

    def timeout(action: Action, state: KindState, seconds: float) -> list[Action]:
        if state.nextTime:
            return [action]
        state.nextTime = action.at + seconds
        return [action, Action(state.nextTime, type)]

    return timeout


_END, _RESET, _FIN = ActionType.END, ActionType.RESET, ActionType.FIN
_CLOSING = (ActionType.CLOSE, ActionType.FIN)
_ACCEPT = (ActionType.ACCEPT,)
_START = (ActionType.ACCEPT, ActionType.ATTACH)
_stopReading = _beforehand(ActionType.STOP_READING)

STREAM_KINDS = (
    StreamFaultKind("latency TIME [jitter TIME]", latency, counts="chunks", alsoForDatagrams=True),
    StreamFaultKind("rate RATE", rate),
    StreamFaultKind("slice SIZE [pause TIME]", cut),
    StreamFaultKind("drop", drop, counts="chunks", alsoForDatagrams=True),
    StreamFaultKind("corrupt PERCENT", corrupt, counts="chunks", alsoForDatagrams=True),
    StreamFaultKind("corrupt bit", corruptBit, counts="chunks", alsoForDatagrams=True),
    StreamFaultKind("corrupt byte NUMBER", corruptByte),
    StreamFaultKind("truncate after SIZE", _after(_END)),
    StreamFaultKind("truncate after SIZE with RST", _after(_RESET)),
    StreamFaultKind("truncate after N messages", _afterMessages(_END)),
    StreamFaultKind("reset after N messages", _afterMessages(_RESET)),
    StreamFaultKind(
        "reset at accept",
        _instead(_RESET),
        direction="",
        actsOn=_ACCEPT,
        newConnectionsOnly=True,
    ),
    StreamFaultKind(
        "reset at first byte", _instead(_RESET), direction="in", newConnectionsOnly=True
    ),
    StreamFaultKind("reset after SIZE", _after(_RESET)),
    StreamFaultKind("reset at close", _instead(_RESET), direction="", actsOn=_CLOSING),
    StreamFaultKind("close before reply", _instead(_END), counts="chunks"),
    StreamFaultKind("close in reply", endInside, counts="chunks"),
    StreamFaultKind("close after reply", _afterwards(_END), counts="chunks"),
    StreamFaultKind("silence", drop),
    StreamFaultKind(
        "stop reading",
        _stopReading,
        name="stop reading",
        direction="in",
        actsOn=(*_START, ActionType.PASS),
    ),
    StreamFaultKind(
        "half-close at accept",
        _beforehand(_FIN),
        direction="",
        actsOn=_ACCEPT,
        newConnectionsOnly=True,
    ),
    StreamFaultKind("half-close after SIZE", _after(_FIN)),
    StreamFaultKind("never close", drop, name="never close", direction="", actsOn=_CLOSING),
    StreamFaultKind("linger TIME", linger, direction="", actsOn=_CLOSING),
    StreamFaultKind("slow close TIME", slowClose, name="slow close", direction="", actsOn=_CLOSING),
    StreamFaultKind("timeout TIME", _timeout(_END), direction="", actsOn=_START),
    StreamFaultKind("timeout TIME with RST", _timeout(_RESET), direction="", actsOn=_START),
)
