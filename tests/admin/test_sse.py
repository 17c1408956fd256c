"""Streams of events: Server-Sent Events for whoever watches."""

from __future__ import annotations

import json
import socket
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.adminsite import AdminTests
from tests.support.processes import PATIENCE, readAll
from twistednet.admin import feed as feeds
from twistednet.admin.feed import EventSource, Feed
from twistednet.admin.replies import APIError
from twistednet.admin.sse import HEARTBEAT_SECONDS, MAX_STREAMS, TICK_SECONDS, SSEStreams, message
from twistednet.events.model import Closed, Opened, Refused


def events(data: bytes) -> list[tuple[str, str, Any]]:
    """The id, kind and content of each event of a stream."""
    found = []
    for block in data.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in fields:
            found.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return found


class Request:
    """What a stream asks of a request."""

    method = b"GET"

    def __init__(self) -> None:
        self.written = b""
        self.finished = False
        self.gone: Any = None
        self.producer: Any = None

    def write(self, data: bytes) -> None:
        self.written += data

    def finish(self) -> None:
        self.finished = True
        self.gone(None)

    def notifyFinish(self) -> Any:
        return self

    def addBoth(self, gone: Any) -> None:
        self.gone = gone

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def setHeader(self, *what: Any) -> None:
        """The head is another test's."""

    setResponseCode = setHeader


class StreamTests(SynchronousTestCase):
    """One feed, readers of the test's, and a clock of the test's."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.streams = SSEStreams(self.clock)
        self.feed = Feed()
        self.rates: dict[str, Any] = {}

    def open(self, last: str = "", service: str = "") -> Request:
        """A reader."""
        request = Request()
        watcher = EventSource(self.feed, lambda: self.rates, service, last)
        self.streams.open(lambda: watcher).give(request)  # type: ignore[union-attr]
        return request

    def numbers(self, request: Request) -> list[int]:
        """The connections that this reader was told of, since the last call."""
        told = events(request.written)
        request.written = b""
        return [what["id"] for _, kind, what in told if kind == "opened"]

    def happen(self, *numbers: int) -> None:
        for number in numbers:
            self.feed(Opened(number, "echo", "peer"))

    def test_each(self) -> None:
        """Each reader gets what happens from its coming on, once, with numbers that ascend."""
        self.happen(1)
        first = self.open()
        self.happen(2)
        self.clock.advance(TICK_SECONDS)
        second = self.open()
        self.happen(3)
        self.clock.advance(TICK_SECONDS)
        ids = [id for id, _, _ in events(first.written) if id]
        self.assertEqual([f"{self.feed.life}-2", f"{self.feed.life}-3"], ids)
        self.assertEqual(([2, 3], [3]), (self.numbers(first), self.numbers(second)))
        self.clock.advance(TICK_SECONDS)
        self.assertEqual(([], []), (self.numbers(first), self.numbers(second)))

    def test_readsOn(self) -> None:
        """Who names the last event it had reads on from there; of another life, from now."""
        self.happen(1, 2, 3)
        for last, told in (
            (f"{self.feed.life}-1", [2, 3]),
            (f"{self.feed.life}-3", []),
            (f"{self.feed.life}-99", []),
            ("other-1", []),
            ("nonsense", []),
            (f"{self.feed.life}-\u0663", []),
        ):
            request = self.open(last)
            self.clock.advance(TICK_SECONDS)
            self.assertEqual(told, self.numbers(request), last)

    def test_doesNotRead(self) -> None:
        """For who does not read nothing is written; when it reads again it is told how much
        it missed, and has the rest."""
        request = self.open()
        request.producer.pauseProducing()
        self.happen(*range(feeds.MAX_KEPT + 100))
        self.clock.pump([TICK_SECONDS] * 50)
        self.assertEqual([], events(request.written))
        request.producer.resumeProducing()
        self.clock.advance(TICK_SECONDS)
        [missed] = [what for _, kind, what in events(request.written) if kind == "missed"]
        self.assertEqual({"events": 100}, missed)
        got = self.numbers(request)
        self.assertEqual(list(range(100, 100 + feeds.MAX_TICK_EVENTS)), got)
        while more := (self.clock.advance(TICK_SECONDS), self.numbers(request))[1]:
            got += more
        self.assertEqual(list(range(100, feeds.MAX_KEPT + 100)), got)

    def test_oneService(self) -> None:
        """Events of one service alone, if so asked."""
        request = self.open(service="chat")
        self.feed(Opened(1, "echo", "peer"))
        self.feed(Opened(2, "chat", "peer"))
        self.feed(Refused("echo", "peer", "connections"))
        self.clock.advance(TICK_SECONDS)
        self.assertEqual([2], self.numbers(request))

    def test_rates(self) -> None:
        """Only the latest rates are told, and each once."""
        request = self.open()
        request.producer.pauseProducing()
        for number in range(3):
            self.rates = {"number": number}
            self.clock.advance(TICK_SECONDS)
        request.producer.resumeProducing()
        self.clock.pump([TICK_SECONDS] * 3)
        told = [what for _, kind, what in events(request.written) if kind == "rates"]
        self.assertEqual([{"number": 2}], told)

    def test_heartbeat(self) -> None:
        """In silence a comment comes now and then."""
        request = self.open()
        self.clock.advance(TICK_SECONDS)
        request.written = b""
        self.clock.pump([TICK_SECONDS] * int(HEARTBEAT_SECONDS / TICK_SECONDS + 1))
        self.assertEqual(b":\n\n", request.written)

    def test_nobodyCostsNothing(self) -> None:
        """Without readers nothing ticks, and who is gone is forgotten."""
        request = self.open()
        request.gone(None)
        self.clock.advance(TICK_SECONDS)
        self.assertEqual([], self.clock.getDelayedCalls())
        self.open()
        self.assertEqual(1, len(self.clock.getDelayedCalls()))

    def test_tooMany(self) -> None:
        """There may be so many readers and no more."""
        for _ in range(MAX_STREAMS):
            self.open()
        wrong = self.assertRaises(APIError, self.open)
        self.assertEqual(429, wrong.status)

    def test_end(self) -> None:
        """When the site closes every reader is told."""
        requests = [self.open(), self.open()]
        self.streams.end()
        for request in requests:
            self.assertTrue(request.finished)
            self.assertEqual("end", events(request.written)[-1][1])

    def test_failure(self) -> None:
        """A source that raises ends its own stream, and no other."""

        class Broken:
            def more(self) -> bytes:
                raise RuntimeError("broken")

        broken = Request()
        self.streams.open(Broken).give(broken)  # type: ignore[union-attr]
        request = self.open()
        self.happen(1)
        self.clock.advance(TICK_SECONDS)
        self.assertTrue(broken.finished)
        self.assertEqual([1], self.numbers(request))
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_oneLine(self) -> None:
        """No text of a peer's can begin an event of its own."""
        data = message("opened", {"peer": "a\n\nevent: evil\r\u2028\n"})
        self.assertEqual(4, len(data.split(b"\n")))
        self.assertEqual(1, len(events(data)))

    def test_found(self) -> None:
        """What became of a client is found by its address."""
        self.feed(Opened(7, "echo", "127.0.0.1:1"))
        self.feed(Refused("echo", "127.0.0.1:2", "connections"))
        self.feed(Closed(7, "echo", "127.0.0.1:1", "service", 0, 0, 0))
        self.assertEqual(7, self.feed.opened("echo", "127.0.0.1:1"))
        self.assertEqual(0, self.feed.opened("echo", "127.0.0.1:2"))
        self.assertIsNone(self.feed.opened("chat", "127.0.0.1:1"))


class BrowserTests(AdminTests):
    """The stream of a real daemon."""

    def watch(self, path: str, *headers: str, buffer: int = 0) -> socket.socket:
        """A stream whose head is read."""
        sock = socket.socket()
        self.addCleanup(sock.close)
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.settimeout(PATIENCE)
        sock.connect((self.admin.host, self.admin.port))
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", *headers]
        lines.append(f"Authorization: Bearer {self.admin.token}")
        sock.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        head = b""
        while b"retry: 1000\n\n" not in head:
            head += sock.recv(4096)
        self.assertIn(b"Content-Type: text/event-stream\r\n", head)
        return sock

    def until(self, sock: socket.socket, kind: str, **what: Any) -> tuple[str, Any]:
        """The id and content of the next event of this kind of which all this is true."""
        data = b""
        while True:
            more = sock.recv(65536)
            self.assertNotEqual(b"", more, data)
            data += more.replace(b"\r\n", b"\n")
            for id, name, content in events(data):
                if name == kind and what.items() <= content.items():
                    return id, content

    def test_live(self) -> None:
        """A connection is told of as it comes and as it goes, and rates every second."""
        sock = self.watch("/api/v1/events")
        with self.connect("echo") as client:
            peer = "{}:{}".format(*client.getsockname())
            _, opened = self.until(sock, "opened", peer=peer)
            self.assertEqual("echo", opened["service"])
            client.sendall(b"12345")
            client.recv(5)
        id, closed = self.until(sock, "closed", peer=peer)
        self.assertEqual(
            ("client FIN", 5, 5), tuple(map(closed.get, ("reason", "bytesIn", "bytesOut")))
        )
        _, rates = self.until(sock, "rates")
        self.assertIn("echo", rates["services"])
        self.assertEqual((0, None), (rates["faults"], rates["playing"]))
        sock.close()
        # And somebody who lost it in between reads on.
        with self.connect("echo") as client:
            peer = "{}:{}".format(*client.getsockname())
            client.sendall(b"x")
            client.recv(1)
        again = self.watch("/api/v1/events", f"Last-Event-ID: {id}")
        self.until(again, "opened", peer=peer)

    def test_neverReads(self) -> None:
        """A browser that never reads its stream holds up nobody, and nothing piles up."""
        self.watch("/api/v1/events", buffer=4096)
        for _ in range(300):
            with self.connect("echo") as client:
                client.sendall(b"x")
                client.recv(1)
        other = self.watch("/api/v1/events")
        with self.connect("echo") as client:
            self.until(other, "opened", peer="{}:{}".format(*client.getsockname()))

    def test_closedWithDaemon(self) -> None:
        """The client's FIN ends a stream: no reader is kept that is gone."""
        sock = self.watch("/api/v1/events")
        sock.shutdown(socket.SHUT_WR)
        readAll(sock)
