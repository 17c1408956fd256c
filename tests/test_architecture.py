"""The house: who may import whom, and how large a room may grow."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import twistednet

HOUSE = Path(twistednet.__file__).parent
LIBRARIES = {"twisted", "zope"}

# What the modules of each room may import besides their own room and the
# standard library; nothing points back up.
MAY_IMPORT = {
    "core": set(),
    "transport": LIBRARIES | {"OpenSSL"},
    "services": LIBRARIES | {"core", "transport"},
    "layers": LIBRARIES | {"core", "transport"},
    "endpoints": LIBRARIES | {"core"},
    "listening": LIBRARIES | {"endpoints", "transport"},
    "catalog": LIBRARIES | {"core", "services"},
    "config": {"core", "endpoints"},
    "faultsettings": {"config", "core"},
    "sources": LIBRARIES | {"catalog", "config", "core", "endpoints", "faultsettings"},
    "logs": LIBRARIES | {"core"},
    "signposts": {"catalog", "core", "endpoints"},
    "serving": LIBRARIES | {"catalog", "config", "core", "endpoints", "layers", "listening"},
    "recording": LIBRARIES | {"config", "core", "layers"},
    "admin": LIBRARIES | {"core", "layers", "prometheus_client", "transport"},
    "adminport": LIBRARIES | {"admin", "config", "core", "endpoints", "layers", "listening"},
    "daemon": LIBRARIES
    | {
        "adminport",
        "catalog",
        "config",
        "core",
        "layers",
        "listening",
        "recording",
        "serving",
        "signposts",
        "transport",
    },
    "tap": LIBRARIES | {"catalog", "config", "daemon", "listening", "logs", "sources"},
    "client": LIBRARIES | {"core", "click", "hdrh", "prompt_toolkit", "rich"},
    "serverprocess": {"core"},
    "testing": {"serverprocess"},
    "pytest_plugin": {"pytest", "serverprocess", "testing"},
    "served": LIBRARIES
    | {"catalog", "config", "core", "daemon", "faultsettings", "listening", "logs", "sources"},
    "__init__": {"catalog", "core", "services"},
}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module's dotted name below the package, and its file."""
    for path in sorted(HOUSE.rglob("*.py")):
        parts = path.relative_to(HOUSE).with_suffix("").parts
        yield ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts), path


def imports(path: Path) -> Iterator[str]:
    """The dotted name of everything that a module imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


class ArchitectureTests(SynchronousTestCase):
    """The table of who may import whom."""

    def test_rooms(self) -> None:
        """No module imports what its room may not, and no room is without a rule."""
        wrong = []
        for name, path in modules():
            room = name.partition(".")[0]
            self.assertIn(room, MAY_IMPORT, f"{path}: say in MAY_IMPORT what it may import")
            for imported in imports(path):
                top, _, rest = imported.partition(".")
                what = rest.partition(".")[0] if top == "twistednet" else top
                if top in sys.stdlib_module_names or what in MAY_IMPORT[room] | {room}:
                    continue
                wrong.append(f"{name} imports {imported}")
        self.assertEqual(wrong, [])

    def test_noCircle(self) -> None:
        """No two modules import each other, at any distance (CycleError says which)."""
        known = {f"twistednet.{name}" for name, _ in modules()}
        graph = {
            f"twistednet.{name}": {one for one in imports(path) if one in known}
            for name, path in modules()
        }
        self.assertEqual(len(list(TopologicalSorter(graph).static_order())), len(graph))

    def test_size(self) -> None:
        """No module is longer than 250 lines."""
        long = {name: len(path.read_text().splitlines()) for name, path in modules()}
        self.assertEqual({name: size for name, size in long.items() if size > 250}, {})

    def test_pluginFile(self) -> None:
        """Every twistd on the machine imports the plugin: it costs one Twisted import."""
        plugin = HOUSE.parent / "twisted" / "plugins" / "netdemo.py"
        self.assertEqual(list(imports(plugin)), ["twisted.application.service"])
        self.assertFalse((plugin.parent.parent / "__init__.py").exists())
        self.assertFalse((plugin.parent / "__init__.py").exists())
