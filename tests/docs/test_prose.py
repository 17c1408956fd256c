"""The English of docs, --help, docstrings and comments: words that a reader has to decode."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import ROOT, TWISTD

#: Each with what to write instead.
NOT_USED = {
    r"who(ever|mever)": "the client, the caller, anyone who",
    r"anew": "again",
    r"(is|are|was|were|be|been|being|get|gets) told": "is logged, reported, notified, given",
    r"told (of|off)": "reported",
    r"unless told otherwise": "by default",
    r"it is as if|as if it had (been|had)": "say what happens",
    r"has its share|in as far as|so manieth": "say what happens",
    r"(for|to|from|of) who(?! (it|they|you) )": "for the one that",
    r"parted by": "separated by",
    r"in force": "active, current",
    r"goodbyes?": "close_notify, the end",
    r"farewells?": "lingering close",
    r"nobody (else )?(is|was) the wiser": "say what happens",
    r"(is|are) no (number|time|file|host|name|text|size|rate|class|endpoint)": "is not a ...",
    r"spoil(s|t|ed|ing)?": "edit, change",
}
_WORDS = re.compile(rf"\b({'|'.join(NOT_USED)})\b", re.IGNORECASE)


def pages() -> Iterator[tuple[str, str]]:
    """Each page that people read, without its blocks of code and what programs print."""
    for path in (*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))):
        yield (
            path.name,
            re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE),
        )


def helps() -> Iterator[tuple[str, str]]:
    """What each command answers to --help."""
    for command in (
        (TWISTD, "netdemo"),
        *((sys.executable, "-m", "twistednet.cli.main", *words) for words in COMMANDS),
    ):
        shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
        yield " ".join(command[1:]), shown.stdout


#: The commands of `netdemo`.
COMMANDS = [
    [],
    *([name] for name in ("echo", "ask", "send", "datagram", "hello", "chat", "check", "load")),
    *([name] for name in ("listen", "watch", "fault", "completion")),
    *(["fault", name] for name in ("add", "only", "remove", "reset", "play", "stop")),
]


def prose(path: Path) -> str:
    """The docstrings and comments of a module."""
    text = path.read_text()
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = [
        ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(text))
        if isinstance(node, documented)
    ]
    return "\n".join((*comments, *docstrings))


class ProseTests(SynchronousTestCase):
    """Nothing that people read has the words of NOT_USED."""

    def check(self, name: str, text: str) -> None:
        found = [
            f"{name}: {' '.join(text[max(0, word.start() - 40) : word.end() + 40].split())}"
            for word in _WORDS.finditer(text)
        ]
        self.assertEqual([], found)

    def test_pages(self) -> None:
        """README, CONTRIBUTING, CHANGELOG and docs."""
        for name, text in pages():
            self.check(name, text)

    def test_helps(self) -> None:
        """twistd netdemo --help, and every command of netdemo."""
        for name, text in helps():
            self.check(name, text)

    def test_code(self) -> None:
        """Docstrings and comments of the package, the examples and the benchmark."""
        for folder in ("twistednet", "examples", "bench"):
            for path in sorted((ROOT / folder).rglob("*.py")):
                self.check(str(path.relative_to(ROOT)), prose(path))

    def test_livePage(self) -> None:
        """The scripts and texts of the live page."""
        page = ROOT / "twistednet" / "admin" / "page"
        for path in sorted((*page.rglob("*.js"), *page.rglob("*.html"), *page.rglob("*.css"))):
            self.check(str(path.relative_to(ROOT)), path.read_text())
