"""The results of checks: as text for people, as JSON for programs, as JUnit XML for CI."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from rich.console import Console
from rich.table import Table
from rich.text import Text

from twistednet.check import Check, Result
from twistednet.client.errors import ClientError

_STYLES = {"pass": "green", "fail": "bold red", "n/a": "yellow"}


def table(results: list[Result], target: str) -> None:
    """Print a table on a terminal, else one line for each check."""
    console = Console()
    if console.is_terminal:
        console.print(_table(results))
    else:
        for result in results:
            print(f"{result.verdict:4}  {result.name}  [{result.rule}]")
            if result.verdict != "pass":
                print(f"      {_details(result)}")
    print(f"{target}: {summary(results)}")


def _table(results: list[Result]) -> Table:
    table = Table("", "check", "rule", "sent", "came")
    for result in results:
        came = result.came if result.verdict == "pass" else _because(result)
        table.add_row(
            Text(result.verdict, _STYLES[result.verdict]),
            *map(Text, (result.name, result.rule, result.sent, came)),
        )
    return table


def _because(result: Result) -> str:
    return f"{result.came}: {result.why}" if result.came else result.why


def _details(result: Result) -> str:
    sent = f"sent {result.sent}; " if result.sent else ""
    came = f"came {result.came}; " if result.came else ""
    return f"{sent}{came}{result.why}"


def summary(results: list[Result]) -> str:
    """Return how many checks have each verdict."""
    count = Counter(result.verdict for result in results)
    verdicts = (("passed", "pass"), ("failed", "fail"), ("not applicable", "n/a"))
    return ", ".join(f"{count[verdict]} {word}" for word, verdict in verdicts)


def listed(checks: Iterable[Check]) -> None:
    """Print the names and rules of checks."""
    for check in checks:
        print(f"{check.name}{' (--slow)' * check.slow}  [{check.rule}]")


def asJSON(results: list[Result], target: str) -> None:
    """Print a JSON object."""
    content = {"target": target, "results": [asdict(result) for result in results]}
    print(json.dumps(content, indent=2))


def junit(results: list[Result], target: str, service: str, path: str) -> None:
    """Write a JUnit XML file. Raises ClientError if that fails."""
    count = Counter(result.verdict for result in results)
    suite = Element(
        "testsuite",
        name=f"netdemo check {target} --as {service}",
        tests=str(len(results)),
        failures=str(count["fail"]),
        skipped=str(count["n/a"]),
        errors="0",
    )
    for result in results:
        case = SubElement(
            suite, "testcase", name=result.name, classname=service, time=f"{result.seconds:.3f}"
        )
        if result.verdict != "pass":
            kind = "failure" if result.verdict == "fail" else "skipped"
            SubElement(case, kind, message=_legal(f"{result.rule}: {_details(result)}"))
    try:
        Path(path).write_bytes(tostring(suite, encoding="utf-8", xml_declaration=True))
    except OSError as error:
        raise ClientError(f"--junit {path}: cannot write it: {error.strerror}") from None


def _legal(text: str) -> str:
    """Return the text with a ? for each character that XML 1.0 forbids."""
    return re.sub(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def progress(result: Result, place: int, count: int) -> None:
    """Print one line that changes, if standard error is a terminal."""
    if sys.stderr.isatty():
        line = f"{place}/{count} {result.verdict} {result.name}"
        print(
            f"\r\x1b[K{line}" + "\r\x1b[K" * (place == count), end="", file=sys.stderr, flush=True
        )
