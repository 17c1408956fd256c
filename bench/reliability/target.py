"""The daemon under test: its log in a file, its memory, descriptors and CPU time."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from multiprocessing import Pipe, Process
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from bench.__main__ import GENERATORS
from bench.measure import Bench
from bench.nonreaders import honest
from bench.peers import build
from bench.processes import Broken, cores, resident, spent
from bench.reliability.model import CannotRun, Figure
from tests.support.processes import ANYWHERE, PATIENCE, TWISTD, Running, environment

_LOG = "twistd.log"
#: The exit statuses of a daemon that SIGTERM has ended after its drain.
CLEAN = (0, -signal.SIGTERM)


class Target(Running):
    """A daemon with every service, whose log is a file: nobody has to read a pipe.

    `flags` come after the endpoints. `wrapper` is a command that starts it. One that `isWarm`
    has served a client: what the first one needs exists already.
    """

    def __init__(
        self,
        *flags: str,
        wrapper: Sequence[str] = (),
        env: dict[str, str] | None = None,
        isWarm: bool = True,
    ) -> None:
        twistd = [sys.executable, TWISTD, "-n", "--pidfile=", f"--logfile={_LOG}", "netdemo"]
        command = [*wrapper, *twistd, *ANYWHERE, *flags]
        super().__init__(command=command, env=environment(**(env or {})))
        self.waitFor("serving\n")
        #: The process of the daemon itself, where a wrapper is its parent.
        self.pid = _childOf(self.process.pid) if wrapper else self.process.pid
        if isWarm:
            self.serves()

    def waitFor(self, pattern: str, since: int = 0) -> re.Match[str]:
        deadline = time.monotonic() + PATIENCE
        while not (found := re.compile(pattern, re.MULTILINE).search(self.readLog(), since)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no {pattern!r} in the log:\n{self.log[-4000:]}")
            time.sleep(0.01)
        return found

    def readLog(self) -> str:
        """Return the log, with that of the files before if it was rotated."""
        files = sorted(self.path.glob(f"{_LOG}*"), key=lambda one: one.stat().st_mtime)
        self.log = "".join(one.read_text(errors="replace") for one in files)
        return self.log

    @property
    def tracebacks(self) -> int:
        """How many tracebacks its log has; they are printed to standard error."""
        found = re.findall(r"^\tTraceback \(most.*(?:\n\t.*)*", self.readLog(), re.MULTILINE)
        for one in found:
            print(one, file=sys.stderr)
        return len(found)

    @property
    def resident(self) -> int:
        """Its resident memory in bytes."""
        return resident(self.pid)

    @property
    def descriptors(self) -> int:
        """How many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def cpu(self) -> float:
        """The CPU seconds that it has used."""
        return sum(spent(self.pid))

    def serves(self) -> bool:
        """True if a new connection to echo has its bytes returned."""
        try:
            with self.connect("echo") as client:
                client.sendall(b"ping")
                return client.recv(4) == b"ping"
        except OSError:
            return False

    def settled(self, descriptors: int, seconds: float = PATIENCE) -> int:
        """Return how many descriptors are left over, once that is 0 or the time is over."""
        deadline = time.monotonic() + seconds
        while self.descriptors > descriptors and time.monotonic() < deadline:
            time.sleep(0.05)
        return max(0, self.descriptors - descriptors)


def _childOf(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid


@contextmanager
def target(*flags: str, **more: Any) -> Iterator[Target]:
    """Run a daemon while the block runs."""
    daemon = Target(*flags, **more)
    try:
        yield daemon
    finally:
        daemon.close()


def alive(daemon: Target) -> Iterator[Figure]:
    """Yield what must hold of a daemon after any promise: it serves, and nothing was raised."""
    yield Figure("new connections that are not served", not daemon.serves(), most=0)
    yield Figure("tracebacks", daemon.tracebacks, most=0)


class Bystander:
    """A well-behaved client of one service, in a process of its own."""

    def __init__(self, daemon: Running, service: str = "echo") -> None:
        self._orders, theirs = Pipe()
        self._process = Process(
            target=honest, args=(daemon.address(service), service, theirs), daemon=True
        )
        self._process.start()

    def __enter__(self) -> Bystander:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the client."""
        self._process.kill()
        self._process.join()

    def p99(self) -> float:
        """Return the p99 of its latency since the last call, in milliseconds.

        It is infinite for a client that is waiting or was disconnected.
        """
        try:
            self._orders.send(True)
            latencies = self._orders.recv() if self._orders.poll(PATIENCE) else []
        except (EOFError, OSError):
            latencies = []
        return statistics.quantiles(latencies, n=100)[98] * 1000 if latencies[1:] else float("inf")


@cache
def generators() -> Bench:
    """Return the load generators, built once. Raises CannotRun without a compiler."""
    built = Path(mkdtemp(prefix="reliability-"))
    try:
        for name in GENERATORS:
            build(f"cc -O2 -o {{built}}/{name} {{here}}/load/{name}.c", built)
    except Broken as why:
        raise CannotRun(str(why)) from None
    return Bench(built, cores()[1], 2.0)


def allowDescriptors(count: int) -> None:
    """Let this process and its children open `count` descriptors. Raises CannotRun."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        raise CannotRun(f"the limit of descriptors is {hard}, and {count} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def reset(address: tuple[str, int]) -> None:
    """Connect, and reset the connection at once."""
    with socket.create_connection(address, timeout=PATIENCE) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
