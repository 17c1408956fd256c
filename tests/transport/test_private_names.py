"""The private names of Twisted that the package uses: all of them in twistednet/transport."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import twistednet

ROOT = Path(twistednet.__file__).parent
TRANSPORT = sorted((ROOT / "transport").glob("*.py"))

# Each private name, and the module of Twisted that defines it. A new version of Twisted may
# change any of them, so pyproject.toml admits one series of versions only.
PRIVATE = {
    "_PullToPush": "twisted.internet._producer_helpers",
    "_aborted": "twisted.protocols.tls",
    "_aborting": "twisted.internet.tcp",
    "_aggregator": "twisted.protocols.tls",
    "_appSendBuffer": "twisted.protocols.tls",
    "_bindPath": "twisted.internet.unix",
    "_buffer": "twisted.protocols.basic",
    "_checkHandshakeStatus": "twisted.protocols.tls",
    "_creatorCallable": "twisted.protocols.tls",
    "_flushReceiveBIO": "twisted.protocols.tls",
    "_flushSendBIO": "twisted.protocols.tls",
    "_fromListeningDescriptor": "twisted.internet.tcp",
    "_handlingRequest": "twisted.web.http",
    "_lostTLSConnection": "twisted.protocols.tls",
    "_maybePauseProducer": "twisted.internet.abstract",
    "_producer": "twisted.protocols.tls",
    "_producerPaused": "twisted.protocols.tls",
    "_producer_helpers": "twisted.protocols.tls",
    "_reason": "twisted.protocols.tls",
    "_requestProducer": "twisted.web.http",
    "_respondToBadRequestAndDisconnect": "twisted.web.http",
    "_shouldShutdown": "twisted.internet.tcp",
    "_shutdownTLS": "twisted.protocols.tls",
    "_tempDataBuffer": "twisted.internet.abstract",
    "_tempDataLen": "twisted.internet.abstract",
    "_tlsConnection": "twisted.protocols.tls",
    "_tlsShutdownFinished": "twisted.protocols.tls",
    "_transferDecoder": "twisted.web.http",
    "_version": "twisted.web.http",
    "_waitingForTransport": "twisted.web.http",
    "_writeDisconnected": "twisted.internet.abstract",
}


def _nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def _uses(path: Path) -> set[str]:
    """Return the private names that a module imports, overrides, has as attributes or as text."""
    names: set[str] = set()
    for node in _nodes(path):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.Name):
            names.add(node.name if isinstance(node, ast.FunctionDef) else node.id)
        elif isinstance(node, ast.ImportFrom):
            names.update((node.module or "").split("."), (alias.name for alias in node.names))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # The name that is given to getattr.
            names.add(node.value)
    return {name for name in names if re.fullmatch(r"_[a-zA-Z]\w*", name)}


def _defines(path: Path) -> set[str]:
    """Return the names that a module gives to functions, classes, variables and attributes."""
    names: set[str] = set()
    for node in _nodes(path):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
            names.update(ast.literal_eval(node.value))
    return names


class PrivateNameTests(SynchronousTestCase):
    """The table of Twisted's private names."""

    def test_transportAlone(self) -> None:
        """No other package uses one. (A module may define an attribute of the same name.)"""
        others = [path for path in ROOT.rglob("*.py") if path not in TRANSPORT]
        found = {str(path.relative_to(ROOT)): _uses(path) - _defines(path) for path in others}
        wrong = {path: names & set(PRIVATE) for path, names in found.items()}
        self.assertEqual({path: names for path, names in wrong.items() if names}, {})

    def test_complete(self) -> None:
        """A private name in transport that no module of it defines is in the table."""
        own = set().union(*map(_defines, TRANSPORT))
        uses = set().union(*map(_uses, TRANSPORT))
        self.assertEqual(uses - own - set(PRIVATE), set())

    def test_current(self) -> None:
        """Each name in the table is used here, and exists in this version of Twisted."""
        uses = set().union(*map(_uses, TRANSPORT))
        self.assertEqual(set(PRIVATE) - uses, set())
        for name, module in PRIVATE.items():
            source = inspect.getsource(importlib.import_module(module))
            self.assertRegex(source, rf"\b{name}\b", module)
