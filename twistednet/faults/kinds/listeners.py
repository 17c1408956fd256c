"""The kinds of faults of listening ports. Add its row; `inject.listeners` carries it out."""

from __future__ import annotations

from typing import Any

from twistednet.faults.kinds.streams import instead
from twistednet.faults.model import FaultKind

_LISTENER: dict[str, Any] = {
    "counts": "listeners",
    "direction": "",
    "on": frozenset({"listen"}),
    "carriers": frozenset({"listener"}),
}

#: Every kind.
LISTENER_KINDS = (
    FaultKind.of("refuse", instead("refuse"), **_LISTENER),
    FaultKind.of("stall", instead("stall"), **_LISTENER),
)
