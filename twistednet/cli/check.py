"""`netdemo check`: a server against the rules of its service."""

from __future__ import annotations

from typing import Unpack

import click

from twistednet.check import Check, ServiceChecks, TimeLimits, conform, loadChecks
from twistednet.check.conformance import MAX_CHECK_SECONDS, MAX_RUN_SECONDS
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
@click.option(
    "--check-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long one check may take.  "
    f"[default: {MAX_CHECK_SECONDS:g}, or twice --timeout if that is more]",
)
@click.option(
    "--run-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=MAX_RUN_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long all checks may take together.",
)
@click.option("--list", "lists", is_flag=True, help="List the checks and run none.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
@click.option("--junit", metavar="FILE", help="Also write JUnit XML.")
def check(
    target: str,
    service: ServiceChecks,
    only: tuple[str, ...],
    slow: bool,
    check_timeout: float | None,
    run_timeout: float,
    lists: bool,
    json_: bool,
    junit: str | None,
    **flags: Unpack[Flags],
) -> None:
    """Check any server, at TARGET, against the rules of a service.

    TARGET is HOST:PORT or a client endpoint: tcp:127.0.0.1:8888, udp:..., unix:...,
    tls:... Exit status 1 if a check failed, 4 if there was no time for all checks.
    """
    chosen = ClientOptions.of(target, "udp" if service.streams is None else "tcp", **flags)
    checks = _selected(service, chosen.target, only, slow or lists)
    if lists:
        report.listed(checks)
        return

    limits = TimeLimits(
        chosen.timeout,
        check_timeout or max(MAX_CHECK_SECONDS, 2 * chosen.timeout),
        run_timeout,
    )

    async def main(reactor: Reactor) -> int:
        each = report.progress if json_ else report.line
        results = await conform(reactor, chosen.target, checks, limits, each)
        if junit is not None:
            report.junit(results, str(chosen.target), service.name, junit)
        (report.asJSON if json_ else report.ending)(results, str(chosen.target))
        return report.status(results)

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
