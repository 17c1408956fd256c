"""What echo's clients notice of faults that answer and hello have.

    python -m bench.bystanders [SECONDS [ROUNDS [RATE]]]

Twenty clients of each put the same load on both, whatever comes back: RATE questions or
requests a second each, 50 unless told otherwise. In each round every fault has its SECONDS, and
no fault at all has them, too; the figures are medians of the ROUNDS, with the least and the
most. All on loopback; it takes three minutes unless told otherwise.
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
from tests.admin import Admin
from tests.running import ANYWHERE, PATIENCE, Running

FAULTS = ("", "latency 100ms jitter 50ms", "rate 1KiB/s", "slice 10 bytes pause 10ms", "silence")
SENT = {"answer": b"how are u\n", "hello": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"}
#: Of each service.
CLIENTS = 20
#: Seconds in which a load comes to what it is.
SETTLE = 1.0

Addresses = dict[str, tuple[str, int]]


class Client:
    """Sends a message when it is told to, if it could send the last one."""

    def __init__(self, service: str, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address, timeout=PATIENCE)
        self.sock.setblocking(False)
        self._message = SENT[service]
        self._left = b""

    def send(self) -> None:
        self._left = self._left or self._message
        # With its buffers full, the daemon does not read it.
        with contextlib.suppress(BlockingIOError):
            self._left = self._left[self.sock.send(self._left) :]

    def receive(self) -> None:
        if not self.sock.recv(65536):
            raise SystemExit("the daemon closed a connection of the load")


def load(addresses: Addresses, rate: float) -> None:
    """Clients that send in turn, and read what comes."""
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
    """Echo's p99 in milliseconds, while answer and hello have this fault, or none."""
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
    """A row for each fault, beside none."""
    rows = ["| answer and hello have | echo's p99 | to none |", "| --- | --- | --- |"]
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
    # The daemon on one core and all who speak to it on the others, where there are two.
    first, *rest = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {first})
    daemon = Running(*ANYWHERE, "--admin", "tcp:0")
    os.sched_setaffinity(0, rest or {first})
    admin = Admin(daemon)
    address = daemon.address("echo")
    addresses = {service: daemon.address(service) for service in SENT}
    # A log that nobody reads fills its pipe, and then the daemon waits.
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
