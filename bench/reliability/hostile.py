"""Clients that mean harm: resets, floods, garbage, and more connections than descriptors."""

from __future__ import annotations

import contextlib
import random
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from bench.reliability.model import Conditions, Figure
from bench.reliability.target import (
    Bystander,
    Target,
    alive,
    allowDescriptors,
    generators,
    reset,
    target,
)
from tests.support.adminsite import Admin
from tests.support.processes import PATIENCE

RESETS = 20_000
FLOOD_SECONDS = 5.0
GARBAGE_CONNECTIONS = 500
FLOODERS = 100
#: The limit of the daemon's descriptors, and the connections that want one.
DESCRIPTORS, WANTED = 256, 400
LOG_LINES = 10


def resets(conditions: Conditions) -> Iterator[Figure]:
    """Connect and reset, one after the other."""
    with target() as daemon:
        before, address = daemon.descriptors, daemon.address("echo")
        logged = len(daemon.readLog())
        for _ in range(RESETS):
            reset(address)
        yield Figure("descriptors left over", daemon.settled(before), most=0)
        size = (len(daemon.readLog()) - logged) / 1024
        yield Figure("growth of the log", size, "KiB", 10)
        yield from alive(daemon)


def datagrams(conditions: Conditions) -> Iterator[Figure]:
    """Flood the datagram service, beside a client of echo."""
    bench = generators()
    with target() as daemon, Bystander(daemon) as other:
        port = daemon.address("datagram", "udp")[1]
        with bench.load("udp -c 16 -d 64 -s 64", port, FLOOD_SECONDS) as load:
            other.p99()
            before = daemon.resident
            load.go()
            sent = load.result(FLOOD_SECONDS)["rate"]
            grown = (daemon.resident - before) / 2**20
        yield Figure("datagrams a second", sent)
        yield Figure("growth of memory", grown, "MiB", 8)
        yield Figure("p99 of another client", other.p99(), "ms", 10, isTime=True)
        yield from alive(daemon)


def requests(conditions: Conditions) -> Iterator[Figure]:
    """Pipeline HTTP requests without end on many connections, beside a client of echo."""
    # The journal's memory is bounded for all connections together.
    flags = ("--admin", "tcp:0", "--journal", "0")
    with target(*flags) as daemon, Bystander(daemon) as other:
        admin = Admin(daemon)
        places = {"hello /": daemon.address("hello"), "admin /metrics": (admin.host, admin.port)}
        for place, address in places.items():
            request = f"GET {place.split()[1]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            before = daemon.resident
            with _senders(address, request, FLOODERS):
                other.p99()
                time.sleep(FLOOD_SECONDS)
                p99 = other.p99()
                each = (daemon.resident - before) / FLOODERS / 1024
            yield Figure(f"{place}: p99 of another client", p99, "ms", 10, isTime=True)
            yield Figure(f"{place}: memory of each connection", each, "KiB", 64)
        yield from alive(daemon)


@contextmanager
def _senders(address: tuple[str, int], data: bytes, count: int) -> Iterator[None]:
    """Send `data` again and again on many connections, and read nothing."""
    clients = [socket.create_connection(address, PATIENCE) for _ in range(count)]
    isOver = threading.Event()

    def send() -> None:
        for client in clients:
            client.setblocking(False)
        while not isOver.wait(0.001):
            for client in clients:
                # Full buffers, or closed by the daemon: both are the daemon's right.
                with contextlib.suppress(OSError):
                    client.send(data * 100)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        isOver.set()
        thread.join()
        for client in clients:
            client.close()


def garbage(conditions: Conditions) -> Iterator[Figure]:
    """Send random bytes to each service, in random pieces, and end in random ways."""
    draw = random.Random(conditions.seed)
    with target("--admin", "tcp:0") as daemon:
        before = daemon.descriptors
        admin = Admin(daemon)
        names = ("echo", "receive", "answer", "hello", "chat")
        addresses = [*map(daemon.address, names), (admin.host, admin.port)]
        logged = len(daemon.readLog().splitlines())
        for _ in range(GARBAGE_CONNECTIONS):
            _sendGarbage(draw, draw.choice(addresses))
        for _ in range(GARBAGE_CONNECTIONS):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                data = draw.randbytes(draw.randrange(2000))
                sender.sendto(data, daemon.address(draw.choice(("receive", "datagram")), "udp"))
        yield Figure("descriptors left over", daemon.settled(before), most=0)
        lines = len(daemon.readLog().splitlines()) - logged
        yield Figure("lines of the log for each connection", lines / GARBAGE_CONNECTIONS, most=4)
        yield from alive(daemon)


def _sendGarbage(draw: random.Random, address: tuple[str, int]) -> None:
    with socket.create_connection(address, PATIENCE) as client, contextlib.suppress(OSError):
        for _ in range(draw.randrange(4)):
            client.sendall(draw.randbytes(draw.randrange(3000)))
        draw.choice(endings)(client)


def _resetAtClose(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


#: What a client does last before it closes: nothing, a FIN, or a RST.
endings: tuple[Callable[[socket.socket], None], ...] = (
    lambda client: None,
    lambda client: client.shutdown(socket.SHUT_WR),
    _resetAtClose,
)


def descriptors(conditions: Conditions) -> Iterator[Figure]:
    """Open more connections than the daemon has descriptors for."""
    allowDescriptors(2 * WANTED)
    with _limited(DESCRIPTORS):
        daemon = Target("--max-connections", "10000")
    try:
        logged, before = len(daemon.readLog().splitlines()), daemon.descriptors
        address = daemon.address("echo")
        with ExitStack() as held:
            for _ in range(WANTED):
                held.enter_context(socket.create_connection(address, PATIENCE))
            # The daemon tries to accept again and again.
            time.sleep(3)
            new = daemon.readLog().splitlines()[logged:]
            lines = sum("EMFILE" in one or "Traceback" in one for one in new)
            yield Figure("lines of the log about descriptors", lines, most=LOG_LINES)
        yield Figure("descriptors left over", daemon.settled(before), most=0)
        yield from alive(daemon)
    finally:
        daemon.close()


@contextmanager
def _limited(count: int) -> Iterator[None]:
    """Give child processes that start in the block this limit of descriptors."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
