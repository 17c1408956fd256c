"""HTTP requests whose body is bounded."""

from __future__ import annotations

# twisted.web would import it with the first form, when the daemon has dropped its privileges.
import email.policy  # noqa: F401
from typing import Any, Protocol

from twisted.python.failure import Failure
from twisted.web.server import Request


class HeldResponse(Protocol):
    """A response that a fault holds back."""

    def stop(self) -> None:
        """Drop it: the connection is lost."""


#: The reason phrases of refusals (RFC 9110, 15; RFC 6585, 5).
REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    413: b"Content Too Large",
    431: b"Request Header Fields Too Large",
    505: b"HTTP Version Not Supported",
}


class BoundedRequest(Request):
    """One request of a `BoundedSite`.

    Its body is counted as it arrives, because chunks need no Content-Length.
    """

    #: A `BoundedChannel`, or what stands in for it while a fault holds the response.
    channel: Any
    #: Bytes of the body that have arrived.
    bodySize = 0
    #: The response, if a fault holds it back.
    faulty: HeldResponse | None = None

    def handleContentChunk(self, data: bytes) -> None:
        self.bodySize += len(data)
        if self.bodySize > self.channel.site.maxBody:
            self.channel.refuse(413, f"a body may have {self.channel.site.maxBody} bytes", "body")
        else:
            super().handleContentChunk(data)

    def process(self) -> None:
        if self.channel.isFinished:
            return
        if (self.method, self.path) == (b"OPTIONS", b"*"):
            # It is about the whole server (RFC 9110, section 9.3.7). twisted.web would answer
            # without the resource.
            self.path = b"/"
        if self.channel.site.requestHook is not None:
            self.channel.site.requestHook(self)
        super().process()

    def connectionLost(self, reason: Failure) -> None:
        if self.faulty is not None:
            self.faulty.stop()
        super().connectionLost(reason)
