"""`netdemo check`: a server against the rules of its service."""

from __future__ import annotations

from itertools import count
from typing import Unpack

import click

from twistednet.check import Check, Result, ServiceChecks, conform, loadChecks
from twistednet.cli import checkreport as report
from twistednet.cli.options import ClientOptions, Flags, options
from twistednet.cli.run import run
from twistednet.cli.services import ServiceName
from twistednet.client.reactors import Reactor
from twistednet.client.targets import Target


@click.command()
@options("tls", "ca", "unix", "udp", "ipv6", "timeout")
@click.option(
    "--as", "service", required=True, type=ServiceName(loadChecks), help="The service to check."
)
@click.option(
    "--only", multiple=True, metavar="WORDS", help="Run only checks with WORDS in the name."
)
@click.option("--slow", is_flag=True, help="Also run checks that take half a minute.")
@click.option("--list", "lists", is_flag=True, help="List the checks and run none.")
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
    **flags: Unpack[Flags],
) -> None:
    """Check any server, at TARGET, against the rules of a service.

    TARGET is HOST:PORT or a client endpoint: tcp:127.0.0.1:8888, udp:..., unix:...,
    tls:... Exit status 1 if a check failed.
    """
    chosen = ClientOptions.of(target, "udp" if service.streams is None else "tcp", **flags)
    checks = _selected(service, chosen.target, only, slow or lists)
    if lists:
        report.listed(checks)
        return

    async def main(reactor: Reactor) -> int:
        numbers = count(1)

        def each(result: Result) -> None:
            report.progress(result, next(numbers), len(checks))

        results = await conform(reactor, chosen.target, checks, chosen.timeout, each)
        if junit is not None:
            report.junit(results, str(chosen.target), service.name, junit)
        (report.asJSON if json_ else report.table)(results, str(chosen.target))
        return int(any(result.verdict == "fail" for result in results))

    run(main)


def _selected(
    service: ServiceChecks, target: Target, only: tuple[str, ...], slow: bool
) -> list[Check]:
    """Return the checks over the target's transport with any of the words in their names."""
    checks = service.checks(target.isDatagram, slow or bool(only))
    if not checks:
        raise click.UsageError(
            f"{service.name} has no checks over {'UDP' if target.isDatagram else 'connections'}: "
            "use another kind of TARGET"
        )
    words = [word.lower() for word in only]
    found = [
        check for check in checks if not words or any(word in check.name.lower() for word in words)
    ]
    if not found:
        names = ", ".join(check.name for check in checks)
        raise click.UsageError(f"no check has {' or '.join(only)} in its name; there are: {names}")
    return found
