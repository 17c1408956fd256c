"""`netdemo load`: load on a server, and a report of rate, latency and errors."""

from __future__ import annotations

from typing import Unpack

import click

from twistednet.cli import loadreport as report
from twistednet.cli.options import ClientOptions, Flags, options
from twistednet.cli.run import run
from twistednet.cli.services import ServiceName
from twistednet.client.errors import Unexpected
from twistednet.client.reactors import Reactor
from twistednet.load import Traffic, generator, loadTraffic


@click.command()
@options("tls", "ca", "unix", "udp", "ipv6", "timeout")
@click.option(
    "--as",
    "service",
    type=ServiceName(loadTraffic),
    default="echo",
    show_default=True,
    help="The service: what to send, and which answer is right.",
)
@click.option(
    "-c",
    "--connections",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    metavar="N",
    help="Connections or, over UDP, sockets.",
)
@click.option(
    "-t",
    "--seconds",
    type=click.FloatRange(0.1),
    default=10.0,
    show_default=True,
    metavar="T",
    help="Duration.",
)
@click.option(
    "--rate",
    type=click.FloatRange(1),
    metavar="R",
    help="Messages a second in all; without it, as many as are answered.",
)
@click.option(
    "--size",
    type=click.IntRange(1, 65507),
    default=64,
    show_default=True,
    metavar="BYTES",
    help="Size of an echo or datagram.",
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
    **flags: Unpack[Flags],
) -> None:
    """Put load on the server at TARGET: N connections for T seconds.

    Percentiles are corrected for coordinated omission. Exit status 1 if no answer is right.
    """
    chosen = ClientOptions.of(target, "udp" if service.streams is None else "tcp", **flags)
    isDatagram = chosen.target.isDatagram
    if (service.datagrams if isDatagram else service.streams) is None:
        raise click.UsageError(
            f"{service.name} has no load over {'UDP' if isDatagram else 'connections'}: "
            "use another kind of TARGET"
        )

    async def main(reactor: Reactor) -> None:
        tally = await generator.load(
            reactor,
            chosen.target,
            service,
            connections=connections,
            seconds=seconds,
            rate=rate,
            size=size,
            timeout=chosen.timeout,
            progress=report.progress,
        )
        report.clearProgress()
        show = report.asJSON if json_ else report.asText
        show(tally, str(chosen.target), service.name, isDatagram)
        if not tally.answered:
            raise Unexpected(f"{chosen.target} sent no right answer: is it {service.name}?")

    run(main)
