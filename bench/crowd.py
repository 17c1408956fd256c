"""The effect of a thousand connections per second on the daemon and on its live page.

    python -m bench.crowd [SECONDS [RATE [BYTES]]]

Each client connects to echo, has BYTES returned and closes. Meanwhile Chromium shows the views
of the live page in turn. Every five seconds a row shows the rate of connections, the memory of the
daemon and of the page, and the page's longest task. It takes 60 s by default.
"""

from __future__ import annotations

import multiprocessing
import socket
import sys
import threading
import time
from collections import deque
from multiprocessing.sharedctypes import Synchronized

from bench.processes import resident
from tests.support.adminsite import Admin
from tests.support.browser import Browser
from tests.support.processes import ANYWHERE, PATIENCE, Running

EVERY = 5.0
VIEWS = ("connections", "services", "lessons")

OBSERVE = """
window.longest = 0;
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
}).observe({type: "longtask"});
"""
#: A task of 100 ms, to check that the observer sees long tasks.
BLOCK = """
setTimeout(() => { const begun = performance.now(); while (performance.now() - begun < 100); });
"""
LOOK = """
const longest = window.longest;
window.longest = 0;
return [longest, performance.memory.usedJSHeapSize, document.querySelectorAll("*").length];
"""


def crowd(address: tuple[str, int], rate: float, size: int, done: Synchronized[int]) -> None:
    """Run clients one after the other, at this rate; a late one does not wait."""
    message = bytes(size)
    begun = time.monotonic()
    while True:
        with socket.create_connection(address, timeout=PATIENCE) as client:
            client.sendall(message)
            left = size
            while left:
                left -= len(client.recv(left))
        done.value += 1
        wait = begun + done.value / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)


def watched(page: Browser, daemon: Running, seconds: float, done: Synchronized[int]) -> None:
    """Print a row every five seconds."""
    print("| after | connections/s | daemon | page | elements | longest task |")
    print("| --- | --- | --- | --- | --- | --- |")
    begun = last = time.monotonic()
    before = done.value
    for view in VIEWS * 1000:
        page.show(view)
        time.sleep(EVERY)
        longest, heap, elements = page.script(LOOK)
        now, count = time.monotonic(), done.value
        print(
            f"| {now - begun:.0f} s | {(count - before) / (now - last):,.0f} "
            f"| {resident(daemon.process.pid) / 2**20:.1f} MiB | {heap / 2**20:.1f} MiB "
            f"| {elements:,} | {longest:.0f} ms |",
            flush=True,
        )
        last, before = now, count
        if now - begun >= seconds:
            return


def main() -> None:
    seconds, rate, size = (
        float(given) for given in (*sys.argv[1:], *("60", "1000", "64")[len(sys.argv) - 1 :])
    )
    daemon = Running(*ANYWHERE, "--admin", "tcp:0")
    admin = Admin(daemon)
    # Without a reader the log fills its pipe, and the daemon blocks.
    threading.Thread(target=deque, args=(daemon.process.stdout, 0), daemon=True).start()
    page = Browser()
    done = multiprocessing.Value("L", 0)
    address = daemon.address("echo")
    clients = multiprocessing.Process(target=crowd, args=(address, rate, int(size), done))
    try:
        page.enter(f"http://{admin.host}:{admin.port}/?token={admin.token}")
        page.script(OBSERVE + BLOCK)
        page.until(lambda: page.script(LOOK)[0] >= 100, "a long task")
        clients.start()
        watched(page, daemon, seconds, done)
        for complaint in page.complaints():
            print(f"console: {complaint}")
    finally:
        clients.kill()
        page.close()
        daemon.close()


if __name__ == "__main__":
    main()
