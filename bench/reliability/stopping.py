"""The daemon's end, and a log that nobody reads."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import Process, Queue
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory

from bench.reliability.model import Conditions, Figure
from bench.reliability.target import CLEAN, Bystander, Target, allowDescriptors, target
from tests.support.processes import ANYWHERE, PATIENCE, Running

QUEUED = 1000
RUNS, LOOPING = 10, 40
DRAIN_SECONDS = 2.0
#: Messages of 200 bytes that are logged while nobody reads the log, and what its pipe holds.
LOGGED = 90
PIPE_BYTES = 4096

BLOCKING = """
import time
from twistednet import Echo

class Blocking(Echo):
    def dataReceived(self, data):
        time.sleep(3600)
"""


def queued(conditions: Conditions) -> Iterator[Figure]:
    """Stop a daemon while connections wait to be accepted."""
    allowDescriptors(3 * QUEUED)
    with target("--drain-timeout", "5") as daemon:
        address = daemon.address("echo")
        daemon.signal(signal.SIGSTOP)
        clients = [socket.create_connection(address, PATIENCE) for _ in range(QUEUED)]
        for client in clients:
            client.sendall(b"ping")
        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGCONT)
        yield Figure(
            "connections that are not served", sum(not _served(one) for one in clients), most=0
        )
        yield Figure("ends that are not clean", daemon.process.wait(PATIENCE) not in CLEAN, most=0)


def _served(client: socket.socket) -> bool:
    """True if the client gets its bytes back, and a FIN after its own."""
    with client:
        try:
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(100), b"")) == b"ping"
        except OSError:
            return False


def looping(conditions: Conditions) -> Iterator[Figure]:
    """Stop a daemon under clients that connect, are served, and connect again."""
    ends: Counter[str] = Counter()
    for _ in range(RUNS):
        with target("--drain-timeout", "5") as daemon:
            results: Queue[Counter[str]] = Queue()
            address = daemon.address("echo")
            clients = [Process(target=_loop, args=(address, results)) for _ in range(LOOPING // 10)]
            for client in clients:
                client.start()
            time.sleep(1)
            daemon.signal(signal.SIGTERM)
            for _ in clients:
                with contextlib.suppress(Empty):
                    ends += results.get(timeout=PATIENCE)
            for client in clients:
                client.join(PATIENCE)
                client.kill()
    yield Figure("connections that were served", ends["served"])
    yield Figure("clients that were refused in the end", ends["refused"])
    yield Figure("connections that were reset or cut", ends["reset"], most=0)
    yield Figure("clients without an end", RUNS * LOOPING - ends["refused"] - ends["reset"], most=0)


def _loop(address: tuple[str, int], results: Queue[Counter[str]]) -> None:
    """Run ten clients in turn, until each has been refused or reset."""
    ends: Counter[str] = Counter()
    left = 10
    held: list[socket.socket] = []
    while left:
        held.clear()
        for _ in range(left):
            try:
                held.append(socket.create_connection(address, PATIENCE))
            except ConnectionRefusedError:
                ends["refused"] += 1
                left -= 1
            except ConnectionError:
                ends["reset"] += 1
                left -= 1
        for client in held:
            with contextlib.suppress(OSError):
                client.sendall(b"ping")
        for client in held:
            if _served(client):
                ends["served"] += 1
            else:
                ends["reset"] += 1
                left -= 1
    results.put(ends)


def hanging(conditions: Conditions) -> Iterator[Figure]:
    """Stop a daemon that a callback blocks for an hour."""
    drain = ("--drain-timeout", f"{DRAIN_SECONDS:g}")
    for times, what in ((1, "after the drain timeout"), (2, "after a second TERM")):
        with _blocking(*drain) as daemon, daemon.connect("echo") as client:
            client.sendall(b"x")
            # The callback runs now, or at the latest before the signal is handled.
            time.sleep(0.5)
            begun = time.monotonic()
            for _ in range(times):
                daemon.signal(signal.SIGTERM)
                time.sleep(0.1)
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.process.wait(PATIENCE)
            took = time.monotonic() - begun - (DRAIN_SECONDS if times == 1 else 0)
            isLeft = daemon.process.poll() is None
            yield Figure(f"daemons that go on, {what}", isLeft, most=0)
            yield Figure(f"seconds until it is gone, {what}", took, "s", 1.5, isTime=True)
            yield Figure(
                f"logs without what blocked, {what}",
                "in dataReceived" not in daemon.readLog(),
                most=0,
            )


@contextlib.contextmanager
def _blocking(*flags: str) -> Iterator[Target]:
    """Run a daemon whose echo never returns from its callback."""
    with TemporaryDirectory() as folder:
        Path(folder, "blocking.py").write_text(BLOCKING)
        service = ("--echo-class", "blocking.Blocking")
        env = {"PYTHONPATH": folder}
        with target(*service, *flags, env=env, isWarm=False) as daemon:
            yield daemon


def unreadLog(conditions: Conditions) -> Iterator[Figure]:
    """Log to a pipe that nobody reads, beside a client of echo, and then stop."""
    with contextlib.closing(Running(*ANYWHERE)) as daemon, Bystander(daemon) as other:
        address = daemon.address("receive")
        assert daemon.process.stdout is not None
        fcntl.fcntl(daemon.process.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        other.p99()
        for _ in range(LOGGED):
            with socket.create_connection(address, PATIENCE) as client:
                client.sendall(b"x" * 200)
        yield Figure("p99 of another client", other.p99(), "ms", 10, isTime=True)
        other.close()
        daemon.signal(signal.SIGTERM)
        try:
            status = daemon.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            status = 1
        yield Figure("ends that are not clean", status not in CLEAN, most=0)
