"""Hello: greets a browser over HTTP/1.1 and logs its request (RFC 9110)."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import Request

from twistednet.core.metrics import Metrics
from twistednet.core.text import addressText, shown
from twistednet.services.ratelimitedlog import RateLimitedLog
from twistednet.transport.http import BoundedChannel, BoundedSite

_KNOWN = frozenset((b"POST", b"PUT", b"DELETE", b"PATCH", b"TRACE", b"CONNECT"))
_ALLOW = b"GET, HEAD, OPTIONS"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Hello</title></head>
<body><h1>{greeting}</h1></body></html>
"""


class Hello(Resource):
    """Answers 200 with a greeting on any path, in HTML if the client accepts HTML.

    Override: `greeting` is given the request (a `twisted.web.server.Request`) and returns
    the greeting as UTF-8 text; a browser gets it escaped, in a page.
    """

    isLeaf = True

    def render(self, request: Request) -> bytes:
        if request.method in (b"GET", b"HEAD"):
            return self._greet(request)
        request.setHeader(b"Allow", _ALLOW)
        if request.method == b"OPTIONS":
            request.setResponseCode(204)
            return b""
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        request.setResponseCode(405 if request.method in _KNOWN else 501)
        return b"only GET, HEAD and OPTIONS work here\n"

    def greeting(self, request: Request) -> bytes:
        """Return `Hello World!`, or `Hello World, Michael!` for `?name=Michael`."""
        names = request.args.get(b"name")
        return b"Hello World, %b!" % names[0] if names and names[0] else b"Hello World!"

    def _greet(self, request: Request) -> bytes:
        body = self.greeting(request)
        if not isinstance(body, bytes):
            raise TypeError(f"{type(self).__name__}.greeting returned a {type(body).__name__}")
        kind = b"text/plain"
        if b"text/html" in (request.getHeader(b"Accept") or b""):
            kind = b"text/html"
            body = _PAGE.format(greeting=escape(body.decode(errors="replace"))).encode()
        request.setHeader(b"Content-Type", kind + b"; charset=utf-8")
        request.setHeader(b"Vary", b"Accept")
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        request.setHeader(b"Content-Length", b"%d" % len(body))
        return b"" if request.method == b"HEAD" else body


class HelloSite(BoundedSite):
    """The site of `Hello`: logs each request as it was sent, and its status."""

    logger = Logger()

    def __init__(self, hello: type[Hello], clock: IReactorTime | None = None) -> None:
        super().__init__(hello(), clock)
        self._display = RateLimitedLog(self.logger, self.clock)
        self._answered = 0

    def metrics(self) -> Metrics:
        """Return the metrics of the service: every request counts, whatever its status."""
        return {
            "received_messages_total": self._answered,
            "sent_messages_total": self._answered,
        }

    def answered(self, channel: BoundedChannel, status: int) -> None:
        self._answered += 1
        self._display.show(
            "{peer} asked, and got {status}:\n{head}",
            peer=addressText(channel.getPeer()),
            status=status,
            head="\n".join(_lines(channel.headerLines)),
        )


def _lines(head: list[bytes]) -> Iterator[str]:
    """Yield the lines of a header that are logged: 100, and how many more there were."""
    for line in head[:100]:
        yield shown(line, 1024)
    if len(head) > 100:
        yield f"({len(head) - 100} more lines)"
