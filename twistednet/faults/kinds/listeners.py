"""The kinds of faults of listening ports. Add a row; `inject.listeners` carries it out."""

from __future__ import annotations

from twistednet.faults.actiontypes import ActionType
from twistednet.faults.model import ListenerFaultKind

LISTENER_KINDS = (
    ListenerFaultKind("refuse", ActionType.REFUSE),
    ListenerFaultKind("stall", ActionType.STALL),
)
