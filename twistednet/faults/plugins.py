"""Plugins: loads the kinds of faults that other packages add, into the grammar of rules."""

from __future__ import annotations

from twistednet.core.plugins import BadPlugin, plugins
from twistednet.faults.grammar import Carriers, Grammar
from twistednet.faults.kinds import KINDS
from twistednet.faults.model import FaultKind

#: The entry point group in which other packages name their kinds of faults.
ENTRY_POINTS = "twistednet.faults"


def grammar(carriers: Carriers) -> Grammar:
    """Return the grammar for services with these carriers, and for all kinds.

    Raises BadPlugin for an entry point that does not load, is not a `FaultKind`, or is
    written like a kind that exists.
    """
    kinds = list(KINDS)
    # mypy takes type[T] for a class to call; here isinstance alone looks at it.
    for origin, kind in plugins(ENTRY_POINTS, FaultKind):  # type: ignore[type-abstract]
        taken = {form.text for one in kinds for form in one.forms}
        for form in kind.forms:
            if form.text in taken:
                raise BadPlugin(f"{origin} is written like a kind that exists: {form}")
        kinds.append(kind)
    return Grammar(carriers, tuple(kinds))
