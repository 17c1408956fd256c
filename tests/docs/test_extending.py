"""docs/extending.md names every hook there is, and its code works."""

from __future__ import annotations

import ast
import contextlib
import inspect
import re
import subprocess
import sys
import types
import unittest
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from typing import Any

import pytest
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

import twistednet
from tests.support.processes import ROOT, temporaryFolder
from twistednet.core.settings import ServiceSettings
from twistednet.faults.model import KindState
from twistednet.faults.values import TYPES
from twistednet.services.catalog import SERVICES, Service

#: The examples that the page shows whole.
EXAMPLES = (
    "greeter/greeter.py",
    "clock/clock.py",
    "jokes/jokes.py",
    "kv/kv.py",
    "kv/kvchecks.py",
    "kv/kvload.py",
)
PAGE = (ROOT / "docs" / "extending.md").read_text()


def _subclassable() -> list[type]:
    """Every class that is meant to be subclassed: those of the services, and Messages."""
    return [*(service.protocol for service in SERVICES), twistednet.Messages]


def _hooks(base: type) -> list[str]:
    """What the "Override:" paragraph of a class names in backquotes, arguments left out."""
    doc = inspect.getdoc(base) or ""
    paragraph = doc.partition("Override:")[2].partition("\n\n")[0]
    names = re.findall(r"`([a-zA-Z]\w*(?:<verb>)?)`", paragraph)
    methods = [method for name in names for method in _methods(base, name)]
    arguments = {one for method in methods for one in inspect.signature(method).parameters}
    return [name for name in names if name not in arguments]


def _methods(base: type, hook: str) -> list[Any]:
    """The methods that a hook stands for: one, or all of `command_<verb>`."""
    pattern = hook.replace("<verb>", r"\w+")
    return [getattr(base, name) for name in dir(base) if re.fullmatch(pattern, name)]


def _blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@contextlib.contextmanager
def _modules(**sources: str) -> Iterator[dict[str, types.ModuleType]]:
    """Modules of these names, made of these sources, in this order."""
    made: dict[str, types.ModuleType] = {}
    before = dict(sys.modules)
    try:
        for name, source in sources.items():
            made[name] = sys.modules[name] = types.ModuleType(name)
            exec(compile(source, f"extending.md: {name}", "exec"), vars(made[name]))
        yield made
    finally:
        for name in made:
            del sys.modules[name]
            if name in before:
                sys.modules[name] = before[name]


class HookTests(SynchronousTestCase):
    def test_every_class_has_a_hook(self) -> None:
        """The docstring of each class that is meant for it says what to override."""
        self.assertEqual([], [base.__name__ for base in _subclassable() if not _hooks(base)])

    def test_every_hook_exists(self) -> None:
        """What a docstring tells to override is there to be overridden."""
        for base in _subclassable():
            for hook in _hooks(base):
                self.assertTrue(_methods(base, hook), f"{base.__name__}: {hook}")

    def test_every_hook_is_on_the_page(self) -> None:
        """Each stands in the page's table, in the row of its class, with its arguments."""
        rows: dict[str, str] = {}
        current = ""
        for name, cells in re.findall(r"^\| (?:`(\w+)` )?\| (.*)$", PAGE, re.MULTILINE):
            current = name or current
            rows[current] = rows.get(current, "") + cells
        for base in _subclassable():
            for hook in _hooks(base):
                arguments = list(inspect.signature(_methods(base, hook)[0]).parameters)[1:]
                given = ", ".join(arguments if hook != "end" else ())
                self.assertRegex(
                    rows[base.__name__], rf"`(self\.)?{re.escape(f'{hook}({given})')}`"
                )

    def test_every_example_is_on_the_page(self) -> None:
        """Each example is linked, and each link leads somewhere."""
        links = set(re.findall(r"\]\(\.\./(examples/[\w./]+)\)", PAGE))
        self.assertEqual([], [link for link in links if not (ROOT / link).exists()])
        files = {f"examples/{file.name}" for file in (ROOT / "examples").glob("*.py")}
        self.assertEqual(set(), files - links)


class ImportTests(SynchronousTestCase):
    def test_public(self) -> None:
        """The page and the examples import nothing from twistednet but what is public."""
        public = {"twistednet", "twistednet.check", "twistednet.load", "twistednet.client"}
        examples = [path.read_text() for path in (ROOT / "examples").rglob("*.py")]
        for source in (*_blocks(), *examples):
            found = set(re.findall(r"^\s*(?:from|import) (twistednet[\w.]*)", source, re.MULTILINE))
            self.assertLessEqual(found, public)

    def test_exported(self) -> None:
        """What they import is in `__all__` of its module."""
        for source in _blocks():
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                    "twistednet"
                ):
                    exported = import_module(node.module or "").__all__
                    for alias in node.names:
                        self.assertIn(alias.name, exported)


@pytest.mark.slow
class StrictTests(SynchronousTestCase):
    def test_mypy(self) -> None:
        """All code of the page passes mypy with the settings that the page gives."""
        pytest.importorskip("mypy")
        pytest.importorskip("mypy_zope")
        [settings] = re.findall(r"^```toml\n(\[tool.mypy\]\n.*?)^```$", PAGE, re.M | re.DOTALL)
        folder = temporaryFolder(self)
        (folder / "pyproject.toml").write_text(settings)
        for number, source in enumerate(_blocks()):
            name = "loud" if "class LoudEcho(" in source else f"block{number}"
            (folder / f"{name}.py").write_text(source)
        command = [sys.executable, "-m", "mypy", "."]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        self.assertIn(f"no issues found in {len(_blocks())} source files", done.stdout)


class CodeTests(SynchronousTestCase):
    def test_it_is_as_long_as_expected(self) -> None:
        """A block that the tests below do not know would be one that nobody ran."""
        self.assertEqual(5 + len(EXAMPLES) + 1, len(_blocks()))

    def test_theExamples(self) -> None:
        """The blocks of whole packages are the files of examples, which run in the daemon."""
        for name in EXAMPLES:
            self.assertIn((ROOT / "examples" / name).read_text(), _blocks(), name)

    def test_the_tests_pass(self) -> None:
        """The tests that the page has its reader write pass, each and every one."""
        loud, testLoud, testShout, *_ = _blocks()
        with _modules(loud=loud, test_loud=testLoud, test_shout=testShout) as made:
            suite = unittest.TestSuite(
                unittest.defaultTestLoader.loadTestsFromTestCase(case)
                for case in (made["test_loud"].LoudEchoTests, made["test_shout"].ShoutTests)
            )
            result = unittest.TestResult()
            suite.run(result)
        self.assertEqual(
            (4, [], []), (result.testsRun, result.failures, result.errors), str(result.errors)
        )

    def test_the_services_are_services(self) -> None:
        """Both services of the page are what an entry point must name, and serve."""
        _, _, _, shout, _, _, _, daytime, *_ = _blocks()
        with _modules(shout=shout, daytime=daytime) as made:
            for name, sent, expected in (
                ("shout", b"hello\n", rb"HELLO\n"),
                ("daytime", b"", rb"\w+day, \w+ \d\d, \d{4} \d\d:\d\d:\d\d-UTC\r\n"),
            ):
                service = made[name].service
                self.assertIsInstance(service, Service)
                transport = StringTransport()
                protocol = service.stream(service.protocol).buildProtocol(transport.getPeer())
                protocol.makeConnection(transport)
                protocol.dataReceived(sent)
                self.assertRegex(transport.value(), expected)
                protocol.connectionLost()

    def test_the_fault_is_the_example(self) -> None:
        """And so are the values and the fields that are told of all there are."""
        self.assertIn(_blocks()[-1], (ROOT / "examples" / "stutter" / "stutter.py").read_text())
        section = PAGE.partition("## 6.")[2].partition("## 7.")[0]
        for name in TYPES:
            self.assertRegex(section, rf"\b{name}\b")
        for name in (one.name for one in fields(KindState)):
            self.assertIn(f"`{name}`", section)

    def test_kv(self) -> None:
        """The store keeps what it is given, within its own setting, and shows its metric."""
        with _modules(kv=(ROOT / "examples" / "kv" / "kv.py").read_text()) as made:
            service = made["kv"].service
            factory = service.stream(service.protocol)
            factory.configure(ServiceSettings(own={service.settings: service.settings(maxKeys=1)}))
            protocol = factory.buildProtocol(None)
            transport = StringTransport()
            protocol.makeConnection(transport)
            protocol.dataReceived(b"set a 1\nset b 2\nget a\nget b\n")
            self.assertEqual(b"ok\nfull\n1\nnone\n", transport.value())
            self.assertEqual(1, factory.metrics()["kv_keys"])
            protocol.connectionLost()
