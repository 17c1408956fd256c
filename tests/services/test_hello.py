"""services/hello.py and transport/http.py: HTTP as HTTP (RFC 9110, RFC 9112)."""

from __future__ import annotations

import contextlib
import http.client
import socket
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPullProducer
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from tests.support.processes import PATIENCE, DaemonTests, readAll, readUntil
from tests.support.protocols import Peer, chunks
from twistednet.services.hello import Hello, HelloSite

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

REQUESTS = st.lists(
    st.sampled_from(
        [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"HEAD /?name=Michael HTTP/1.1\r\nHost: a:80\r\nAccept: text/html\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
            b"nonsense\r\n\r\n",
        ]
    ),
    min_size=1,
    max_size=6,
).map(b"".join)


def withoutDate(response: bytes) -> bytes:
    """Two answers a second apart differ in their Date alone."""
    return b"\r\n".join(line for line in response.split(b"\r\n") if not line.startswith(b"Date: "))


def site(**limits: object) -> HelloSite:
    """A site on a clock of its own."""
    made = HelloSite(Hello, Clock())
    for name, value in limits.items():
        setattr(made, name, value)
    return made


class ChannelTests(SynchronousTestCase):
    """One connection, on a transport and a clock of the test's."""

    @given(REQUESTS, st.lists(st.integers(0, 300), max_size=8))
    def test_everySplit(self, data: bytes, cuts: list[int]) -> None:
        """However requests are split, the responses are the same to the byte."""
        results = []
        for pieces in ([data], chunks(data, cuts), [bytes([byte]) for byte in data]):
            peer = Peer(site())
            for piece in pieces:
                if not peer.closed:
                    peer.protocol.dataReceived(piece)
                while peer.protocol.isWaiting:
                    peer.clock.advance(0)
            results.append((withoutDate(peer.read()), peer.closed))
        self.assertEqual(results[0], results[1])
        self.assertEqual(results[0], results[2])

    def test_headerDeadline(self) -> None:
        """A header that trickles in is cut off 10 s after the accept, not per byte."""
        peer = Peer(site())
        for byte in b"GET / HTT":
            peer.clock.advance(1)
            peer.protocol.dataReceived(bytes([byte]))
        self.assertEqual(peer.read(), b"")
        peer.clock.advance(1)
        self.assertTrue(peer.read().startswith(b"HTTP/1.1 408 Request Timeout\r\n"))
        self.assertTrue(peer.closed)

    def test_nextHeaderDeadline(self) -> None:
        """Silence between two requests is no crime; a slow second header is."""
        peer = Peer(site())
        peer.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b"Hello World!", peer.read())
        peer.clock.pump([1] * 60)
        self.assertFalse(peer.closed)
        peer.protocol.dataReceived(b"GET")
        peer.clock.pump([1] * 9)
        self.assertFalse(peer.closed)
        peer.clock.pump([1] * 11)
        self.assertIn(b"408", peer.read())

    def test_pipelinedHeaderDeadline(self) -> None:
        """A header that began in the packet of the one before has its deadline too."""
        whole = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        for begun in (b"GET / HT", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost"):
            peer = Peer(site())
            peer.protocol.dataReceived(whole + begun)
            peer.clock.pump([1] * 9)
            self.assertFalse(peer.closed)
            peer.clock.pump([1] * 11)
            self.assertIn(b"HTTP/1.1 408", peer.read())

    def test_bodyDeadline(self) -> None:
        """A body has as long as the header had, from the header's end on."""
        for kind, piece in ((b"Content-Length: 99", b"x"), (b"Transfer-Encoding: chunked", b"1")):
            peer = Peer(site())
            peer.clock.advance(9)
            peer.protocol.dataReceived(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % kind)
            for _ in range(9):
                peer.clock.advance(1)
                peer.protocol.dataReceived(piece)
            self.assertFalse(peer.closed)
            peer.clock.advance(1)
            self.assertTrue(peer.read().endswith(b"the body took over 10 s\n"))

    def test_answersToTake(self) -> None:
        """Who has answers to take first, and so is not read, is not late."""
        peer = Peer(site())
        peer.transport.queued = 9
        peer.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT")
        peer.clock.pump([1] * 40)
        self.assertFalse(peer.closed)
        peer.transport.queued = 0
        peer.clock.pump([1] * 20)
        self.assertIn(b"HTTP/1.1 408", peer.read())

    def test_drain(self) -> None:
        """A stopping daemon closes what is idle, and answers what is under way."""
        made = site()
        idle, busy = Peer(made), Peer(made)
        idle.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        busy.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n")
        made.drain()
        self.assertTrue(idle.closed)
        self.assertFalse(busy.closed)
        busy.protocol.dataReceived(b"\r\n")
        self.assertIn(b"Connection: close\r\n", busy.read())
        self.assertTrue(busy.closed)

    def test_drainNew(self) -> None:
        """A connection that was just accepted has 1 s to begin its request, which is served."""
        made = site()
        silent, gone, asking = Peer(made), Peer(made), Peer(made)
        made.drain()
        gone.protocol.connectionLost(Failure(ConnectionDone()))
        asking.protocol.dataReceived(b"GET / HTTP/1.1\r\n")
        made.clock.advance(0.9)
        self.assertFalse(silent.closed)
        made.clock.advance(0.1)
        self.assertEqual([True, False, False], [one.closed for one in (silent, gone, asking)])
        asking.protocol.dataReceived(b"Host: a\r\n\r\n")
        self.assertIn(b" 200 OK", asking.read())
        self.assertTrue(asking.closed)

    def test_drainUnderWay(self) -> None:
        """An answer that was already under way is its connection's last, too."""

        class Slow(Hello):
            waiting: Request

            def render(self, request: Request) -> int:
                Slow.waiting = request
                return NOT_DONE_YET

        made = HelloSite(Slow, Clock())
        peer = Peer(made)
        peer.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        made.drain()
        self.assertFalse(peer.closed)
        Slow.waiting.write(b"late")
        Slow.waiting.finish()
        answer = peer.read()
        self.assertIn(b"late", answer)
        self.assertIn(b"Connection: close\r\n", answer)
        self.assertTrue(peer.closed)

    def test_oneResponseATurn(self) -> None:
        """Pipelined requests wait for their turn, and so does a request that comes meanwhile."""
        made = site()
        many, one = Peer(made), Peer(made)
        many.protocol.dataReceived(GET * 50)
        one.protocol.dataReceived(GET)
        self.assertEqual(many.read().count(b"Hello World!"), 1)
        self.assertEqual(one.read(), b"")
        many.clock.advance(0)
        self.assertEqual(one.read().count(b"Hello World!"), 1)
        many.turn()
        self.assertEqual(many.read().count(b"Hello World!"), 49)
        # Nobody waits any more.
        one.protocol.dataReceived(GET)
        self.assertEqual(one.read().count(b"Hello World!"), 1)

    def test_notReadMeanwhile(self) -> None:
        """A client is not read while its requests wait for their turn."""
        peer = Peer(site())
        peer.protocol.dataReceived(GET * 50)
        self.assertEqual(peer.transport.producerState, "paused")
        peer.turn()
        self.assertEqual(peer.read().count(b"Hello World!"), 50)
        self.assertEqual(peer.transport.producerState, "producing")

    def test_notReadWhileQueued(self) -> None:
        """While the transport is full, no request is answered, and none is read."""
        peer = Peer(site())
        peer.protocol.dataReceived(GET * 50)
        peer.protocol.pauseProducing()
        peer.turn()
        self.assertEqual(peer.read().count(b"Hello World!"), 1)
        self.assertEqual(peer.transport.producerState, "paused")
        peer.protocol.resumeProducing()
        peer.turn()
        self.assertEqual(peer.read().count(b"Hello World!"), 49)
        self.assertEqual(peer.transport.producerState, "producing")

    def test_bodyInSteps(self) -> None:
        """A large body is parsed in turns too, because its chunks may be tiny."""
        peer = Peer(site())
        head = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        peer.protocol.dataReceived(head + b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n" + GET)
        self.assertEqual((peer.read(), peer.protocol.isWaiting), (b"", True))
        peer.turn()
        answers = peer.read()
        self.assertEqual((answers.count(b"HTTP/1.1 405"), answers.count(b"HTTP/1.1 200")), (1, 1))

    def test_finBehindRequests(self) -> None:
        """A client's FIN ends the connection after the last response, and not before."""
        peer = Peer(site())
        peer.protocol.dataReceived(GET * 50)
        peer.protocol.readConnectionLost()
        self.assertFalse(peer.closed)
        peer.turn()
        self.assertEqual(peer.read().count(b"Hello World!"), 50)
        self.assertTrue(peer.closed)

    def test_finBehindASlowRequest(self) -> None:
        """A response that takes long is sent to a client that has closed its side."""

        class Slow(Hello):
            waiting: Request

            def render(self, request: Request) -> int:
                Slow.waiting = request
                return NOT_DONE_YET

        peer = Peer(HelloSite(Slow, Clock()))
        peer.protocol.dataReceived(GET)
        peer.protocol.readConnectionLost()
        self.assertFalse(peer.closed)
        Slow.waiting.write(b"late")
        Slow.waiting.finish()
        self.assertIn(b"late", peer.read())
        self.assertTrue(peer.closed)

    def test_drainWhileWaiting(self) -> None:
        """Of requests that wait when the daemon stops, the first is answered, as the last."""
        made = site()
        peer = Peer(made)
        peer.protocol.dataReceived(GET * 50)
        made.drain()
        self.assertFalse(peer.closed)
        peer.turn()
        answers = peer.read()
        self.assertEqual(answers.count(b"Hello World!"), 2)
        self.assertEqual(answers.count(b"Connection: close\r\n"), 1)
        self.assertTrue(peer.closed)

    def test_lostWhileWaiting(self) -> None:
        """Requests of a connection that is lost are not answered."""
        made = site()
        peer = Peer(made)
        peer.protocol.dataReceived(GET * 50)
        peer.lose()
        self.assertEqual(peer.read().count(b"Hello World!"), 1)
        self.assertEqual((made.channels, peer.clock.getDelayedCalls()), (set(), []))
        other = Peer(made)
        other.protocol.dataReceived(GET)
        self.assertEqual(other.read().count(b"Hello World!"), 1)

    def test_pulledInTurns(self) -> None:
        """A response that is made piece by piece shares the turns, and stops with its client."""

        @implementer(IPullProducer)
        class Endless:
            pieces = 0
            stopped = False

            def __init__(self, request: Request) -> None:
                self.request = request

            def resumeProducing(self) -> None:
                Endless.pieces += 1
                self.request.write(b"x")
                if Endless.pieces % 3 == 0:
                    # As a transport that is full does.
                    self.request.channel.pauseProducing()

            def stopProducing(self) -> None:
                Endless.stopped = True

        class Pulling(Hello):
            def render(self, request: Request) -> int:
                request.registerProducer(Endless(request), False)
                return NOT_DONE_YET

        peer = Peer(HelloSite(Pulling, Clock()))
        peer.protocol.dataReceived(GET)
        peer.turn()
        self.assertEqual(Endless.pieces, 3)
        peer.protocol.resumeProducing()
        peer.clock.advance(0)
        self.assertEqual(Endless.pieces, 6)
        peer.protocol.stopProducing()
        peer.lose()
        self.assertTrue(Endless.stopped)
        self.assertEqual(peer.clock.getDelayedCalls(), [])

    def test_greetingOfAWrongType(self) -> None:
        """A subclass's mistake is told in the log, by its name, and not to the client."""

        class Texting(Hello):
            def greeting(self, request: Request) -> Any:
                return "Hi"

        peer = Peer(HelloSite(Texting, Clock()))
        peer.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = peer.read()
        self.assertTrue(answer.startswith(b"HTTP/1.1 500 "))
        self.assertNotIn(b"Texting", answer)
        (logged,) = self.flushLoggedErrors(TypeError)
        self.assertIn("Texting.greeting returned a str", logged.getErrorMessage())

    def test_nothingStays(self) -> None:
        """A connection that is gone leaves no call and no reference behind."""
        made = site()
        peer = Peer(made)
        peer.lose()
        self.assertEqual((made.channels, peer.clock.getDelayedCalls()), (set(), []))


class KeptTests(SynchronousTestCase):
    """A connection that is used for many requests."""

    REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    def test_headerLimit(self) -> None:
        """The limit of a header is that of each request, and not of all together."""
        peer = Peer(site(maxHeader=len(self.REQUEST)))
        for _ in range(5):
            peer.send(self.REQUEST)
            self.assertEqual(b"HTTP/1.1 200 OK", peer.read().partition(b"\r\n")[0])

    def test_varies(self) -> None:
        """The greeting depends on Accept, so it has `Vary: Accept` (RFC 9110, 12.5.5)."""
        peer = Peer(site())
        for accept in (b"text/html", b"text/plain"):
            peer.send(self.REQUEST.replace(b"Host", b"Accept: %b\r\nHost" % accept))
            answer = peer.read()
            self.assertIn(b"\r\nVary: Accept\r\n", answer)
            self.assertIn(b"\r\nContent-Type: %b;" % accept, answer)


class HelloTests(DaemonTests):
    """Over real sockets."""

    def exchange(self, request: bytes, *, close: bool = False) -> bytes:
        """All that comes back until the server closes, or we have closed our side."""
        sock = self.connect("hello")
        with contextlib.suppress(ConnectionError):
            sock.sendall(request)
        if close:
            sock.shutdown(socket.SHUT_WR)
        return readAll(sock)

    def client(self) -> http.client.HTTPConnection:
        """Somebody else's HTTP client."""
        client = http.client.HTTPConnection(*self.daemon.address("hello"), timeout=PATIENCE)
        self.addCleanup(client.close)
        return client

    def test_greeting(self) -> None:
        """Any path; a name if there is one; one connection for all (keep-alive)."""
        client = self.client()
        for path, greeting in (
            ("/", b"Hello World!"),
            ("/any/path?x=1", b"Hello World!"),
            ("/?name=Michael", b"Hello World, Michael!"),
            ("/?name=%E4%BD%A0", "Hello World, 你!".encode()),
        ):
            client.request("GET", path)
            response = client.getresponse()
            self.assertEqual((response.status, response.read()), (200, greeting))
            self.assertEqual(response.headers["Content-Type"], "text/plain; charset=utf-8")
            self.assertEqual(response.headers["Server"], "twistednet")

    def test_browser(self) -> None:
        """Who asks for HTML gets it, with the name escaped."""
        client = self.client()
        client.request("GET", "/?name=<script>", headers={"Accept": "text/html,*/*;q=0.8"})
        response = client.getresponse()
        page = response.read()
        self.assertIn(b"<h1>Hello World, &lt;script&gt;!</h1>", page)
        self.assertEqual(response.headers["Content-Type"], "text/html; charset=utf-8")

    def test_head(self) -> None:
        """HEAD has the headers of GET and no body."""
        client = self.client()
        client.request("HEAD", "/?name=Michael")
        response = client.getresponse()
        self.assertEqual(response.headers["Content-Length"], "21")
        self.assertEqual((response.status, response.read()), (200, b""))
        client.request("GET", "/")
        self.assertEqual(client.getresponse().read(), b"Hello World!")

    def test_methods(self) -> None:
        """A known method that has no place here is 405, an unknown one 501."""
        for method, status in (
            ("POST", 405),
            ("PUT", 405),
            ("DELETE", 405),
            ("BREW", 501),
            ("OPTIONS", 204),
        ):
            client = self.client()
            client.request(method, "/")
            response = client.getresponse()
            self.assertEqual((method, response.status), (method, status))
            self.assertEqual(response.headers["Allow"], "GET, HEAD, OPTIONS")

    def test_star(self) -> None:
        """A probe of the whole server tells what a probe of any path does."""
        client = self.client()
        client.request("OPTIONS", "*")
        response = client.getresponse()
        self.assertEqual((response.status, response.headers["Server"]), (204, "twistednet"))
        self.assertEqual(response.headers["Allow"], "GET, HEAD, OPTIONS")

    def test_hosts(self) -> None:
        """HTTP/1.1 needs exactly one valid Host; HTTP/1.0 does not."""
        for headers, status in (
            (b"", b"400"),
            (b"Host: a\r\nHost: a\r\n", b"400"),
            (b"Host: a b\r\n", b"400"),
            (b"Host: a/b\r\n", b"400"),
            (b"Host: [::1]:80\r\nConnection: close\r\n", b"200"),
            (b"Host:\r\nConnection: close\r\n", b"200"),
        ):
            response = self.exchange(b"GET / HTTP/1.1\r\n" + headers + b"\r\n")
            self.assertEqual(response[:12], b"HTTP/1.1 " + status, headers)
            self.assertEqual(response.count(b"HTTP/1.1 "), 1)
        self.assertIn(b"Hello World!", self.exchange(b"GET / HTTP/1.0\r\n\r\n"))

    def test_badRequests(self) -> None:
        """What is no HTTP gets 400 and one line that says so."""
        for request in (
            b"how are u\r\n\r\n",
            b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET foo HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET foo\r\n\r\n",
            b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\nHost: a\n\n",
            b"GET / HTTP/1.1\r\nHost: a\n\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 64,
            b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        ):
            response = self.exchange(request)
            self.assertEqual(response[:25], b"HTTP/1.1 400 Bad Request\r", request)
            self.assertTrue(response.endswith(b"\n"), response)
            self.assertEqual(response.count(b"HTTP/1.1 4"), 1, response)

    def test_versions(self) -> None:
        """A later HTTP/1 is HTTP/1.1; another major version is 505."""
        for version, status in ((b"1.2", b"200"), (b"2.0", b"505"), (b"3.0", b"505")):
            response = self.exchange(
                b"GET / HTTP/%b\r\nHost: a\r\nConnection: close\r\n\r\n" % version
            )
            self.assertEqual(response[:12], b"HTTP/1.1 " + status)
        preface = self.exchange(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.assertTrue(preface.startswith(b"HTTP/1.1 505 HTTP Version Not Supported\r\n"))
        whole = b"GET http://a/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        self.assertIn(b"Hello World!", self.exchange(whole))

    def test_cutShort(self) -> None:
        """A request that the client's FIN cuts short gets 400; a mere FIN gets nothing."""
        for request in (
            b"GET / HTTP/1.1\r\nHost: a\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab",
        ):
            response = self.exchange(request, close=True)
            self.assertEqual(response[:12], b"HTTP/1.1 400", request)
            self.assertTrue(response.endswith(b"the request is not whole\n"))
        self.assertEqual(self.exchange(b"", close=True), b"")
        once = self.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\n", close=True)
        self.assertEqual(once.count(b"HTTP/1.1 "), 1)

    def test_hugeHeader(self) -> None:
        """100 KiB of header, in one line or in many, gets 431 that arrives whole."""
        for header in (b"X: " + b"x" * 102_400 + b"\r\n", b"X: y\r\n" * 17_000):
            response = self.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n" + header + b"\r\n")
            self.assertEqual(response[:12], b"HTTP/1.1 431")
            self.assertTrue(response.endswith(b"a header may have 16384 bytes\n"))

    def test_hugeBody(self) -> None:
        """300 MiB announced, or one byte too many in chunks: 413, and nothing is read."""
        head = b"POST / HTTP/1.1\r\nHost: a\r\n"
        announced = head + b"Content-Length: 314572800\r\n\r\n" + b"x" * (1 << 20)
        chunked = (
            head + b"Transfer-Encoding: chunked\r\n\r\n10001\r\n" + b"x" * 65_537 + b"\r\n0\r\n\r\n"
        )
        size = head + b"Transfer-Encoding: chunked\r\n\r\n10001\r\n"
        for request in (announced, chunked, size):
            response = self.exchange(request)
            self.assertEqual(response[:12], b"HTTP/1.1 413")
            self.assertTrue(response.endswith(b"a body may have 65536 bytes\n"))
        allowed = head + b"Connection: close\r\nContent-Length: 65536\r\n\r\n" + b"x" * 65_536
        self.assertEqual(self.exchange(allowed)[:12], b"HTTP/1.1 405")

    def test_expect(self) -> None:
        """A client that asks before it sends is told at once that it need not."""
        sock = self.connect("hello")
        sock.sendall(
            b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99999\r\n\r\n"
        )
        self.assertEqual(readAll(sock)[:12], b"HTTP/1.1 413")

    def test_halfClose(self) -> None:
        """A client that closes its side behind its requests gets every response."""
        requests = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 500
        self.assertEqual(self.exchange(requests, close=True).count(b"Hello World!"), 500)


class DisplayTests(DaemonTests):
    """What the log shows; of a daemon that few speak to, so that nothing is left out."""

    def test_displayed(self) -> None:
        """The log shows the request line and the headers as they were sent."""
        sock = self.connect("hello")
        sock.sendall(b"GET /x HTTP/1.1\r\nhOsT: a\r\nX-Odd:   \x1b[31m{a.b()}\r\n\r\n")
        readUntil(sock, b"Hello World!")
        shown = self.logged("asked, and got 200", sock)
        self.assertEqual(
            shown.splitlines()[1:],
            ["\tGET /x HTTP/1.1", "\thOsT: a", "\tX-Odd:   \\x1b[31m{a.b()}"],
        )

    def test_refusedIsDisplayedToo(self) -> None:
        """What could not become a request is shown with the status that it got."""
        sock = self.connect("hello")
        sock.sendall(b"how are u\r\n\r\n")
        readAll(sock)
        self.assertEqual(self.logged("asked, and got 400", sock).splitlines()[1:], ["\thow are u"])

    def test_cut(self) -> None:
        """A long header is cut in the log, which says so; what was cut short is shown too."""
        sock = self.connect("hello")
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 148 + b"\r\n")
        readUntil(sock, b"Hello World!")
        shown = self.logged("asked, and got 200", sock).splitlines()[1:]
        self.assertEqual((len(shown), shown[-1]), (101, "\t(50 more lines)"))
        short = self.connect("hello")
        short.sendall(b"GET / HTTP/1.1\nHost: a\n\n")
        short.shutdown(socket.SHUT_WR)
        readAll(short)
        shown = self.logged("asked, and got 400", short).splitlines()[1:]
        self.assertEqual(shown, ["\tGET / HTTP/1.1\\nHost: a\\n\\n"])
