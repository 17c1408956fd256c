"""Load over connections: each sends a request, awaits the answer, sends the next."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from twistednet.client.http import request
from twistednet.load.pacing import Schedule, Sender
from twistednet.load.tally import LoadTally

#: Seconds before a lost connection is made again.
AGAIN = 0.1

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Traffic:
    """A request, and what is right to come back: `judge` says True or False for a
    whole answer, and None for one of which more must come."""

    request: bytes
    judge: Callable[[bytes], bool | None]


def traffic(service: str, size: int, authority: str) -> Traffic:
    """What is sent to a service; `size` is the bytes of an echo."""
    if service == "hello":
        return Traffic(request(authority), _Greeting())
    sent, right = {
        "echo": (b"x" * size, b"x" * size),
        "answer": (b"how are u\n", b"fine\n"),
    }[service]
    return Traffic(sent, lambda came: came == right if len(came) >= len(right) else None)


class _Greeting:
    """Judges HTTP responses; knows a second one of the same size and body at a glance."""

    def __init__(self) -> None:
        self._size = 0
        self._body = b""

    def __call__(self, came: bytes) -> bool | None:
        ok = came.startswith(b"HTTP/1.1 200")
        if len(came) == self._size and ok and came.endswith(self._body):
            return True
        head = came.find(b"\r\n\r\n")
        if head < 0:
            return None
        length = _LENGTH.search(came, 0, head + 2)
        if length is None:
            return False
        size = head + 4 + int(length[1])
        if len(came) < size:
            return None
        if ok:
            self._size, self._body = size, came[head:]
        return ok


class StreamLoad(Sender, Protocol):
    """One connection, with one request under way."""

    transport: Any

    def __init__(
        self, reactor: Any, traffic: Traffic, schedule: Schedule, tally: LoadTally
    ) -> None:
        super().__init__(reactor, schedule)
        self._request = traffic.request
        self._judge = traffic.judge
        self._tally = tally
        self._came = b""

    def connectionMade(self) -> None:
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        # Nothing is queued when a request is sent, so it may go past the transport's
        # queue, which saves two of three system calls; not so under TLS.
        plain = not hasattr(self.transport, "getPeerCertificate") or not self.transport.TLS
        self._handle = self.transport.getHandle() if plain else None

    def send(self) -> None:
        self._tally.sent += 1
        sent = 0
        if self._handle is not None:
            try:
                sent = self._handle.send(self._request)
            except OSError:
                # Full, or lost: the transport meets it again.
                sent = 0
        if sent < len(self._request):
            self.transport.write(self._request[sent:])

    def dataReceived(self, data: bytes) -> None:
        came = self._came + data if self._came else data
        right = self._judge(came)
        if right is None:
            self._came = came
            return
        self._came = b""
        now = perf_counter_ns()
        if right:
            self._tally.answer(now - self.since)
        else:
            self._tally.errors["wrong answer"] += 1
        self.next(now)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._schedule.running:
            kind = "hung up" if reason.check(ConnectionDone) else "connection reset"
            self._tally.errors[kind] += 1
        self.end()
        self.factory.lost(self)


class StreamLoadFactory(ClientFactory[Any]):
    """All connections of a run; one that is lost is made again."""

    noisy = False

    def __init__(
        self, reactor: Any, traffic: Traffic, schedule: Schedule, tally: LoadTally
    ) -> None:
        self._make = lambda: StreamLoad(reactor, traffic, schedule, tally)
        self._reactor = reactor
        self._schedule = schedule
        self._tally = tally
        self._laters: list[Any] = []
        self.open: set[StreamLoad] = set()
        self.again: Callable[[], None] = lambda: None

    def buildProtocol(self, addr: Any) -> StreamLoad:
        client = self._make()
        client.factory = self
        self.open.add(client)
        return client

    def lost(self, client: StreamLoad) -> None:
        self.open.discard(client)
        self.later()

    def later(self) -> None:
        """Try to connect again, but not at once."""
        if self._schedule.running:
            self._laters.append(self._reactor.callLater(AGAIN, self._again))

    def _again(self) -> None:
        if self._schedule.running:
            self.again()

    def stop(self) -> None:
        """Make no connection any more."""
        for call in self._laters:
            if call.active():
                call.cancel()
