"""Build the servers, run every workload on each of them in turn, and print the results."""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import machine
from bench.measure import Bench
from bench.peers import PEERS, Peer, build
from bench.processes import Broken, Others, cores
from bench.report import DISTURBED, Rounds, tables
from bench.workloads import WORKLOADS, Workload

GENERATORS = ("tcp", "udp")
#: Attempts at a run, if other processes are busy.
TRIES = 3


def say(line: str) -> None:
    """Print progress to standard error; standard output has only the tables."""
    print(line, file=sys.stderr, flush=True)


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    add = parser.add_argument
    for flag, what, names in (
        ("--only", "WORKLOAD", [workload.name for workload in WORKLOADS]),
        ("--peers", "SERVER", [peer.name for peer in PEERS]),
    ):
        listed = ", ".join(names)
        add(flag, nargs="+", choices=names, default=names, metavar=what, help=listed)
    add("--seconds", type=float, default=2.0, help="length of one run [2]")
    add("--repeat", type=int, default=5, help="rounds of each workload [5]")
    add("--json", type=Path, help="merge the results into this file")
    add("--show", action="store_true", help="measure nothing: print the tables of the --json file")
    add("--plot", type=Path, help="draw the results as SVG to this file")
    given = parser.parse_args(arguments)
    if given.show and not (given.json and given.json.exists()):
        parser.error("--show needs a --json file that exists")
    return given


def ready(peers: Sequence[Peer], built: Path) -> tuple[list[Peer], list[str]]:
    """Return the servers that can run, and a line for each that cannot."""
    able, skipped = [], []
    for peer in peers:
        why = peer.missing()
        try:
            if not why:
                peer.make(built)
        except Broken as broken:
            why = str(broken)
        if why:
            skipped.append(f"{peer.name}: {why}")
        else:
            able.append(peer)
    return able, skipped


def measured(
    workload: Workload, peers: Sequence[Peer], bench: Bench, core: int, repeat: int
) -> Rounds:
    """Return the samples of each round; every server runs once in a round."""
    rounds: Rounds = []
    for n in range(repeat):
        rounds.append({})
        for name, peer, service in workload.contestants(peers):
            tries: list[dict[str, Any]] = []
            while len(tries) < TRIES and all(one["others"] >= DISTURBED for one in tries):
                tries.append(_sample(workload, peer, service, bench, core))
                say(f"{workload.name} {n + 1}/{repeat} {name}: {_brief(tries[-1])}")
            rounds[-1][name] = min(tries, key=lambda one: one["others"])
    return rounds


def _sample(
    workload: Workload, peer: Peer, service: str, bench: Bench, core: int
) -> dict[str, Any]:
    """Return the result of one run, or its error."""
    others = Others()
    sample: dict[str, Any]
    try:
        with peer.serving(service, bench.built, core) as server:
            sample = {**workload.measure(bench, server, workload.loads[service])}
    except Broken as broken:
        sample = {"error": str(broken)}
    return sample | {"others": others.cores()}


def _brief(sample: dict[str, Any]) -> str:
    shown = ("error", "cpu", "rate", "p99", "memory", "flood", "others")
    return ", ".join(
        f"{figure} {sample[figure]:,.2f}" if figure != "error" else sample[figure]
        for figure in shown
        if figure in sample
    )


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Measure the chosen workloads. Raises Broken if nothing can be measured."""
    serverCore, clientCore = cores()
    os.sched_setaffinity(0, {clientCore})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    results: dict[str, Any] = {"machine": machine.described(), "workloads": {}}
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder)
        for name in GENERATORS:
            build(f"cc -O2 -o {{built}}/{name} {{here}}/load/{name}.c", built)
        chosen = [peer for peer in PEERS if peer.name in given.peers]
        peers, results["skipped"] = ready(chosen, built)
        for line in results["skipped"]:
            say(f"skipped: {line}")
        bench = Bench(built, clientCore, given.seconds)
        for workload in WORKLOADS:
            if workload.name in given.only:
                rounds = measured(workload, peers, bench, serverCore, given.repeat)
                results["workloads"][workload.name] = {
                    "title": workload.title,
                    "unit": workload.unit,
                    "seconds": given.seconds,
                    "rounds": rounds,
                }
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    given = options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    held = json.loads(given.json.read_text()) if given.json and given.json.exists() else {}
    try:
        results = held if given.show else run(given)
    except Broken as broken:
        say(f"bench: {broken}")
        return 1
    except KeyboardInterrupt:
        say("bench: interrupted")
        return 130
    if given.json and not given.show:
        both = {**held.get("workloads", {}), **results["workloads"]}
        order = [workload.name for workload in WORKLOADS]
        results["workloads"] = {name: both[name] for name in (*order, *both) if name in both}
        given.json.write_text(json.dumps(results, indent=1) + "\n")
    print(tables(results))
    if given.plot:
        from bench.plot import drawn

        given.plot.write_text(drawn(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
