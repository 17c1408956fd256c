"""Replies of the admin site, as data, and how they are sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from twistednet.transport.httprequest import BoundedRequest

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

#: Bytes, or a little more, of a streamed reply that are made at once.
MAX_PIECE_BYTES = 64 * 1024

#: On every answer. A page may run and load only what comes from here, nobody may frame
#: it, and nobody else's page may load anything of ours.
SAFE = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class AnyReply(Protocol):
    """The result of a route: a whole reply, a streamed one, or a stream of events."""

    def give(self, request: BoundedRequest) -> None:
        """Send it."""


@dataclass(frozen=True)
class Reply:
    """A whole reply."""

    body: bytes
    kind: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def give(self, request: BoundedRequest) -> None:
        begin(request, self.status, self.kind, self.headers)
        request.setHeader(b"Content-Length", b"%d" % len(self.body))
        request.write(b"" if request.method == b"HEAD" else self.body)
        request.finish()


@dataclass(frozen=True)
class StreamedReply:
    """A reply that is too large for memory: made as fast as the client reads."""

    pieces: Iterator[bytes]
    kind: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def give(self, request: BoundedRequest) -> None:
        begin(request, 200, self.kind, self.headers)
        pieces = iter(()) if request.method == b"HEAD" else self.pieces
        request.registerProducer(_Pull(request, pieces), False)


@implementer(IPullProducer)
class _Pull:
    def __init__(self, request: BoundedRequest, pieces: Iterator[bytes]) -> None:
        self._request = request
        self._pieces = pieces

    def resumeProducing(self) -> None:
        data = bytearray()
        for piece in self._pieces:
            data += piece
            if len(data) >= MAX_PIECE_BYTES:
                self._request.write(bytes(data))
                return
        self._request.write(bytes(data))
        self._request.unregisterProducer()
        self._request.finish()

    def stopProducing(self) -> None:
        self._pieces = iter(())


class APIError(Exception):
    """A request that cannot be answered: a status, and a sentence for the client."""

    def __init__(
        self, status: int, why: str, headers: Mapping[str, str] | None = None, delay: float = 0
    ) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers or {}
        #: Seconds before the reply is sent.
        self.delay = delay

    def reply(self) -> Reply:
        return jsonReply({"error": str(self)}, self.status, self.headers)


def jsonReply(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Reply:
    """Return a reply with `content` as JSON."""
    body = json.dumps(content, separators=(",", ":")).encode() + b"\n"
    return Reply(body, JSON, status, {"Cache-Control": "no-store", **(headers or {})})


def begin(request: BoundedRequest, status: int, kind: str, headers: Mapping[str, str]) -> None:
    """Set the status and the headers of a reply."""
    request.setResponseCode(status)
    for name, value in {**SAFE, "Content-Type": kind, **headers}.items():
        request.setHeader(name.encode(), value.encode())
