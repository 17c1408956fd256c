"""The layout: which package may import which, and how long a module may grow."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import twistednet

ROOT = Path(twistednet.__file__).parent
LIBRARIES = {"twisted", "zope"}

# What the modules of each package may import besides their own package and the standard
# library. A name with a dot is one module of a package; LIBRARIES are Twisted and zope.interface.
MAY_IMPORT = {
    "core": set(),
    "faults": {"core"},
    "events": {"core"},
    "transport": LIBRARIES | {"OpenSSL", "core"},
    "inject": LIBRARIES | {"core", "events", "faults", "transport"},
    "services": LIBRARIES | {"core", "transport"},
    "services.catalog": LIBRARIES | {"core", "services", "transport"},
    "connections": LIBRARIES | {"core", "events", "inject", "transport"},
    "settings": LIBRARIES | {"core", "faults", "services.catalog", "transport.endpoints"},
    "sinks": LIBRARIES | {"core", "events", "settings"},
    "admin": LIBRARIES
    | {
        "connections",
        "core",
        "events",
        "faults",
        "inject",
        "prometheus_client",
        "settings",
        "transport",
    },
    "daemon": LIBRARIES
    | {
        "admin",
        "connections",
        "core",
        "events",
        "faults",
        "inject",
        "services",
        "settings",
        "sinks",
        "transport",
    },
    "tap": LIBRARIES | {"core", "daemon", "services", "settings", "transport"},
    "testing": {"core"},
    "testing.child": LIBRARIES
    | {"core", "daemon", "events", "services", "settings", "testing", "transport"},
    "testing.sink": {"events", "testing"},
    "testing.plugin": {"core", "pytest", "testing"},
    "client": LIBRARIES | {"core"},
    "check": LIBRARIES | {"client", "core"},
    "load": LIBRARIES | {"client", "core", "hdrh"},
    "cli": LIBRARIES | {"check", "click", "client", "core", "load", "prompt_toolkit", "rich"},
    "__init__": {"core", "faults", "services", "transport"},
}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module's dotted name below the package, and its file."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
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

    def test_imports(self) -> None:
        """No module imports what its package may not, and no package is without a rule."""
        wrong = []
        for name, path in modules():
            package = name.partition(".")[0]
            self.assertIn(package, MAY_IMPORT, f"{path}: say in MAY_IMPORT what it may import")
            allowed = MAY_IMPORT.get(name, MAY_IMPORT[package])
            for imported in imports(path):
                top, _, rest = imported.partition(".")
                what = rest if top == "twistednet" else imported
                isAllowed = any(what == one or what.startswith(f"{one}.") for one in allowed)
                isOwn = what.partition(".")[0] == package and top == "twistednet"
                if not (top in sys.stdlib_module_names or isAllowed or isOwn):
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

    def test_names(self) -> None:
        """No two public classes of the package have the same name."""
        places: dict[str, list[str]] = {}
        for name, path in modules():
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, []).append(name)
        self.assertEqual({name: own for name, own in places.items() if len(own) > 1}, {})

    def test_any(self) -> None:
        """`Any`, which switches the type checker off, stays rare: under 150, imports left out."""
        lines = [line for _, path in modules() for line in path.read_text().splitlines()]
        code = [line for line in lines if not re.match(r"\s*(from|import) ", line)]
        self.assertLess(sum(len(re.findall(r"\bAny\b", line)) for line in code), 150)

    def test_pluginFile(self) -> None:
        """Every twistd on the machine imports the plugin: it costs one Twisted import."""
        plugin = ROOT.parent / "twisted" / "plugins" / "netdemo.py"
        self.assertEqual(list(imports(plugin)), ["twisted.application.service"])
        self.assertFalse((plugin.parent.parent / "__init__.py").exists())
        self.assertFalse((plugin.parent / "__init__.py").exists())
