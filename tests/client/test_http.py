"""client/http.py: responses, one after another on one connection."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from twistednet.client.http import Response, readResponse
from twistednet.client.streams import Stream
from twistednet.client.targets import Target

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NEXT = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"


class KeptConnectionTests(SynchronousTestCase):
    """A response ends where the next one begins."""

    def setUp(self) -> None:
        clock: Any = Clock()
        self.stream = Stream(clock, Target("tcp", "127.0.0.1", 80), 5)
        self.stream.makeConnection(StringTransport())

    def read(self) -> tuple[int, bytes]:
        """Return the status and the body of the next response, which has arrived."""
        response: Response = self.successResultOf(Deferred.fromCoroutine(readResponse(self.stream)))
        return response.status, response.body

    def test_chunked(self) -> None:
        """A chunked body ends with its trailer, which may be empty (RFC 9112, 7.1)."""
        for trailer in (b"", b"Digest: abc\r\nOther: def\r\n"):
            body = b"5\r\nhello\r\n7;name=value\r\n, world\r\n0\r\n%b\r\n" % trailer
            self.stream.dataReceived(CHUNKED + body + NEXT)
            self.assertEqual((200, b"hello, world"), self.read())
            self.assertEqual((404, b"none"), self.read())

    def test_bodiless(self) -> None:
        """The statuses without a body have none, whatever the headers say."""
        for status in (b"204 No Content", b"304 Not Modified"):
            self.stream.dataReceived(b"HTTP/1.1 %b\r\nContent-Length: 4\r\n\r\n" % status + NEXT)
            self.assertEqual((int(status[:3]), b""), self.read())
            self.assertEqual((404, b"none"), self.read())
