"""Actions: what is done to a connection, and when."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from twistednet.faults.actiontypes import ActionType
from twistednet.faults.responseparts import ResponseParts

#: Seconds from one endless header to the next: 10 MB/s, and time for other connections.
ENDLESS_HEADER_SECONDS = 0.0001


@dataclass(frozen=True, slots=True)
class Action:
    """One action, which happens not before `at` (seconds).

    With a `piece`, that many bytes of the data pass at once, and the next ones `gap`
    seconds later. One that `isEndless` passes again and again. `edits` change the
    response to a request, in their order. `faultName` names the fault that ends the
    connection, and `fault` is that fault.
    """

    at: float
    type: ActionType
    data: bytes = b""
    faultName: str = ""
    piece: int = 0
    gap: float = 0.0
    edits: tuple[Callable[[ResponseParts], ResponseParts], ...] = ()
    isEndless: bool = False
    fault: object = field(default=None, compare=False, repr=False)

    @property
    def pieces(self) -> int:
        """The number of pieces that it passes in."""
        return math.ceil(len(self.data) / self.piece) if self.piece else 1


def responseActions(response: ResponseParts, now: float) -> list[Action]:
    """Return what sends this response, from `now` (seconds) on."""
    if response.endlessHeader and response.cut != "headers":
        begun = Action(now, ActionType.PASS, response.head[:-2])
        gap = ENDLESS_HEADER_SECONDS
        header = response.endlessHeader
        return [begun, Action(now, ActionType.PASS, header, gap=gap, isEndless=True)]
    passed: dict[float, bytes] = {}
    for seconds, data in response.timed():
        if data:
            passed[now + seconds] = passed.get(now + seconds, b"") + data
    actions = [Action(at, ActionType.PASS, data) for at, data in passed.items()]
    if response.end is None:
        return actions
    return [*actions, Action(max(passed, default=now), response.end, faultName=response.faultName)]
