"""The effect on the daemon and on other clients of clients that send and never read.

    python -m bench.nonreaders [CLIENTS [SERVICE...]]

For echo, answer and chat in turn: the memory that each such client costs, the latency of one
well-behaved client before and during the test, and the time from the last successful send until the
daemon has closed them all. Everything runs on loopback and takes two minutes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import selectors
import socket
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from tests.support.processes import ANYWHERE, Running, readUntil

# An answer of 2 KiB fills a client's buffers in a hundred questions; with the
# default book's "fine" it takes a hundred thousand, and the run minutes of CPU.
BOOK = f'[answers]\n"how are u" = "{"fine " * 400}"\n'

SENT = {"echo": b"x" * 4096, "answer": b"how are u\n" * 400, "chat": b"hello all of you\n" * 200}


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


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


def measure(service: str, clients: int) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as book:
        book.write(BOOK)
        book.flush()
        daemon = Running(*ANYWHERE, "--answers", book.name)
    orders, theirs = multiprocessing.Pipe()
    other = multiprocessing.Process(target=honest, args=(daemon.address(service), service, theirs))
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
    while gone < clients and time.monotonic() - begun < 150:
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
    stuck = goneAt - lastSent if gone == clients else float("nan")
    daemon.close()
    return (
        f"| {service} | {clients} | {(most - before) / clients / 1024:.1f} KiB | {base:.2f} ms "
        f"| {during:.2f} ms | {gone} | {stuck:.0f} s |"
    )


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * count)), hard))
    print("| service | clients | memory each | p99 alone | p99 among them | gone | after |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in sys.argv[2:] or SENT:
        print(measure(name, count), flush=True)
