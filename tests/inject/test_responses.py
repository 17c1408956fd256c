"""inject/responses.py: faults of a site's responses, on real sockets."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET, Request

from tests.inject.test_streams import FaultTestCase
from tests.services.test_hello import withoutDate
from twistednet.events.model import Faulted
from twistednet.faults.grammar import parse
from twistednet.inject.responses import MAX_RESPONSE_BYTES, ResponseFaults
from twistednet.services.catalog import Service
from twistednet.services.hello import Hello, HelloSite
from twistednet.transport.closing import FIRST_CHECK_SECONDS
from twistednet.transport.http import BoundedSite


class Pages(Hello):
    """Hello, but the test itself responds to /stream."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: list[Request] = []
        self.finished: list[Failure | None] = []

    def render(self, request: Request) -> Any:
        if request.path != b"/stream":
            return super().render(request)
        self.streams.append(request)
        request.notifyFinish().addBoth(self.finished.append)
        return NOT_DONE_YET


def requestFor(path: str, method: str = "GET", version: str = "1.1") -> bytes:
    return f"{method} {path} HTTP/{version}\r\nHost: a\r\n\r\n".encode()


class RequestTestCase(FaultTestCase):
    """Connections to a site, with faults of the responses to /hit."""

    def setUp(self) -> None:
        super().setUp()
        self.pages = Pages()
        self.site = HelloSite(lambda: self.pages, self.loop)  # type: ignore[arg-type]
        ResponseFaults("echo", self.site, self.connections.faults)

    def open(self) -> tuple[socket.socket, Any]:
        """Return a client's socket, and the stream that serves it."""
        return self.serve(self.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1)))

    def got(self, client: socket.socket) -> bytes:
        """Return what has arrived."""
        self.turned()
        client.setblocking(False)
        data = b""
        try:
            while more := client.recv(65536):
                data += more
        except BlockingIOError:
            pass
        client.settimeout(5)
        return data

    def exchange(self, client: socket.socket, *requests: bytes) -> bytes:
        client.sendall(b"".join(requests))
        return self.got(client)

    def isOver(self) -> None:
        """Check that no connection and no timer is left."""
        self.assertEqual([], self.loop.getDelayedCalls())
        self.assertEqual(0, len(self.connections))


class PassingTests(RequestTestCase):
    """Responses that no rule applies to are unchanged."""

    def test_besides(self) -> None:
        """Pipelined responses before and after a faulty one are the same to the byte."""
        client, _ = self.open()
        requests = [
            requestFor("/a?name=A"),
            requestFor("/hit"),
            requestFor("/b", "HEAD"),
            requestFor("/c", "PUT"),
        ]
        plain = [withoutDate(self.exchange(client, one)) for one in requests]
        self.setRules('status 503, matching "/hit"')
        got = withoutDate(self.exchange(client, *requests))
        self.assertTrue(got.startswith(plain[0]))
        self.assertTrue(got.endswith(plain[2] + plain[3]))
        hit = got[len(plain[0]) : -len(plain[2] + plain[3])]
        self.assertEqual(
            b"HTTP/1.1 503 Service Unavailable\r\nServer: twistednet\r\n"
            b'X-Netdemo-Fault: echo: status 503, matching "/hit", seed 1; 1\r\n'
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\n\r\n"
            b"503 Service Unavailable\n",
            hit,
        )

    def test_streams(self) -> None:
        """A response that comes in parts is not held back if no rule applies."""
        self.setRules('status 503, matching "/hit"')
        client, _ = self.open()
        self.exchange(client, requestFor("/stream"))
        [request] = self.pages.streams
        request.write(b"part")
        self.assertTrue(self.got(client).endswith(b"\r\n4\r\npart\r\n"))
        request.finish()
        self.assertEqual(b"0\r\n\r\n", self.got(client))

    def test_comesAndGoes(self) -> None:
        """A rule applies to open connections; without rules the site has no hook."""
        client, _ = self.open()
        for rules, status in (
            ((), b"200"),
            (("status 500, first 1",), b"500"),
            (("status 404",), b"404"),
            ((), b"200"),
        ):
            self.setRules(*rules)
            self.assertEqual(bool(rules), self.site.requestHook is not None)
            self.assertEqual(status, self.exchange(client, requestFor("/"))[9:12])
        self.loop.advance(1)
        self.setRules("status 500, new connections")
        self.assertEqual(b"200", self.exchange(client, requestFor("/"))[9:12])
        self.setRules("latency 1s")
        self.assertIsNone(self.site.requestHook)
        self.setRules("status 500, for 2s")
        self.assertIsNotNone(self.site.requestHook)
        self.loop.advance(2)
        self.assertIsNone(self.site.requestHook)

    def test_counted(self) -> None:
        """Requests are counted over all connections, and each fault is reported."""
        self.setRules("status 503, every 2nd")
        statuses = []
        for _ in range(2):
            client, _ = self.open()
            statuses += [self.exchange(client, requestFor(f"/{n}"))[9:12] for n in range(3)]
        self.assertEqual([b"200", b"503", b"200", b"503", b"200", b"503"], statuses)
        faulted = [one for one in self.published if isinstance(one, Faulted)]
        self.assertEqual(
            [(1, 1, "/1"), (2, 2, "/0"), (2, 3, "/2")],
            [
                (one.connection, one.count, one.did.removeprefix("status 503 for "))
                for one in faulted
            ],
        )
        rule = "echo: status 503, every 2nd, seed 1"
        self.assertEqual({("status", rule)}, {(one.fault, one.rule) for one in faulted})

    def test_connectionsThatAreOpen(self) -> None:
        """Open connections are counted in the order in which they were made."""
        self.setRules('status 503, matching "/never"')
        clients = [self.open()[0] for _ in range(10)]
        for client in clients:
            self.exchange(client, requestFor("/a"))
        self.setRules("status 500, first 2 connections")
        statuses = [self.exchange(client, requestFor("/a"))[9:12] for client in clients]
        self.assertEqual([b"500"] * 2 + [b"200"] * 8, statuses)

    def test_connections(self) -> None:
        """A rule can choose connections first, and then acts on each of their requests."""
        self.setRules("status 503, the 2nd connection")
        statuses = []
        for _ in range(3):
            client, _ = self.open()
            statuses += [self.exchange(client, requestFor("/"))[9:12] for _ in range(2)]
        self.assertEqual([b"200"] * 2 + [b"503"] * 2 + [b"200"] * 2, statuses)


class GatheringTests(RequestTestCase):
    """A faulty response until it is complete."""

    def test_parts(self) -> None:
        """Parts are sent as one once they are complete, and the resource's request finishes."""
        self.setRules("duplicate content-length")
        client, _ = self.open()
        self.exchange(client, requestFor("/stream"))
        [request] = self.pages.streams
        for part in (b"one", b"two"):
            request.write(part)
            self.assertEqual(b"", self.got(client))
        request.finish()
        head, _, body = self.got(client).partition(b"\r\n\r\n")
        self.assertEqual((2, b"onetwo"), (head.count(b"Content-Length: 6"), body))
        self.assertNotIn(b"chunked", head)
        self.assertEqual([None], self.pages.finished)

    def test_producer(self) -> None:
        """A producer is paused as usual, and unregistering it is no problem."""
        self.setRules("duplicate content-length")
        client, stream = self.open()
        self.exchange(client, requestFor("/stream"))
        [request] = self.pages.streams
        calls: list[str] = []

        class Push:
            def pauseProducing(self) -> None:
                calls.append("pause")

            def resumeProducing(self) -> None:
                calls.append("resume")

            def stopProducing(self) -> None:
                calls.append("stop")

        request.registerProducer(Push(), True)
        request.write(b"abc")
        stream.producer.pauseProducing()
        request.unregisterProducer()
        stream.producer.resumeProducing()
        request.finish()
        self.assertTrue(self.got(client).endswith(b"Content-Length: 3\r\n\r\nabc"))
        self.assertEqual(["pause"], calls)

    def test_tooLong(self) -> None:
        """A response over the limit is not sent at all."""
        self.setRules("duplicate content-length")
        client, _ = self.open()
        self.exchange(client, requestFor("/stream"))
        [request] = self.pages.streams
        for _ in range(3):
            request.write(bytes(MAX_RESPONSE_BYTES // 2))
        request.finish()
        self.assertEqual(b"", self.readAll(client))
        client.close()
        self.turned()
        self.assertEqual(["HTTP reply"], self.reasons())
        self.isOver()

    def test_lost(self) -> None:
        """The resource's request fails if the client goes away early."""
        self.setRules("duplicate content-length")
        client, _ = self.open()
        self.exchange(client, requestFor("/stream"))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        self.turned()
        self.assertIsInstance(self.pages.finished[0], Failure)
        self.assertEqual(["client RST"], self.reasons())
        self.isOver()


class LateTests(RequestTestCase):
    """A delayed response, and what happens meanwhile."""

    def late(self) -> tuple[socket.socket, Any]:
        """Return a client that has the headers of a response, and waits for two bodies."""
        self.setRules('latency before body 5s, matching "/hit"')
        client, stream = self.open()
        head = self.exchange(client, requestFor("/hit"), requestFor("/next"))
        self.assertTrue(head.endswith(b"Content-Length: 12\r\n\r\n"), head)
        self.loop.advance(4.9)
        self.assertEqual(b"", self.got(client))
        return client, stream

    def test_goesOn(self) -> None:
        """The body comes at its time, then the next response."""
        client, _ = self.late()
        self.loop.advance(0.1)
        self.assertRegex(self.got(client), rb"\AHello World!HTTP/1.1 200 OK\r\n[^!]*Hello World!\Z")
        self.assertEqual(b"HTTP/1.1 200", self.exchange(client, requestFor("/"))[:12])

    def test_FIN(self) -> None:
        """A client that has half-closed gets all responses, then our FIN."""
        client, _ = self.late()
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(b"", self.got(client))
        self.loop.advance(0.1)
        self.assertEqual(2, self.readAll(client).count(b"Hello World!"))
        self.assertEqual(["client FIN"], self.reasons())
        self.isOver()

    def test_FINBeforeEnd(self) -> None:
        """A response that ends the connection does so in the same way after the client's FIN."""
        for rule in ("close in body", "reset in body"):
            self.setRules("latency before body 5s", rule)
            client, _ = self.open()
            self.exchange(client, requestFor("/"))
            client.shutdown(socket.SHUT_WR)
            self.turned()
            self.loop.advance(5)
            self.assertEqual(b"Hello ", self.readAll(client, atMost=6))
            self.loop.advance(FIRST_CHECK_SECONDS)
            if rule == "close in body":
                self.assertEqual(b"", self.readAll(client))
            else:
                self.assertRaises(ConnectionResetError, self.readAll, client)
            self.turned()
            self.assertEqual(f"fault {rule.split()[0]}", self.reasons()[-1])
            self.isOver()

    def test_RST(self) -> None:
        """A client that resets leaves nothing behind."""
        client, _ = self.late()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        self.turned()
        self.assertEqual(["client RST"], self.reasons())
        self.isOver()

    def test_drain(self) -> None:
        """A daemon that drains sends the delayed response, then closes the connection."""
        client, _ = self.late()
        self.site.drain()
        self.loop.advance(0.1)
        self.assertEqual(b"Hello World!", self.readAll(client))
        client.close()
        self.turned()
        self.isOver()

    def test_cutOff(self) -> None:
        """A fault that ends the connection drops the delayed response."""
        self.setRules("latency in body 5s", "reset after 100 bytes")
        client, _ = self.open()
        client.sendall(requestFor("/" + "x" * 99))
        self.turned()
        self.assertRaises(ConnectionResetError, self.readAll, client)
        self.assertEqual(["fault reset"], self.reasons())
        self.isOver()

    def test_rulesGo(self) -> None:
        """A response that has begun is sent as planned after its rule is removed."""
        client, _ = self.late()
        self.setRules()
        self.assertEqual(b"", self.got(client))
        self.loop.advance(0.1)
        self.assertEqual(2, self.got(client).count(b"Hello World!"))


class EndTests(RequestTestCase):
    """Malformed responses, and how they end the connection."""

    def test_ends(self) -> None:
        """Our FIN or a RST, with the fault as reason; pipelined requests get no response."""
        for rule, error, cause in (
            ("close in body", False, "fault close"),
            ("reset in body", True, "fault reset"),
            ("bad chunk size", False, "fault bad chunk size"),
        ):
            self.setRules(rule)
            client, _ = self.open()
            client.sendall(requestFor("/") * 3)
            self.turned()
            got = client.recv(65536)
            self.assertEqual(1, got.count(b"HTTP/1.1"), rule)
            if error:
                self.assertRaises(ConnectionResetError, client.recv, 1)
            else:
                self.assertEqual(b"", client.recv(1))
            client.close()
            self.turned()
            self.assertEqual(cause, self.reasons()[-1])
            self.isOver()

    def test_HTTP10(self) -> None:
        """A client of HTTP/1.0 gets its own version, and our FIN."""
        self.setRules("status 503")
        client, _ = self.open()
        client.sendall(requestFor("/", version="1.0"))
        got = self.readAll(client)
        self.assertRegex(got, rb"\AHTTP/1\.0 503 [^\0]*Unavailable\n\Z")

    def test_HEAD(self) -> None:
        """A response to HEAD has no body, whatever the fault."""
        self.setRules("status 503", "duplicate content-length")
        client, _ = self.open()
        got = self.exchange(client, requestFor("/", "HEAD"))
        self.assertTrue(got.endswith(b"Content-Length: 24\r\nContent-Length: 24\r\n\r\n"), got)
        self.assertEqual(2, got.count(b"X-Netdemo-Fault: "))

    def test_afterWhatIsLate(self) -> None:
        """A RST comes after what another fault delays."""
        self.setRules("reset in body", "latency 5s")
        client, _ = self.open()
        client.sendall(requestFor("/"))
        self.loop.advance(1)
        self.nothingFrom(client)
        self.loop.advance(5)
        self.turned()
        self.assertTrue(client.recv(65536).endswith(b"\r\n\r\nHello "))
        self.loop.advance(1)
        self.turned()
        self.assertRaises(ConnectionResetError, client.recv, 1)

    def test_endless(self) -> None:
        """A client that does not read is sent little; one that reads gets 10 MB a second, without
        end."""
        self.setRules("endless headers")
        client, stream = self.open()
        client.sendall(requestFor("/"))
        self.turned()
        client.setblocking(False)

        def read(ticks: int) -> bytes:
            got = b""
            for _ in range(ticks):
                self.loop.advance(0.005)
                self.turned()
                with contextlib.suppress(BlockingIOError):
                    got += client.recv(1 << 20)
            return got

        got = read(20)
        self.assertApproximates(1_000_000, len(got), 100_000)
        self.loop.advance(2)
        self.turned()
        self.assertLess(stream.queued, 128 * 1024)
        got += read(20)
        self.assertGreater(len(got), 1_900_000)
        self.assertNotIn(b"\r\n\r\n", got)
        client.close()
        self.turned()
        self.assertEqual(["client RST"], self.reasons())
        self.isOver()

    def test_header(self) -> None:
        """The header with the rule is one line that reads back as the rule."""
        self.setRules('status 500, matching "/\r\nX: y"', 'redirect loop, matching "\\""')
        client, _ = self.open()
        got = self.exchange(client, requestFor('/"'))
        [rule] = re.findall(rb"\r\nX-Netdemo-Fault: (.*); 1\r\n", got)
        self.assertEqual('"', parse(rule.decode()).text)
        self.assertIn(b'\r\nLocation: /"\r\n', got)
        self.assertEqual(b"400", self.exchange(client, requestFor("/\r\nX: y"))[9:12])


class CarrierTests(SynchronousTestCase):
    """Which services have the carrier `request`."""

    def test_carriers(self) -> None:
        """Services whose factory is a BoundedSite have it, also those of plugins."""
        own = type("OwnSite", (BoundedSite,), {})
        for stream, expected in ((own, True), (HelloSite, True), (Factory, False), (None, False)):
            service = Service("own", (), "", Hello, stream)
            self.assertEqual(expected, "request" in service.carriers, stream)
