"""The parts of an HTTP response (RFC 9112), which faults edit before it is sent.

Each fault edits parts, so that the edits of several rules add up. The bytes are put
together once, at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from twistednet.faults.actiontypes import ActionType

#: Statuses without a body (RFC 9110, 6.4.1).
BODILESS_STATUSES = frozenset({204, 304})

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class ResponseParts:
    """The response to one request, for `target` by `method`.

    `headers` are without Content-Length: `contentLength` is its value, None if there is
    none. The fields from `prefix` on are for faults alone.
    """

    method: bytes
    target: bytes
    version: bytes
    status: int
    reason: bytes
    headers: Headers
    body: bytes
    contentLength: int | None
    #: Sent before the status line.
    prefix: bytes = b""
    hasStatusLine: bool = True
    #: One Content-Length for each, too large by this many bytes.
    lengthErrors: tuple[int, ...] = (0,)
    #: Sent as the size of the one chunk of a chunked body. Without it, the body is not chunked.
    chunkSize: bytes = b""
    #: Sent after the body.
    surplus: bytes = b""
    #: Sent again and again, in place of the end of the headers.
    endlessHeader: bytes = b""
    #: Seconds to wait before the body, and in the middle of it.
    delayBeforeBody: float = 0.0
    delayInBody: float = 0.0
    #: The part after whose first half nothing more is sent.
    cut: Literal["", "headers", "body"] = ""
    #: How the connection ends after it (END or RESET), and the name of the fault that ends it.
    end: ActionType | None = None
    faultName: str = ""

    @property
    def head(self) -> bytes:
        """Everything before the body, the empty line included."""
        first = b"%b %d %b" % (self.version, self.status, self.reason)
        fields = [b"%b: %b" % field for field in (*self.headers, *self._framing)]
        lines = [first, *fields] if self.hasStatusLine else fields
        return self.prefix + b"".join(line + b"\r\n" for line in lines) + b"\r\n"

    @property
    def _framing(self) -> Headers:
        if self.chunkSize:
            return ((b"Transfer-Encoding", b"chunked"),)
        length = self.contentLength
        if length is None:
            return ()
        return tuple((b"Content-Length", b"%d" % (length + error)) for error in self.lengthErrors)

    @property
    def content(self) -> bytes:
        """The body as it is sent; empty where the method or status allows none."""
        if self.method == b"HEAD" or self.status in BODILESS_STATUSES:
            return b""
        if self.chunkSize:
            return self.chunkSize + b"\r\n" + self.body + b"\r\n0\r\n\r\n"
        return self.body

    def timed(self) -> list[tuple[float, bytes]]:
        """Return what is sent, each with its time (seconds since the start), in order."""
        head, content = self.head, self.content
        if self.cut == "headers":
            return [(0.0, head[: len(head) // 2])]
        half = len(content) // 2
        first = [(0.0, head), (self.delayBeforeBody, content[:half])]
        if self.cut == "body":
            return first
        rest = content[half:] + self.surplus
        return [*first, (self.delayBeforeBody + self.delayInBody, rest)]


def wholeResponse(
    request: tuple[bytes, bytes],
    statusLine: tuple[bytes, int, bytes],
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
) -> ResponseParts:
    """Return the parts of a response as the service made it.

    `request` is its method and target, `statusLine` the version, status and reason. A
    response with a body gets a Content-Length if it has none.
    """
    (method, target), (version, status, reason) = request, statusLine
    others = tuple(field for field in headers if field[0].lower() != b"content-length")
    lengths = [int(value) for name, value in headers if name.lower() == b"content-length"]
    isBodiless = method == b"HEAD" or status in BODILESS_STATUSES
    length = lengths[0] if lengths else None if isBodiless else len(body)
    return ResponseParts(method, target, version, status, reason, others, body, length)
