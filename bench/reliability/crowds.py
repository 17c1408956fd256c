"""Many connections: idle, all at once, in one chat room, or never read."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import time
from collections.abc import Iterator

from bench import nonreaders
from bench.reliability.model import Conditions, Figure
from bench.reliability.target import Bystander, Target, alive, allowDescriptors, generators, target
from tests.support.processes import PATIENCE, readUntil

IDLE = 10_000
STALLED = 500
STALL_SECONDS = 1.5
NONREADERS = 1000
PEOPLE = 1000


def idle(conditions: Conditions) -> Iterator[Figure]:
    """Hold many idle connections, and look at another client and at the daemon's CPU."""
    allowDescriptors(IDLE + 1000)
    bench = generators()
    with target("--max-connections", str(IDLE + 200)) as daemon, Bystander(daemon) as other:
        port = daemon.address("echo")[1]
        with bench.load("tcp -c 200", port, 0.1) as load:
            load.go()
            load.result(1)
        before = daemon.resident
        with bench.load(f"tcp -c {IDLE}", port, 0) as load:
            held = (daemon.resident - before) / IDLE / 1024
            yield Figure("memory of an idle connection", held, "KiB", 8)
            load.go()
            load.result(1)
            other.p99()
            time.sleep(3)
            yield Figure("p99 of another client", other.p99(), "ms", 5, isTime=True)
            other.close()
            used, begun = daemon.cpu, time.monotonic()
            time.sleep(10)
            share = (daemon.cpu - used) / (time.monotonic() - begun) * 100
            yield Figure("CPU while all are idle", share, "%", 1, isTime=True)
        yield from alive(daemon)


def stall(conditions: Conditions) -> Iterator[Figure]:
    """Connect to a daemon that is stopped, and see who is served when it goes on."""
    with target() as daemon:
        address = daemon.address("echo")
        daemon.signal(signal.SIGSTOP)
        try:
            clients = [socket.create_connection(address, PATIENCE) for _ in range(STALLED)]
            time.sleep(STALL_SECONDS)
        finally:
            daemon.signal(signal.SIGCONT)
        yield Figure("clients that are not served", _unserved(clients), most=0)
        yield from alive(daemon)


def _unserved(clients: list[socket.socket]) -> int:
    unserved = 0
    for client in clients:
        with client:
            try:
                client.sendall(b"ping")
                unserved += client.recv(4) != b"ping"
            except OSError:
                unserved += 1
    return unserved


def nonReaders(conditions: Conditions) -> Iterator[Figure]:
    """Send and never read, on each service that returns something."""
    allowDescriptors(4 * NONREADERS)
    for service in nonreaders.SENT:
        # The journal's memory is bounded for all connections together.
        flags = ("--stall-timeout", "5", "--journal", "0")
        found = nonreaders.measure(service, NONREADERS, *flags, patience=90)
        yield Figure(f"{service}: memory of each", found.memory / 1024, "KiB", 64)
        left = NONREADERS - found.gone
        yield Figure(f"{service}: not closed within 90 s", left, most=0, isTime=True)
        yield Figure(f"{service}: p99 of another client", found.during, "ms", 10, isTime=True)


def room(conditions: Conditions) -> Iterator[Figure]:
    """Say one line in a chat room of a thousand, again and again."""
    allowDescriptors(2 * PEOPLE)
    lines = 20
    flags = ("--max-peer-connections", "2000", "--peer-rate", "2000", "--journal", "1000")
    with target(*flags) as daemon:
        speaker = daemon.connect("chat")
        speaker.sendall(b"/join crowd\n")
        readUntil(speaker, lambda heard: b"in crowd" in heard)
        people = [_joined(daemon) for _ in range(PEOPLE - 1)]
        _drain(people)
        used = daemon.cpu
        for number in range(lines):
            speaker.sendall(b"line %d.\n" % number)
            _hear(people, b"line %d.\n" % number)
        cost = (daemon.cpu - used) / lines * 1000
        yield Figure(
            "the daemon's CPU time for one line to a thousand", cost, "ms", 50, isTime=True
        )
        for client in (speaker, *people):
            client.close()
        yield from alive(daemon)


def _joined(daemon: Target) -> socket.socket:
    client = daemon.connect("chat")
    client.sendall(b"/join crowd\n")
    readUntil(client, lambda heard: b"in crowd" in heard)
    return client


def _drain(people: list[socket.socket]) -> None:
    """Read what has arrived until nothing more comes for half a second."""
    selector = selectors.DefaultSelector()
    for client in people:
        selector.register(client, selectors.EVENT_READ)
    while ready := selector.select(0.5):
        for key, _ in ready:
            with contextlib.suppress(BlockingIOError):
                key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
    selector.close()


def _hear(people: list[socket.socket], line: bytes) -> None:
    """Wait until everybody has had the line."""
    for client in people:
        if not readUntil(client, line).endswith(line):
            raise AssertionError("a member of the room was disconnected")
