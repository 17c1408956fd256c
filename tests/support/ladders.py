"""Ladders of docs/fault-kinds.md: each shows a fault, drawn from what really happens.

Run as a program, this writes them into the page again.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable
from itertools import zip_longest
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.inject.test_datagrams import ANNA, FaultyPortTests
from tests.inject.test_responses import RequestTestCase, requestFor
from tests.support.processes import PATIENCE, ROOT
from twistednet.faults.grammar import parse
from twistednet.services.echo import Echo
from twistednet.transport import refusing

PAGE = ROOT / "docs" / "fault-kinds.md"

#: Seconds between two looks at the client, and for which it is watched.
TICK_SECONDS, WATCHED_SECONDS = 0.25, 5.0
#: Lines of a response that are shown, characters of each, and headers that do not matter here.
MAX_LINES, MAX_CHARACTERS = 10, 24
_LEFT_OUT = re.compile("Date|Server|X-Netdemo-Fault|Content-Type|Vary|X-Content-Type-Options")

#: Characters of an arrow, and ladders in a row.
WIDTH, ROW = 20, 3

#: A rule of each kind for streams. The client sends `hello`, `again` a second later, and after
#: another one its FIN; the service is echo.
STREAMS = (
    "latency 500ms",
    "rate 4B/s",
    "slice 2 bytes pause 250ms",
    "drop, the 1st",
    "corrupt 20%, seed 5",
    "corrupt bit, seed 1",
    "corrupt byte 1",
    "truncate after 3 bytes",
    "truncate after 3 bytes with RST",
    "truncate after 1 messages",
    "reset after 1 messages",
    "reset at accept",
    "reset at first byte",
    "reset after 3 bytes",
    "reset at close",
    "close before reply, the 2nd",
    "close in reply, the 2nd",
    "close after reply",
    "silence",
    "stop reading",
    "half-close at accept",
    "half-close after 3 bytes",
    "never close",
    "linger 1s",
    "slow close 1s",
    "timeout 1.5s",
    "timeout 1.5s with RST",
)

#: A rule of each kind for listeners: the client connects.
LISTENERS = ("refuse", "stall")

#: A rule of each kind for datagrams. The client sends `one` and `two`, and a second later `three`.
DATAGRAMS = (
    "loss 50%, seed 1",
    "drop, the 2nd",
    "duplicate, the 2nd",
    "reorder, the 1st",
    "delay 500ms",
    "latency 500ms",
    "corrupt 20%, seed 2",
    "corrupt bit, the 2nd, seed 1",
    "truncate to 2 bytes",
    "wrong port, the 2nd",
)


def _shown(data: bytes) -> str:
    return "".join(chr(byte) if 31 < byte < 127 else f"\\x{byte:02x}" for byte in data)


#: A rule of each kind for HTTP responses. The client sends `GET /`; the page is `Hello!`.
RESPONSES = (
    "status 503",
    "redirect loop",
    "redirect chain of 2",
    "latency before body 1s",
    "latency in body 1s",
    "no status line",
    "bytes before status line",
    "duplicate content-length",
    "conflicting content-length",
    "bad chunk size",
    "truncated body",
    "surplus body",
    "wrong content-encoding",
    "endless headers",
    "close in headers",
    "close in body",
    "reset in headers",
    "reset in body",
)


class Ladder:
    """One ladder: time runs down, the client is on the left."""

    def __init__(self, title: str) -> None:
        self.lines = [title]

    def sent(self, at: float, what: str) -> None:
        self._add(at, f"{what} {'─' * (WIDTH - len(what) - 2)}▶")

    def got(self, at: float, what: str) -> None:
        self._add(at, f"◀{'─' * (WIDTH - len(what) - 2)} {what}")

    def response(self, at: float, data: bytes) -> None:
        """Add an HTTP response, one line each; ↵ stands for CRLF."""
        *lines, last = _shown(data).split("\\x0d\\x0a")
        shown = [f"{line}↵" for line in lines if not _LEFT_OUT.match(line)]
        for line in [*shown, last] if last else shown:
            if len(self.lines) < MAX_LINES:
                isLong = len(line) > MAX_CHARACTERS
                self._add(at, f"◀ {line[: MAX_CHARACTERS - 1] + '…' if isLong else line}")

    def _add(self, at: float, arrow: str) -> None:
        time = f"{at:.2f}".rstrip("0").rstrip(".")
        self.lines.append(f"{time:>4} {arrow}")


def _rows(ladders: Iterable[Ladder]) -> str:
    """Return the ladders side by side."""
    left = [ladder.lines for ladder in ladders]
    text = []
    while left:
        row, left = left[:ROW], left[ROW:]
        for lines in zip_longest(*row, fillvalue=""):
            text.append("  ".join(f"{line:{WIDTH + 11}}" for line in lines).rstrip())
        text.append("")
    return "\n".join(text[:-1]) + "\n"


class _Conversation(RequestTestCase):
    """One client, one connection, and a clock."""

    def watch(self, rule: str, made: tuple[socket.socket, Any]) -> None:
        self.ladder = Ladder(rule)
        self.client, self.stream = made
        self.client.setblocking(False)
        self._sent = self._got = 0
        #: The client's FIN is sent; the server's FIN has come; its RST has come.
        self._isDone = self._hasFIN = self.isReset = False

    def send(self, at: float, data: bytes, shown: str = "") -> None:
        """Send the data, or a FIN if there is none."""
        self.ladder.sent(at, shown or _shown(data) or "FIN")
        self._sent += self.client.send(data) if data else 0
        if not data:
            self.client.shutdown(socket.SHUT_WR)
            self._isDone = True

    def receive(self, at: float) -> None:
        """Wait until everything under way has arrived, which takes loopback a moment."""
        deadline = time.monotonic() + PATIENCE
        while True:
            while self.loop.turn(0.002):
                pass
            self._read(at)
            if self._hasArrived():
                return
            self.assertLess(time.monotonic(), deadline)

    def _read(self, at: float) -> None:
        while not (self._hasFIN or self.isReset):
            try:
                data = self.client.recv(65536)
            except BlockingIOError:
                return
            except ConnectionError:
                self.isReset = True
                self.ladder.got(at, "RST")
            else:
                self._hasFIN = not data
                self._got += len(data)
                self.show(at, data)

    def _hasArrived(self) -> bool:
        stream = self.stream
        isRead = stream.disconnected or stream not in self.loop.readers
        if not (isRead or (self._sent == stream.bytesIn and not self._isDone)):
            return False
        hasEnded = stream.disconnected or stream._writeDisconnected
        return self.isReset or (self._got == stream.bytesOut and (self._hasFIN or not hasEnded))

    def show(self, at: float, data: bytes) -> None:
        self.ladder.got(at, _shown(data) or "FIN")


class _Stream(_Conversation):
    def draw(self, rule: str) -> Ladder:
        """Return the ladder of a connection to echo."""
        self.connections.faults.replace([parse(f"echo: {rule}")])
        self.watch(rule, self.serve(Echo()))
        script = {0.0: b"hello", 1.0: b"again", 2.0: b""}
        for tick in range(int(WATCHED_SECONDS / TICK_SECONDS)):
            at = tick * TICK_SECONDS
            self.receive(at)
            if at in script and not self.isReset:
                self.send(at, script[at])
            self.receive(at)
            self.loop.advance(TICK_SECONDS)
        return self.ladder


class _Response(_Conversation):
    def setUp(self) -> None:
        super().setUp()
        self.pages.greeting = lambda request: b"Hello!"  # type: ignore[method-assign]

    def draw(self, rule: str) -> Ladder:
        """Return the ladder of one request."""
        # The seed is in a header, half of which may be sent.
        self.connections.faults.replace([parse(f"echo: {rule}, seed 1")])
        self.watch(rule, self.open())
        self.send(0, requestFor("/"), "GET /")
        for tick in range(int(WATCHED_SECONDS / TICK_SECONDS)):
            self.receive(tick * TICK_SECONDS)
            if len(self.ladder.lines) >= MAX_LINES:
                break
            self.loop.advance(TICK_SECONDS)
        return self.ladder

    def show(self, at: float, data: bytes) -> None:
        if data:
            self.ladder.response(at, data)
        else:
            super().show(at, data)


class _Port(FaultyPortTests):
    """The test case is the port, and its reactor, which opens another port."""

    @property
    def reactor(self) -> Any:
        return self

    def listenUDP(self, port: int, protocol: Any, interface: str) -> Any:
        return SimpleNamespace(write=self._astray, stopListening=lambda: None)

    def _astray(self, data: bytes, address: Any) -> None:
        self.sent.append((b"other port: " + data, address))

    def draw(self, rule: str) -> Ladder:
        """Return the ladder of some datagrams."""
        ladder = Ladder(rule)
        self.injector.replace([parse(f"datagram: {rule}")])
        script = {0.0: (b"one", b"two"), 1.0: (b"three",)}
        for tick in range(int(WATCHED_SECONDS / TICK_SECONDS)):
            at, before = tick * TICK_SECONDS, len(self.sent)
            self.clock.advance(at - self.clock.seconds())
            for data in script.get(at, ()):
                ladder.sent(at, data.decode())
            for data in script.get(at, ()):
                self.guarded.datagramReceived(data, ANNA)
            for data, _ in self.sent[before:]:
                ladder.got(at, _shown(data))
        return ladder


class _Listener(SynchronousTestCase):
    def draw(self, rule: str) -> Ladder:
        """Return the ladder of a client that connects, with a short time limit."""
        ladder = Ladder(rule)
        nothing = dict.fromkeys(("stopReading", "doRead"), lambda: None)
        port = SimpleNamespace(reactor=Clock(), backlog=1, **nothing)
        port.socket = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(port.socket.close)
        getattr(refusing, rule)(port)
        ladder.sent(0, "SYN")
        try:
            socket.create_connection(port.socket.getsockname(), 0.05).close()
        except ConnectionRefusedError:
            ladder.got(0, "RST")
        except TimeoutError:
            pass
        else:
            ladder.got(0, "SYN+ACK")
        return ladder


def _drawn(case: type[Any], rules: Iterable[str]) -> list[Ladder]:
    ladders = []
    for rule in rules:
        one = case("draw")
        one.setUp()
        ladders.append(one.draw(rule))
        one.doCleanups()
    return ladders


def drawn() -> dict[str, str]:
    """Return the ladders of all kinds, by carrier."""
    return {
        "streams": _rows(_drawn(_Stream, STREAMS)),
        "listeners": _rows(_drawn(_Listener, LISTENERS)),
        "replies": _rows(_drawn(_Response, RESPONSES)),
        "datagrams": _rows(_drawn(_Port, DATAGRAMS)),
    }


def _block(name: str) -> str:
    return rf"(<!-- ladders of {name} -->\n```text\n)(.*?)(```\n)"


def shown(name: str) -> str:
    """Return the ladders that the page has."""
    found = re.search(_block(name), PAGE.read_text(), re.DOTALL)
    return found[2] if found else ""


if __name__ == "__main__":
    page = PAGE.read_text()
    for name, ladders in drawn().items():
        page = re.sub(_block(name), lambda m, new=ladders: m[1] + new + m[3], page, flags=re.DOTALL)
    PAGE.write_text(page)
