"""The results of checks: as text for people, as JSON for programs, as JUnit XML for CI."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TextIO
from xml.etree.ElementTree import Element, SubElement, tostring

from rich.console import Console
from rich.text import Text

from twistednet.check import Check, Result
from twistednet.client.errors import ClientError, TimedOut

_STYLES = {"pass": "green", "fail": "bold red", "n/a": "yellow", "skip": "yellow"}


def line(result: Result) -> None:
    """Print a line for the check, and a second one that says why it did not pass."""
    _print(result, sys.stdout)


def progress(result: Result) -> None:
    """Print the same to standard error, if that is a terminal."""
    if sys.stderr.isatty():
        _print(result, sys.stderr)


def _print(result: Result, file: TextIO) -> None:
    text = f"{result.verdict:4}  {result.name}  [{result.rule}]"
    why = "" if result.verdict == "pass" else f"\n      {_details(result)}"
    if file.isatty():
        styled = Text.assemble((text[:4], _STYLES[result.verdict]), text[4:], why)
        Console(file=file).print(styled, soft_wrap=True)
    else:
        # At once: the checks that follow may take a minute.
        print(text + why, file=file, flush=True)


def ending(results: list[Result], target: str) -> None:
    """Print the line that ends the report."""
    print(f"{target}: {summary(results)}")


def status(results: list[Result]) -> int:
    """Return the exit status of the command."""
    verdicts = {result.verdict for result in results}
    if "fail" in verdicts:
        return 1
    return TimedOut.status if "skip" in verdicts else 0


def _details(result: Result) -> str:
    sent = f"sent {result.sent}; " if result.sent else ""
    came = f"came {result.came}; " if result.came else ""
    return f"{sent}{came}{result.why}"


def summary(results: list[Result]) -> str:
    """Return how many checks have each verdict."""
    count = Counter(result.verdict for result in results)
    verdicts = (
        ("passed", "pass"),
        ("failed", "fail"),
        ("not applicable", "n/a"),
        ("not run", "skip"),
    )
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
        skipped=str(count["n/a"] + count["skip"]),
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
