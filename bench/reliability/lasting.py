"""What takes time: clients that end at random, and a load that goes on."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection

from bench.reliability.hostile import endings
from bench.reliability.model import Conditions, Figure
from bench.reliability.target import CLEAN, Target, alive, generators, target
from tests.support.adminsite import Admin
from tests.support.processes import PATIENCE

VISITORS = 4
#: What visitors of each service send.
SENT = {
    "echo": b"x" * 5000,
    "receive": b"hello\n" * 50,
    "answer": b"how are u\n" * 100,
    "hello": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20,
    "chat": b"/join room\nhello all of you\n" * 5,
}
RULES = (
    "echo: latency 20ms",
    "answer: slice 3 bytes pause 1ms",
    "chat: reset after 20 bytes, 20%",
    "hello: rate 5KiB/s",
)


def randomEnds(conditions: Conditions) -> Iterator[Figure]:
    """Close at random while the daemon sweeps, fans out, streams events, and at last drains."""
    flags = ("--admin", "tcp:0", "--idle-timeout", "1", "--stall-timeout", "1")
    with target(*flags, "--drain-timeout", "3") as daemon:
        admin = Admin(daemon)
        isOver = threading.Event()
        threads = [
            threading.Thread(target=_visit, args=(daemon, conditions.seed + n, isOver), daemon=True)
            for n in range(VISITORS)
        ]
        threads.append(threading.Thread(target=_watch, args=(admin, isOver), daemon=True))
        addresses = {service: daemon.address(service) for service in SENT}
        for thread in threads:
            thread.start()
        draw = random.Random(conditions.seed)
        end = time.monotonic() + conditions.seconds
        while time.monotonic() < end:
            rules = draw.sample(RULES, draw.randrange(len(RULES) + 1))
            answer = admin.ask("/api/v1/faults", "PUT", {"rules": rules})
            if answer.status != 200:
                raise AssertionError(f"the rules were refused: {answer.body!r}")
            time.sleep(0.5)
        yield Figure("new connections that are not served", not _serves(addresses, admin), most=0)
        daemon.signal(signal.SIGTERM)
        status = daemon.process.wait(PATIENCE)
        isOver.set()
        for thread in threads:
            thread.join(PATIENCE)
        yield Figure("ends that are not clean", status not in CLEAN, most=0)
        yield Figure("tracebacks", daemon.tracebacks, most=0)


def _serves(addresses: dict[str, tuple[str, int]], admin: Admin) -> bool:
    admin.ask("/api/v1/faults", "PUT", {"rules": []})
    with socket.create_connection(addresses["echo"], PATIENCE) as client:
        client.sendall(b"ping")
        return client.recv(4) == b"ping"


def _visit(daemon: Target, seed: int, isOver: threading.Event) -> None:
    """Connect to one service after the other, and end at a random moment in a random way."""
    draw = random.Random(seed)
    addresses = {service: daemon.address(service) for service in SENT}
    while not isOver.is_set():
        service = draw.choice(list(SENT))
        # The daemon may disconnect it at any time, and is gone in the end.
        with (
            contextlib.suppress(OSError),
            socket.create_connection(addresses[service], 2) as client,
        ):
            client.settimeout(0.2)
            for _ in range(draw.randrange(4)):
                client.sendall(SENT[service][: draw.randrange(5000)])
                if draw.random() < 0.5:
                    client.recv(draw.randrange(1, 5000))
            if draw.random() < 0.05:
                # Long enough for the sweep to end it.
                time.sleep(2)
            draw.choice(endings)(client)


def _watch(admin: Admin, isOver: threading.Event) -> None:
    """Follow the stream of events of the admin site, and drop it after some of them."""
    while not isOver.is_set():
        with contextlib.suppress(OSError):
            connection = HTTPConnection(admin.host, admin.port, timeout=1)
            connection.request("GET", "/events", headers={"Authorization": f"Bearer {admin.token}"})
            connection.getresponse().read(20_000)
            connection.close()


def soak(conditions: Conditions) -> Iterator[Figure]:
    """Run a mixed load, and look whether memory and descriptors grow."""
    bench = generators()
    loads = {"echo": "tcp -c 20 -s 64 -r", "answer": "tcp -c 20 -q 'how are u' -a fine"}
    with target("--admin", "tcp:0", "--journal", "200") as daemon:
        before = daemon.descriptors
        samples: list[tuple[float, int]] = []
        end = time.monotonic() + conditions.seconds
        while time.monotonic() < end:
            for service, words in loads.items():
                with bench.load(words, daemon.address(service)[1], 2.0) as load:
                    load.go()
                    load.result(2.0)
            samples.append((time.monotonic(), daemon.resident))
        # What is made once, and kept, belongs to the first third.
        settled = samples[len(samples) // 3 :]
        grown = (settled[-1][1] - settled[0][1]) / 2**20
        yield Figure("growth of memory after the first third", grown, "MiB", 2)
        yield Figure("slope of memory", _slope(settled) * 3600 / 2**20, "MiB/h", 1, isTime=True)
        yield Figure("descriptors left over", daemon.settled(before), most=2)
        yield from alive(daemon)


def _slope(samples: list[tuple[float, int]]) -> float:
    """Return the slope of the line of least squares, in bytes a second."""
    count = len(samples)
    meanTime = sum(at for at, _ in samples) / count
    meanSize = sum(size for _, size in samples) / count
    spread = sum((at - meanTime) ** 2 for at, _ in samples)
    return (
        sum((at - meanTime) * (size - meanSize) for at, size in samples) / spread if spread else 0.0
    )
