"""One request of a `BoundedSite`."""

from __future__ import annotations

from typing import Any

from twisted.python.failure import Failure
from twisted.web.server import Request


class BoundedRequest(Request):
    """Counts its body, which may come in chunks that no header announced."""

    #: A `BoundedChannel`, or what stands in for it while a fault has the reply.
    channel: Any
    bodySize = 0
    #: Where its reply waits for what a fault makes of it, if one does.
    faulty: Any = None

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
            # About the whole server (RFC 9110, 9.3.7); twisted.web would not ask the resource.
            self.path = b"/"
        if self.channel.site.requestHook is not None:
            self.channel.site.requestHook(self)
        super().process()

    def connectionLost(self, reason: Failure) -> None:
        if self.faulty is not None:
            self.faulty.stop()
        super().connectionLost(reason)
