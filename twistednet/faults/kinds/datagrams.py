"""The kinds of faults that only datagrams have. Add a function and its row."""

from __future__ import annotations

from dataclasses import replace

from twistednet.faults.actions import Action
from twistednet.faults.actiontypes import ActionType
from twistednet.faults.kinds.streams import latency
from twistednet.faults.model import DatagramFaultKind, FaultFunction, KindState


def loss(action: Action, state: KindState, percent: float) -> list[Action]:
    """Lose the datagram with this probability."""
    return [] if state.random.random() * 100 < percent else [action]


def duplicate(action: Action, state: KindState) -> list[Action]:
    """Pass the datagram twice."""
    return [action, action]


def shorten(action: Action, state: KindState, size: int) -> list[Action]:
    """Pass its first bytes alone."""
    return [replace(action, data=action.data[:size])]


def _changedTo(type: ActionType) -> FaultFunction:
    """Return a function that passes the datagram in another way."""
    return lambda action, state: [replace(action, type=type)]


DATAGRAM_KINDS = (
    DatagramFaultKind("loss PERCENT", loss),
    DatagramFaultKind("duplicate", duplicate),
    DatagramFaultKind("reorder", _changedTo(ActionType.HOLD)),
    DatagramFaultKind("delay TIME [jitter TIME]", latency),
    DatagramFaultKind("truncate to SIZE", shorten),
    DatagramFaultKind("wrong port", _changedTo(ActionType.OTHER_PORT), name="wrong port"),
)
