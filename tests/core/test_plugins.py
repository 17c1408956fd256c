"""core/plugins.py: what other packages add, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint

from twisted.trial.unittest import SynchronousTestCase

from twistednet.core import plugins
from twistednet.core.plugins import BadPlugin, byName
from twistednet.core.settings import camelCase, kebabCase

GROUP = "twistednet.tests"


@dataclass(frozen=True)
class Thing:
    """An object with a name."""

    name: str


OWN, NEW, TAKEN, OTHER = Thing("own"), Thing("new"), Thing("own"), object()


class ByNameTests(SynchronousTestCase):
    """Our own objects, and those of entry points."""

    def load(self, target: str) -> dict[str, Thing]:
        point = EntryPoint("thing", f"tests.core.{target}", GROUP)
        self.patch(plugins, "entry_points", lambda group: [point] if group == GROUP else [])
        return byName([OWN], GROUP, Thing, "package")

    def test_added(self) -> None:
        """The object of an entry point is found by its name, after ours."""
        self.assertEqual(["own", "new"], list(self.load("test_plugins:NEW")))

    def test_refused(self) -> None:
        """A plugin that cannot be used is refused in one line that names its entry point."""
        for target, why in (
            ("nowhere:NEW", "does not load: No module named 'tests.core.nowhere'"),
            ("test_plugins:OTHER", "is not a package.Thing: <object object"),
            ("test_plugins:TAKEN", "has a name that exists: own; choose another"),
        ):
            with self.assertRaises(BadPlugin) as caught:
                self.load(target)
            line = f"the entry point thing = tests.core.{target} ({GROUP}) {why}"
            self.assertTrue(str(caught.exception).startswith(line), caught.exception)


class NameTests(SynchronousTestCase):
    """The two spellings of a setting."""

    def test_bothWays(self) -> None:
        """A name in Python, and as people write it, are made of each other."""
        for name, key in (("maxConnections", "max-connections"), ("journal", "journal")):
            self.assertEqual((key, name), (kebabCase(name), camelCase(key)))
