"""The effect on the daemon and on other clients of clients that send and never read.

    python -m bench.nonreaders [CLIENTS [SERVICE...]]

For echo, answer, chat and hello in turn: the memory that each such client costs, the latency of one
well-behaved client before and during the test, and the time from the last successful send until the
daemon has closed them all. Everything runs on loopback and takes three minutes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import selectors
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from bench.processes import resident
from tests.support.processes import ANYWHERE, Running, readUntil

# An answer of 2 KiB fills a client's buffers in a hundred questions; with the
# default book's "fine" it takes a hundred thousand, and the run minutes of CPU.
BOOK = f'[answers]\n"how are u" = "{"fine " * 400}"\n'

SENT = {
    "echo": b"x" * 4096,
    "answer": b"how are u\n" * 400,
    "chat": b"hello all of you\n" * 200,
    "hello": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100,
}
#: The services whose own well-behaved client takes part; beside the others, one of echo does.
CONVERSING = ("echo", "answer", "chat")


def honest(address: tuple[str, int], service: str, orders: Connection) -> None:
    """Run a client that sends a message every 5 ms and waits for its reply.

    It needs a process of its own, so that it does not wait for the interpreter of the others.
    It answers each order with the latencies, in seconds, since the last order.
    """
    speaker = ear = socket.create_connection(address, timeout=60)
    if service == "chat":
        ear = socket.create_connection(address, timeout=60)
        for sock in (speaker, ear):
            sock.sendall(b"/join quiet\n")
            readUntil(sock, lambda heard: b"in quiet" in heard)
        readUntil(speaker, lambda heard: b"joined quiet" in heard)
    latencies: list[float] = []
    while True:
        if orders.poll(0.005):
            if not orders.recv():
                return
            orders.send(latencies)
            latencies = []
        begun = time.perf_counter()
        speaker.sendall(b"how do u do\n")
        ear.recv(4096)
        latencies.append(time.perf_counter() - begun)


def p99(orders: Connection) -> float:
    """Return the p99 in milliseconds since the last call."""
    orders.send(True)
    return statistics.quantiles(orders.recv(), n=100)[98] * 1000


class Effect(NamedTuple):
    """What the clients did to the daemon and to a well-behaved client; times in seconds.

    `memory` is in bytes for each client, `before` and `during` are the p99 of the other client
    in milliseconds, `gone` is how many clients the daemon has closed, and `after` how long
    that took from the last successful send.
    """

    memory: float
    before: float
    during: float
    gone: int
    after: float


def measure(service: str, clients: int, *flags: str, patience: float = 150.0) -> Effect:
    """Return the effect of so many clients of a service."""
    with tempfile.TemporaryDirectory() as folder:
        book = Path(folder, "book.toml")
        book.write_text(BOOK)
        daemon = Running(*ANYWHERE, "--answers", str(book), *flags)
    # Without a reader the log fills its pipe.
    threading.Thread(target=deque, args=(daemon.process.stdout, 0), daemon=True).start()
    orders, theirs = multiprocessing.Pipe()
    honestService = service if service in CONVERSING else "echo"
    address = daemon.address(honestService)
    other = multiprocessing.Process(target=honest, args=(address, honestService, theirs))
    other.start()
    time.sleep(3)
    base = p99(orders)
    before = resident(daemon.process.pid)
    selector = selectors.DefaultSelector()
    for _ in range(clients):
        sock = daemon.connect(service)
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_WRITE)
    most, gone, lastSent, begun = before, 0, time.monotonic(), time.monotonic()
    goneAt = lastSent
    while gone < clients and time.monotonic() - begun < patience:
        for key, _ in selector.select(0.2):
            try:
                key.fileobj.send(SENT[service])  # type: ignore[union-attr]
                lastSent = time.monotonic()
            except BlockingIOError:
                pass
            except OSError:
                gone, goneAt = gone + 1, time.monotonic()
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
        with contextlib.suppress(OSError):
            most = max(most, resident(daemon.process.pid))
    during = p99(orders)
    orders.send(False)
    other.join()
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    daemon.close()
    after = goneAt - lastSent if gone == clients else float("nan")
    return Effect((most - before) / clients, base, during, gone, after)


def row(service: str, clients: int) -> str:
    """Return the row of a service in the table."""
    found = measure(service, clients)
    return (
        f"| {service} | {clients} | {found.memory / 1024:.1f} KiB | {found.before:.2f} ms "
        f"| {found.during:.2f} ms | {found.gone} | {found.after:.0f} s |"
    )


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * count)), hard))
    print("| service | clients | memory each | p99 alone | p99 among them | gone | after |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in sys.argv[2:] or SENT:
        print(row(name, count), flush=True)
