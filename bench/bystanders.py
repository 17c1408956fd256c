"""The effect on echo's latency of faults of answer and hello.

    python -m bench.bystanders [SECONDS [ROUNDS [RATE]]]

Twenty clients of each service send RATE questions or requests per second each (default: 50),
whatever comes back. Each round measures every fault, and no fault, for SECONDS each.
The results are medians of the ROUNDS, with minimum and maximum. Everything runs on loopback; with
the defaults it takes three minutes.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import selectors
import socket
import statistics
import sys
import threading
import time
from collections import deque
from multiprocessing.connection import Connection

from bench.nonreaders import honest, p99
from tests.support.adminsite import Admin
from tests.support.processes import ANYWHERE, PATIENCE, Running

FAULTS = ("", "latency 100ms jitter 50ms", "rate 1KiB/s", "slice 10 bytes pause 10ms", "silence")
SENT = {"answer": b"how are u\n", "hello": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"}
#: Clients of each service.
CLIENTS = 20
#: Seconds until the load is steady.
SETTLE = 1.0

Addresses = dict[str, tuple[str, int]]


class Client:
    """A client that sends a message on request, if it could send the last one."""

    def __init__(self, service: str, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address, timeout=PATIENCE)
        self.sock.setblocking(False)
        self._message = SENT[service]
        self._left = b""

    def send(self) -> None:
        self._left = self._left or self._message
        # The buffers are full if the daemon does not read.
        with contextlib.suppress(BlockingIOError):
            self._left = self._left[self.sock.send(self._left) :]

    def receive(self) -> None:
        if not self.sock.recv(65536):
            raise SystemExit("the daemon closed a connection of the load")


def load(addresses: Addresses, rate: float) -> None:
    """Run clients that send in turn and read what arrives."""
    clients = [Client(service, addresses[service]) for service in list(SENT) * CLIENTS]
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.sock, selectors.EVENT_READ, client)
    due = time.monotonic()
    for client in itertools.cycle(clients):
        client.send()
        due += 1 / rate / len(clients)
        left = 1.0
        while left > 0:
            left = due - time.monotonic()
            for key, _ in selector.select(max(0.0, left)):
                key.data.receive()


def measured(
    admin: Admin,
    orders: Connection,
    addresses: Addresses,
    fault: str,
    seconds: float,
    rate: float,
) -> float:
    """Return echo's p99 in milliseconds while answer and hello have this fault, or none."""
    rules = [f"{service}: {fault}" for service in SENT if fault]
    answer = admin.ask("/api/v1/faults", "PUT", {"rules": rules})
    if answer.status != 200:
        raise SystemExit(answer.body.decode())
    clients = multiprocessing.Process(target=load, args=(addresses, rate))
    clients.start()
    try:
        time.sleep(SETTLE)
        p99(orders)
        time.sleep(seconds)
        found = p99(orders)
        if not clients.is_alive():
            raise SystemExit("the load has ended by itself")
        return found
    finally:
        clients.kill()
        clients.join()


def table(found: dict[str, list[float]]) -> str:
    """Return a table with a row for each fault, and its ratio to no fault."""
    rows = ["| answer and hello have | echo's p99 | ratio to no fault |", "| --- | --- | --- |"]
    for fault, times in found.items():
        ratios = [one / base for one, base in zip(times, found[""], strict=True)]
        rows.append(
            f"| {fault or 'no fault'} | {statistics.median(times):.2f} ms "
            f"({min(times):.2f} to {max(times):.2f}) | {statistics.median(ratios):.2f} |"
        )
    return "\n".join(rows)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 6.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    rate = float(sys.argv[3]) if len(sys.argv) > 3 else 50.0
    # The daemon on one core and its clients on the others, where there are two.
    first, *rest = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {first})
    daemon = Running(*ANYWHERE, "--admin", "tcp:0")
    os.sched_setaffinity(0, rest or {first})
    admin = Admin(daemon)
    address = daemon.address("echo")
    addresses = {service: daemon.address(service) for service in SENT}
    # Without a reader the log fills its pipe, and the daemon blocks.
    threading.Thread(target=deque, args=(daemon.process.stdout, 0), daemon=True).start()
    orders, theirs = multiprocessing.Pipe()
    client = multiprocessing.Process(target=honest, args=(address, "echo", theirs))
    client.start()
    try:
        found: dict[str, list[float]] = {fault: [] for fault in FAULTS}
        for _ in range(rounds):
            for fault, times in found.items():
                times.append(measured(admin, orders, addresses, fault, seconds, rate))
        print(table(found))
    finally:
        client.kill()
        daemon.close()


if __name__ == "__main__":
    main()
