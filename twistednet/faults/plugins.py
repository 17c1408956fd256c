"""The grammar of fault rules with the kinds that other packages add."""

from __future__ import annotations

from twistednet.core.plugins import BadPlugin, plugins
from twistednet.faults.grammar import Carriers, Grammar
from twistednet.faults.kinds import KINDS
from twistednet.faults.model import FaultKind

#: The entry point group in which other packages name a `FaultKind` of fault.
ENTRY_POINTS = "twistednet.faults"


def grammar(carriers: Carriers) -> Grammar:
    """Return the grammar for services with these carriers, and for all kinds.

    Raises BadPlugin for an entry point that does not load, is not a `FaultKind`, or is
    written like a kind that exists.
    """
    kinds = list(KINDS)
    for origin, kind in plugins(ENTRY_POINTS, FaultKind):
        if kind.form.text in [one.form.text for one in kinds]:
            raise BadPlugin(f"{origin} is written like a kind that exists: {kind.form}")
        kinds.append(kind)
    return Grammar(carriers, tuple(kinds))
