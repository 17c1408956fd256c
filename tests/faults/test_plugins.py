"""faults/plugins.py: kinds of faults that other packages add."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from twisted.trial.unittest import SynchronousTestCase

from twistednet import Action, KindState, StreamFaultKind
from twistednet.core import plugins
from twistednet.faults.grammar import KINDS, parse
from twistednet.faults.plugins import ENTRY_POINTS, grammar

CARRIERS = {"echo": ("stream", "listener")}


def echoed(action: Action, state: KindState, times: int) -> list[Action]:
    """Pass the chunk this many times."""
    return [action] * times


ADDED = StreamFaultKind("moo N", echoed, aliases=("low N",))
TAKEN = StreamFaultKind("drop", echoed)
ALIAS_TAKEN = StreamFaultKind("baa", echoed, aliases=("silence",))


class PluginTests(SynchronousTestCase):
    """Entry points of the group."""

    def install(self, *names: str) -> None:
        """Let installed packages have these entry points, for objects of this module."""
        points = [EntryPoint("kind", f"{__name__}:{name}", ENTRY_POINTS) for name in names]
        self.patch(plugins, "entry_points", lambda group: points)

    def test_none(self) -> None:
        """Without entry points, the kinds are those of the package."""
        self.install()
        self.assertEqual(KINDS, grammar(CARRIERS).kinds)

    def test_added(self) -> None:
        """A kind can be written as its syntax or as an alias, and has one normal form."""
        self.install("ADDED")
        found = grammar(CARRIERS)
        self.assertEqual((*KINDS, ADDED), found.kinds)
        for text in ("echo: moo 3", "echo: low 3", "echo: low 3, out"):
            self.assertEqual("echo: moo 3", str(parse(text, found)))
        self.assertEqual("moo", ADDED.name)

    def test_taken(self) -> None:
        """A syntax or an alias that exists is refused, and the message names the entry point."""
        for name, form in (("TAKEN", "drop"), ("ALIAS_TAKEN", "silence")):
            self.install(name)
            with self.assertRaises(plugins.BadPlugin) as caught:
                grammar(CARRIERS)
            self.assertEqual(
                f"the entry point kind = {__name__}:{name} ({ENTRY_POINTS}) "
                f"is written like a kind that exists: {form}",
                str(caught.exception),
            )

    def test_noKind(self) -> None:
        """An object that is not a kind is refused."""
        self.install("CARRIERS")
        with self.assertRaises(plugins.BadPlugin) as caught:
            grammar(CARRIERS)
        self.assertIn("is not a twistednet.FaultKind: {'echo'", str(caught.exception))
