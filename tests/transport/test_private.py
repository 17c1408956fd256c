"""Private names of Twisted that the transports use: all are listed, and none is used elsewhere."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import twistednet

ROOT = Path(twistednet.__file__).parent

#: Each private name with the module that defines it. Twisted may change them in any release:
#: pyproject.toml bounds the version, and a higher bound needs a look at each of these.
PRIVATE = {
    "_aborting": "twisted.internet.tcp",
    "_aggregator": "twisted.protocols.tls",
    "_appSendBuffer": "twisted.protocols.tls",
    "_bindPath": "twisted.internet.unix",
    "_buffer": "twisted.protocols.tls",
    "_fromListeningDescriptor": "twisted.internet.unix",
    "_lostTLSConnection": "twisted.protocols.tls",
    "_maybePauseProducer": "twisted.internet.abstract",
    "_producer": "twisted.protocols.tls",
    "_producer_helpers": "twisted.internet._producer_helpers",
    "_producerPaused": "twisted.protocols.tls",
    "_PullToPush": "twisted.internet._producer_helpers",
    "_respondToBadRequestAndDisconnect": "twisted.web.http",
    "_shouldShutdown": "twisted.internet.tcp",
    "_tempDataBuffer": "twisted.internet.abstract",
    "_tempDataLen": "twisted.internet.abstract",
    "_version": "twisted.web.http",
    "_writeDisconnected": "twisted.internet.abstract",
}

_PRIVATE_NAME = re.compile(r"_[A-Za-z]\w*")


def used(tree: ast.Module) -> Iterator[str]:
    """Every private name that a module reads: attributes, their names as text, imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield from [node.attr] if _PRIVATE_NAME.fullmatch(node.attr) else ()
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from [node.value] if _PRIVATE_NAME.fullmatch(node.value) else ()
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("twisted."):
            parts = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            yield from (part for part in parts if _PRIVATE_NAME.fullmatch(part))


def defined(tree: ast.Module) -> Iterator[str]:
    """Every name that a module defines: functions, classes, variables, attributes of `self`."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if ast.unparse(node.value) == "self":
                yield node.attr
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
            yield from ast.literal_eval(node.value)


class PrivateNameTests(SynchronousTestCase):
    """A change of Twisted's insides can break the package twistednet.transport, and no other."""

    def setUp(self) -> None:
        self.modules = {
            str(path.relative_to(ROOT)): ast.parse(path.read_text())
            for path in sorted(ROOT.rglob("*.py"))
        }

    def test_notElsewhere(self) -> None:
        """No module of another package uses one of them, but for a name of its own."""
        wrong = {
            name: sorted((PRIVATE.keys() & used(tree)) - set(defined(tree)))
            for name, tree in self.modules.items()
            if not name.startswith("transport/")
        }
        self.assertEqual({}, {name: names for name, names in wrong.items() if names})

    def test_listed(self) -> None:
        """A private name that the transports use is listed here, or is their own."""
        own = {name: tree for name, tree in self.modules.items() if name.startswith("transport/")}
        names = {name for tree in own.values() for name in used(tree)}
        ours = {name for tree in own.values() for name in defined(tree)}
        self.assertEqual(set(), names - ours - PRIVATE.keys())
        self.assertEqual(set(), PRIVATE.keys() - names - ours)

    def test_twistedHasThem(self) -> None:
        """Twisted still has each of them where it is listed."""
        for name, module in PRIVATE.items():
            spec = importlib.util.find_spec(module)
            assert spec is not None
            assert spec.origin is not None
            text = f"{module}\n{Path(spec.origin).read_text()}"
            self.assertTrue(re.search(rf"\b{name}\b", text), f"{module} has no {name}")
