"""`netdemo check`: does a server keep the rules of its service?"""

from __future__ import annotations

from itertools import count
from typing import Any

import click

from twistednet.check import Check, Result, ServiceChecks, conform, loadChecks
from twistednet.cli import checkreport as report
from twistednet.cli.options import ClientOptions, options
from twistednet.cli.process import run
from twistednet.cli.services import ServiceName


@click.command()
@options("tls", "ca", "unix", "udp", "ipv6", "timeout")
@click.option(
    "--as", "service", required=True, type=ServiceName(loadChecks), help="What it should be."
)
@click.option("--only", multiple=True, metavar="WORDS", help="Only checks with WORDS in the name.")
@click.option("--slow", is_flag=True, help="Also checks that take half a minute.")
@click.option("--list", "lists", is_flag=True, help="List the checks, and run none.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
@click.option("--junit", metavar="FILE", help="Also write JUnit XML.")
def check(
    target: str,
    service: ServiceChecks,
    only: tuple[str, ...],
    slow: bool,
    lists: bool,
    json_: bool,
    junit: str | None,
    **flags: Any,
) -> None:
    """Check that the server at TARGET, ours or not, keeps the rules of a service.

    TARGET is HOST:PORT or a client endpoint: tcp:127.0.0.1:8888, udp:..., unix:...,
    tls:... Status 1 if a check failed.
    """
    how = ClientOptions.of(target, "udp" if service.streams is None else "tcp", **flags)
    checks = _chosen(service, how, only, slow or lists)
    if lists:
        report.listed(checks)
        return

    async def main(reactor: Any) -> int:
        numbers = count(1)

        def each(result: Result) -> None:
            report.progress(result, next(numbers), len(checks))

        results = await conform(reactor, how.target, checks, how.timeout, each)
        if junit is not None:
            report.junit(results, str(how.target), service.name, junit)
        (report.asJSON if json_ else report.table)(results, str(how.target))
        return int(any(result.verdict == "fail" for result in results))

    run(main)


def _chosen(
    service: ServiceChecks, how: ClientOptions, only: tuple[str, ...], slow: bool
) -> list[Check]:
    checks = service.checks(how.target.isDatagram, slow or bool(only))
    if not checks:
        raise click.UsageError(f"{service.name} is not served at {how.target}: try another kind")
    chosen = [
        one
        for one in checks
        if not only or any(words.lower() in one.name.lower() for words in only)
    ]
    if not chosen:
        names = ", ".join(one.name for one in checks)
        raise click.UsageError(f"no check is called {' or '.join(only)}; there are: {names}")
    return chosen
