"""One run: a load on a server, and its cost to the server."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from urllib.request import urlopen

from bench.peers import Server
from bench.processes import PATIENCE, Broken, lineOf, resident, spent, started

#: The result of one run: numbers by name. Latency and CPU cost are in microseconds.
Sample = dict[str, float]

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Bench:
    """The folder of the generators, the core of the clients, and the length of a run."""

    built: Path
    core: int
    seconds: float

    @contextmanager
    def load(self, words: str, port: int, seconds: float | None = None) -> Iterator[Load]:
        """Start a generator that has connected and waits for `go`."""
        program, *options = shlex.split(words)
        lasting = ["-t", str(self.seconds if seconds is None else seconds)]
        command = [str(self.built / program), *lasting, *options, _HOST, str(port)]
        with started(command, self.core, stdin=PIPE) as process:
            load = Load(process)
            load.expect("ready")
            yield load


class Load:
    """A running load generator; load/load.h describes its protocol."""

    def __init__(self, process: Popen[str]) -> None:
        self._process = process

    def expect(self, word: str) -> None:
        line = lineOf(self._process)
        if line != word:
            raise Broken(f"unexpected output of the load generator: {line!r}")

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def result(self, seconds: float) -> Sample:
        sample: Sample = json.loads(lineOf(self._process, seconds + PATIENCE))
        return sample


def messages(bench: Bench, server: Server, words: str) -> Sample:
    """Return the cost of each message while the generator was busy."""
    with bench.load(words, server.ports[0]) as load:
        before = spent(server.pid)
        load.go()
        sample = load.result(bench.seconds)
        return sample | _cost(before, spent(server.pid), sample["messages"])


def _cost(before: tuple[float, float], after: tuple[float, float], count: float) -> Sample:
    each = [(then - now) * 1e6 / max(count, 1) for now, then in zip(before, after, strict=True)]
    return {"user": each[0], "system": each[1], "cpu": sum(each)}


def idle(bench: Bench, server: Server, words: str) -> Sample:
    """Return the memory of a connection that has had one message answered.

    A hundred connections open and close first, so that what is loaded once is not counted.
    """
    with bench.load("tcp -c 100", server.ports[0], 0.1) as load:
        load.go()
        load.result(1)
    before = resident(server.pid)
    with bench.load(words, server.ports[0], 0) as load:
        held = resident(server.pid) - before
        load.go()
        load.result(1)
    count = int(re.findall(r"-c (\d+)", words)[0])
    return {"messages": count, "memory": held / count}


def hello(bench: Bench, server: Server, words: str) -> Sample:
    """Return the cost of requests by wrk, after a check that one is answered correctly."""
    url = f"http://{_HOST}:{server.ports[0]}/"
    with urlopen(url, timeout=PATIENCE) as response:
        body = response.read()
    if body.strip() != b"Hello World!":
        raise Broken(f"wrong answer: {body[:40]!r}")
    before = spent(server.pid)
    command = [*words.split(), "--latency", f"-d{max(1, round(bench.seconds))}s", url]
    with started(command, bench.core) as process:
        said, complaint = process.communicate(timeout=bench.seconds + PATIENCE)
    if process.returncode or "Non-2xx" in said or "Socket errors" in said:
        raise Broken(f"wrk: {complaint or said}".replace("\n", " "))
    sample = readWrk(said)
    return sample | _cost(before, spent(server.pid), sample["messages"])


def flooded(bench: Bench, server: Server, words: str) -> Sample:
    """Return a stream's results while another port of the same process is flooded."""
    stream, flood = words.split(" + ")
    echo, datagram = server.ports
    with bench.load(stream, echo) as load, bench.load(flood, datagram) as flooding:
        flooding.go()
        load.go()
        sample = load.result(bench.seconds)
        sent = flooding.result(bench.seconds)["rate"]
    return sample | {"flood": sent}


_UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


def readWrk(said: str) -> Sample:
    def latency(share: str) -> float:
        number, unit = re.findall(rf"^ +{share}% +([\d.]+)(us|ms|s)$", said, re.MULTILINE)[0]
        return float(number) * _UNITS[unit]

    count, seconds = re.findall(r"(\d+) requests in ([\d.]+)s", said)[0]
    return {
        "messages": float(count),
        "seconds": float(seconds),
        "rate": float(re.findall(r"Requests/sec: +([\d.]+)", said)[0]),
        "p50": latency("50"),
        "p99": latency("99"),
    }
