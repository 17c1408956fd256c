"""The workloads: the load, the service under load, and how a run is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bench.measure import Bench, Sample, flooded, hello, idle, messages
from bench.peers import Peer, Server


@dataclass(frozen=True)
class Workload:
    """A load on servers; `loads` has the generator's command for each service under load."""

    name: str
    title: str
    loads: Mapping[str, str]
    unit: str = "message"
    measure: Callable[[Bench, Server, str], Sample] = messages
    #: The servers that take part; empty for all that have the service and are not variants.
    peers: tuple[str, ...] = ()

    def contestants(self, peers: Iterable[Peer]) -> list[tuple[str, Peer, str]]:
        """Return each server's name in the tables, the server, and the service under load."""
        first = next(iter(self.loads))
        return [
            (peer.name if service == first else f"{peer.name} {service}", peer, service)
            for peer in peers
            for service in self.loads
            if service in peer.commands
            and (peer.name in self.peers if self.peers else not peer.isVariant)
        ]


def _echo(
    name: str, title: str, load: str, service: str = "echo", unit: str = "message"
) -> Workload:
    return Workload(name, title, {service: load}, unit)


def _answer(name: str, title: str, load: str) -> Workload:
    """Return a workload that compares answer with our echo of lines of the same length."""
    loads = {"answer": f"{load} -q 'how are u' -a fine", "echo": f"{load} -s 10"}
    return Workload(name, title, loads, unit="question", peers=("C", "netdemo"))


_IDLE = 10_000
#: The daemon as it is, without its journal, and without taps in the path of the data.
OBSERVED = ("C", "Go", "netdemo", "netdemo, no journal", "netdemo, no taps")

WORKLOADS = (
    _echo("tcp-1", "TCP echo, 64 B, 1 connection", "tcp -c 1 -s 64"),
    _echo("tcp-50", "TCP echo, 64 B, 50 connections", "tcp -c 50 -s 64"),
    _echo("tcp-500", "TCP echo, 64 B, 500 connections", "tcp -c 500 -s 64"),
    _echo(
        "pipelined",
        "TCP echo, 64 B, 50 connections, 16 in flight",
        "tcp -c 50 -d 16 -s 64",
    ),
    _echo(
        "bulk",
        "TCP echo, 64 KiB, 8 connections, 4 in flight (C and Go read 64 KiB)",
        "tcp -c 8 -d 4 -s 65536",
        service="bulk",
    ),
    _answer("answer", "Answer, 50 connections, one question at a time", "tcp -c 50"),
    _answer(
        "answer-pipelined",
        "Answer, 50 connections, 16 questions in flight",
        "tcp -c 50 -d 16",
    ),
    _echo("udp", "UDP echo, 64 B, 16 sockets, 4 in flight", "udp -c 16 -d 4 -s 64", "datagram"),
    _echo(
        "udp-1200",
        "UDP echo, 1,200 B, 16 sockets, 4 in flight",
        "udp -c 16 -d 4 -s 1200",
        "datagram",
    ),
    Workload(
        "hello",
        "HTTP hello, 50 keep-alive connections (uvloop and asyncio do not parse requests)",
        {"hello": "wrk -t1 -c50"},
        unit="request",
        measure=hello,
    ),
    _echo(
        "connect",
        "Connect, send one message of 64 B, close; 16 at a time",
        "tcp -c 16 -s 64 -r",
        unit="connection",
    ),
    Workload(
        "observation",
        "Cost of observation: TCP echo, 64 B, 50 connections",
        {"echo": "tcp -c 50 -s 64"},
        peers=OBSERVED,
    ),
    Workload(
        "observation-500",
        "Cost of observation: TCP echo, 64 B, 500 connections",
        {"echo": "tcp -c 500 -s 64"},
        peers=OBSERVED,
    ),
    Workload(
        "idle-observed",
        f"Cost of observation: memory (RSS) of {_IDLE:,} idle connections",
        {"echo": f"tcp -w 0 -c {_IDLE}"},
        unit="connection",
        measure=idle,
        peers=OBSERVED,
    ),
    Workload(
        "idle",
        f"Memory (RSS) of {_IDLE:,} idle connections",
        {"echo": f"tcp -w 0 -c {_IDLE}"},
        unit="connection",
        measure=idle,
    ),
    Workload(
        "flood",
        "TCP echo, 64 B, 10 connections, during 200,000 datagrams/s of 0 and 1 B",
        {"flood": "tcp -c 10 + udp -c 4 -f 200000"},
        measure=flooded,
    ),
)
