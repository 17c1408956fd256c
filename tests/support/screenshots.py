"""Draws docs/images: every view of the live page, in both colour schemes.

`python -m tests.support.screenshots` starts a daemon on its default ports, sends it traffic for a
while, and takes a picture of each view. It needs chromium, chromedriver, selenium and
pngquant.
"""

from __future__ import annotations

import math
import os
import select
import socket
import struct
import subprocess
import threading
import time
from base64 import b64decode
from typing import Any

from tests.support.adminsite import Admin
from tests.support.browser import NARROW, WIDE, Browser
from tests.support.processes import ROOT, Running, asked, readAll

IMAGES = ROOT / "docs" / "images"
#: Seconds of traffic before the first picture, so that the sparklines are nearly full.
BEFORE = 50
#: Submits without a pointer, which would show in the picture.
SUBMIT = "document.querySelector('form.try').requestSubmit()"
#: True once the view has loaded the list of connections.
POLLED = (
    "return performance.getEntriesByType('resource').some((one) => one.name.includes('s?limit'))"
)
#: The only client whose connections the rules match.
FAULTED = "127.0.0.5"
RULES = (
    f"answer: latency 80ms jitter 20ms, from {FAULTED}",
    f"answer: close in reply, from {FAULTED}, every 3rd",
)
SCENARIO = "outage = 10s healthy | 10s echo: latency 500ms; hello: latency 2s | 5s echo: refuse"
#: Maximum size of a picture in bytes.
MOST = 150_000


class Place(Running):
    """A daemon whose clients use IPv4, and whose log is read, so that it does not block."""

    def address(self, service: str, kind: str = "") -> tuple[str, int]:
        return "127.0.0.1", super().address(service, kind)[1]

    def read(self) -> None:
        assert self.process.stdout is not None
        while select.select([self.process.stdout], [], [], 0)[0]:
            os.read(self.process.stdout.fileno(), 65536)


class Traffic:
    """Clients of every service: a few per second, at a rate that varies."""

    def __init__(self, daemon: Place) -> None:
        self._daemon = daemon
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        count = 0
        while not self._over.wait(0.16 + 0.12 * math.sin(time.monotonic() / 4)):
            count += 1
            self._daemon.read()
            self.echo()
            if count % 3 == 0:
                self.answer()
            if count % 5 == 0:
                self.datagram()
            if count % 4 == 0:
                self.hello()
            if count % 29 == 0:
                self.reset()

    def echo(self) -> None:
        with self._daemon.connect("echo") as sock:
            asked(sock, b"This is a test message")

    def answer(self) -> None:
        with self._daemon.connect("answer") as sock:
            for question in (b"how are u", b"how old are u", b"bye"):
                asked(sock, question)

    def hello(self) -> None:
        with self._daemon.connect("hello") as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            readAll(sock)

    def datagram(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.sendto(b"hello", self._daemon.address("datagram", "udp"))
            sock.recv(100)

    def reset(self) -> None:
        with self._daemon.connect("echo") as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(b"forget me")


def conversation(daemon: Running) -> socket.socket:
    """Make a connection whose lines and chunks differ, and which half-closes."""
    sock = daemon.connect("answer")
    for part in (
        b"how ",
        b"are ",
        b"u\nhow old",
        b" are u\n",
        b"what is \xe2\x80\xaethis\x1b[31m?\n",
    ):
        sock.sendall(part)
        time.sleep(0.04)
    time.sleep(1.2)
    sock.sendall(b"and now")
    sock.shutdown(socket.SHUT_WR)
    readAll(sock)
    return sock


def datagrams(daemon: Running) -> socket.socket:
    """Make a UDP conversation with datagrams of several sizes and gaps."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(5)
    sock.bind(("127.0.0.1", 0))
    for size, pause in ((12, 0.05), (120, 0.2), (0, 0.01), (280, 1.5), (64, 0)):
        sock.sendto(bytes(65 + at % 26 for at in range(size)), daemon.address("datagram", "udp"))
        sock.recv(2000)
        time.sleep(pause)
    return sock


def faulted(daemon: Running) -> socket.socket:
    """Make a connection whose answers are late, and the last one truncated."""
    there = daemon.address("answer")
    sock = socket.create_connection(there, timeout=5, source_address=(FAULTED, 0))
    for question in (b"how are u", b"how old are u"):
        asked(sock, question)
        time.sleep(0.3)
    sock.sendall(b"how are u\n")
    readAll(sock)
    sock.shutdown(socket.SHUT_WR)
    return sock


class Pictures:
    """Pictures of the page, one per view."""

    def __init__(self, page: Browser, admin: Admin) -> None:
        self._page = page
        self._admin = admin

    def number(self, sock: socket.socket) -> int:
        host, port = sock.getsockname()[:2]
        path = f"/api/v1/connections?peer={host}:{port}"
        return int(self._page.until(lambda: self._admin.ask(path).json["connections"])[0]["id"])

    def take(self, name: str, size: tuple[int, int] = WIDE, whole: bool = False) -> None:
        """Take this view as it is now, either the `whole` page or what fits the window."""
        for scheme in ("light", "dark"):
            self._page.emulate(size, scheme, "reduce")
            self._page.script("scrollTo(0, 0); document.activeElement.blur()")
            self._page.script("return new Promise((done) => requestAnimationFrame(() => done()))")
            shot = {"format": "png", "captureBeyondViewport": whole}
            taken = b64decode(self._page.run("Page.captureScreenshot", **shot)["data"])
            # 256 colours are enough for text, and a third of the bytes.
            reduce = ["pngquant", "--speed", "1", "--nofs", "256", "-"]
            data = subprocess.run(reduce, input=taken, capture_output=True, check=True).stdout
            assert len(data) <= MOST, f"{name}: {len(data)} bytes"
            (IMAGES / f"{name}-{scheme}.png").write_bytes(data)
            print(f"{name}-{scheme}.png: {len(data)} B")


def views(
    page: Browser, pictures: Pictures, daemon: Running, admin: Admin, traffic: Traffic
) -> None:
    page.show("services")
    page.emulate(WIDE, "light")
    page.until(lambda: len(page.all(".spark .line")) >= 12)
    pictures.take("services")
    stay: list[Any] = [daemon.connect(service) for service in ("chat", "chat", "receive")]
    asked(stay[0], b"hello, is anybody here?")
    stay[2].sendall(b"\x00\x01 not only text")
    page.show("connections")
    page.until(lambda: len(page.all("tbody tr")) > 20)
    pictures.take("connections")
    talk = pictures.number(conversation(daemon))
    page.show(f"connections/{talk}")
    page.one(".rung.fin.server")
    pictures.take("connection", whole=True)
    pictures.take("connection-narrow", NARROW, whole=True)
    page.show(f"connections/{pictures.number(datagrams(daemon))}")
    page.until(lambda: len(page.all(".datagrams tbody tr")) == 10)
    pictures.take("datagrams", whole=True)
    page.show("try/echo")
    page.choose("[name=cut]", "parts")
    page.choose("[name=end]", "halfClose")
    page.script(SUBMIT)
    page.one(".rung.fin.server")
    page.waitForText(".client-side", "server's FIN")
    pictures.take("try", whole=True)
    admin.ask("/api/v1/faults", "PUT", {"rules": RULES})
    page.show(f"connections/{pictures.number(faulted(daemon))}")
    page.one(".rung.fin.server")
    pictures.take("faulted", whole=True)
    page.show("faults")
    page.waitForText(".rules", "acted on 1 of 3")
    page.waitForText(".known-scenarios", SCENARIO)
    page.click("label:has([name=service][value=datagram])")
    page.choose("[name=kind]", "loss PERCENT")
    pictures.take("faults", whole=True)
    admin.ask("/api/v1/faults", "PUT", {"rules": []})
    # A lesson looks at a few new connections per poll, and would miss its own among many.
    traffic.stop()
    page.script("performance.clearResourceTimings()")
    page.show("lessons/split")
    # Connections from before the first poll do not count.
    page.until(lambda: page.script(POLLED), "the first poll")
    page.click(".lesson .line button")
    page.script(SUBMIT)
    page.one(".verdict.good")
    page.one(".rung.fin.server")
    pictures.take("lessons", whole=True)
    for sock in stay:
        sock.close()


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    daemon = Place("--admin", "tcp:0", "--scenario", SCENARIO)
    page = Browser()
    admin = Admin(daemon)
    traffic = Traffic(daemon)
    try:
        page.enter(f"http://{admin.host}:{admin.port}/?token={admin.token}")
        time.sleep(BEFORE)
        views(page, Pictures(page, admin), daemon, admin, traffic)
    finally:
        traffic.stop()
        page.close()
        daemon.close()


if __name__ == "__main__":
    main()
