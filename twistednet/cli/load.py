"""`netdemo load`: how much, and how fast?"""

from __future__ import annotations

from typing import Any

import click

from twistednet.cli import loadreport as report
from twistednet.cli.options import ClientOptions, options
from twistednet.cli.process import run
from twistednet.cli.services import ServiceName
from twistednet.client.errors import Unexpected
from twistednet.load import Traffic, loadTraffic
from twistednet.load import load as drive


@click.command()
@options("tls", "ca", "unix", "udp", "ipv6", "timeout")
@click.option(
    "--as",
    "service",
    type=ServiceName(loadTraffic),
    default="echo",
    show_default=True,
    help="What to send, and what is right to come back.",
)
@click.option(
    "-c", "--connections", type=click.IntRange(1), default=10, show_default=True, metavar="N"
)
@click.option(
    "-t", "--seconds", type=click.FloatRange(0.1), default=10.0, show_default=True, metavar="T"
)
@click.option(
    "--rate",
    type=click.FloatRange(1),
    metavar="R",
    help="Messages a second in all; otherwise as many as are answered.",
)
@click.option(
    "--size",
    type=click.IntRange(1, 65507),
    default=64,
    show_default=True,
    help="Bytes of an echo or datagram.",
)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def load(
    target: str,
    service: Traffic,
    connections: int,
    seconds: float,
    rate: float | None,
    size: int,
    json_: bool,
    **flags: Any,
) -> None:
    """Drive the server at TARGET with N connections for T seconds.

    Percentiles are corrected for coordinated omission. Status 1 without one answer.
    """
    how = ClientOptions.of(target, "udp" if service.streams is None else "tcp", **flags)
    if (service.datagrams if how.target.isDatagram else service.streams) is None:
        raise click.UsageError(f"{service.name} is not served at {how.target}: try another kind")

    async def main(reactor: Any) -> None:
        tally = await drive(
            reactor,
            how.target,
            service,
            connections=connections,
            seconds=seconds,
            rate=rate,
            size=size,
            timeout=how.timeout,
            progress=report.progress,
        )
        report.clearProgress()
        show = report.asJSON if json_ else report.asText
        show(tally, str(how.target), service.name, how.target.isDatagram)
        if not tally.answered:
            raise Unexpected(f"{how.target} gave no right answer: is it {service.name}?")

    run(main)
