"""HTTP/1.1 by twisted.web, with limits of size and time, and a valid Host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource
from twisted.web.server import Site
from zope.interface import implementer

from twistednet.core.settings import ServiceSettings
from twistednet.transport.closing import (
    DrainThenReset,
    LingeringClose,
    lingeringClose,
    queuedBytes,
    setCloseReason,
)
from twistednet.transport.httpchecks import BadRequest, checkBegun, checkedLine, checkHosts
from twistednet.transport.httprequest import REASONS, BoundedRequest
from twistednet.transport.httpturns import TurnTakingChannel
from twistednet.transport.turns import Turns

#: A way to close the connection of a transport; see `closing`.
Ending = Callable[[Any, IReactorTime], "LingeringClose | DrainThenReset | None"]


@implementer(IHalfCloseableProtocol)
class BoundedChannel(TurnTakingChannel):
    """One connection to a `BoundedSite`. A refusal is a response that says why, then the end.

    The header of a request must be complete `headerTimeout` seconds after its first byte (the
    first header: after the connection was made), and the body as long after that. The header
    may have `maxHeader` bytes, the body `maxBody`. See `httpchecks` for what else is checked.
    """

    site: BoundedSite
    requestFactory = BoundedRequest
    #: The lines of the header section, as they were sent.
    headerLines: list[bytes]
    #: What chooses the requests that faults apply to; see `inject.responses`.
    selector: Any = None

    #: The part of a request that is awaited, header or body, and since when (seconds).
    _awaited = "header"
    _since: float | None
    _headerSize = 0
    _lateCall: IDelayedCall | None = None
    _closing: LingeringClose | DrainThenReset | None = None

    def connectionMade(self) -> None:
        self.headerLines = []
        self.site.channels.add(self)
        # Our limits are reached first: twisted.web's close without a response.
        self.MAX_LENGTH = self.totalHeadersSize = self.site.maxHeader
        self.maxHeaders = self.site.maxHeader
        self._await("header")
        self._lateCall = self.site.clock.callLater(self.site.headerTimeout, self._checkTime)
        super().connectionMade()

    def inputParsed(self) -> None:
        if self._buffer:
            if self._since is None:
                self._await("header")
            try:
                checkBegun(self._buffer, not self.headerLines)
            except BadRequest:
                self.headerLines.append(self._buffer)
                raise

    def lineReceived(self, line: bytes) -> None:
        if self.isFinished:
            return
        self._headerSize += len(line) + 2
        if self._headerSize > self.site.maxHeader:
            self.lineLengthExceeded(line)
        if line:
            self.headerLines.append(line)
            if len(self.headerLines) == 1:
                line = checkedLine(line)
            if self._since is None:
                self._await("header")
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        raise BadRequest(431, f"a header may have {self.site.maxHeader} bytes", "header")

    def rawDataReceived(self, data: bytes) -> None:
        if self.isFinished:
            return
        super().rawDataReceived(data)
        decoder: Any = self._transferDecoder
        if getattr(decoder, "state", "") == "BODY":
            # `length` is what is missing of the chunk.
            self._checkBody(self.requests[-1].bodySize + decoder.length)

    def allHeadersReceived(self) -> None:
        self._await("body")
        self._headerSize = 0
        hosts = self.requests[-1].requestHeaders.getRawHeaders(b"Host") or []
        checkHosts(hosts, self._version)
        self._checkBody(self.length or 0)
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        self._since = None
        if not self.isFinished:
            super().allContentReceived()
            self.headerLines = []

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        self.complete(headers)
        super().writeHeaders(version, code, reason, headers)

    def complete(self, headers: Headers) -> None:
        """Add the headers of a response that concern the connection."""
        headers.setRawHeaders(b"Server", [b"twistednet"])
        if self.site.draining:
            headers.setRawHeaders(b"Connection", [b"close"])

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(400, "this is not an HTTP/1.1 request", "request")

    def _checkBody(self, size: int) -> None:
        if size > self.site.maxBody:
            raise BadRequest(413, f"a body may have {self.site.maxBody} bytes", "body")

    def refuse(self, status: int, why: str, cause: str) -> None:
        """Respond with `status` and why, and close the connection."""
        if self.isFinished:
            return
        self.isFinished = True
        body = f"{why}\n".encode()
        self.transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%b"
            % (status, REASONS[status], len(body), body)
        )
        self.site.answered(self, status)
        setCloseReason(self.transport, f"HTTP {cause}")
        self.loseConnection()

    def loseConnection(self) -> None:
        """Read nothing more, and close once the client has the last response."""
        self.leave(lingeringClose)
        if self.finReceived:
            self.transport.loseConnection()

    def leave(self, end: Ending) -> None:
        """Read nothing more, and close as `end` does."""
        self.isFinished = True
        self._since = None
        self.unregisterProducer()
        self.transport.unregisterProducer()
        if self._closing is None:
            self._closing = end(self.transport, self.site.clock)

    def checkPersistence(self, request: BoundedRequest, version: bytes) -> bool:
        return not self.site.draining and super().checkPersistence(request, version)

    def drain(self, seconds: float = 1.0) -> None:
        """Close after a response that is due; if none is, a first request has `seconds`."""
        if self.requests:
            self.persistent = False
        elif seconds and self._since is not None:
            self.site.clock.callLater(seconds, self.drain, 0)
        elif self in self.site.channels and not self.isWaiting:
            self.loseConnection()

    def inputEnded(self) -> None:
        if self._buffer.strip():
            self.headerLines.append(self._buffer)
        if self.headerLines:
            self.refuse(400, "the request is not whole", "request")
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Do nothing: we have sent our FIN, and wait for the client's."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.site.channels.discard(self)
        for call in (self._lateCall, self._closing):
            if call is not None and call.active():
                call.cancel()
        super().connectionLost(reason)

    def _await(self, part: str) -> None:
        self._awaited = part
        self._since = self.site.clock.seconds()

    def _checkTime(self) -> None:
        now, left = self.site.clock.seconds(), self.site.headerTimeout
        if self._since is not None:
            if self.isWaiting or queuedBytes(self.transport):
                # The client is not read, and so cannot go on.
                self._since = now
            left -= now - self._since
        if left > 0:
            self._lateCall = self.site.clock.callLater(left, self._checkTime)
        else:
            why = f"the {self._awaited} took over {self.site.headerTimeout:g} s"
            self.refuse(408, why, f"{self._awaited} time")


class BoundedSite(Site):
    """A site with `BoundedChannel`s. Sizes are in bytes, times in seconds."""

    noisy = False
    maxHeader = 16 * 1024
    maxBody = 64 * 1024
    headerTimeout = 10.0

    #: Called with each request before its resource, while faults may apply to it.
    requestHook: Callable[[BoundedRequest], None] | None = None

    def __init__(self, resource: IResource, clock: IReactorTime | None = None) -> None:
        super().__init__(resource, requestFactory=BoundedRequest, timeout=None, reactor=clock)
        self.clock: IReactorTime = self.reactor
        self.protocol: Any = BoundedChannel
        self.channels: set[BoundedChannel] = set()
        self.turns = Turns(self.clock)
        self.draining = False

    def configure(self, settings: ServiceSettings) -> None:
        """Take the limits that are current from now on."""
        self.maxHeader = settings.maxHeader
        self.maxBody = settings.maxBody
        self.headerTimeout = settings.handshakeTimeout

    def log(self, request: BoundedRequest) -> None:  # type: ignore[override]
        self.answered(request.channel, request.code)

    def answered(self, channel: BoundedChannel, status: int) -> None:
        """Called after each response, also to what is not a request. Override to log it.

        `channel.headerLines` has the request.
        """

    def drain(self) -> None:
        """Close idle connections now, and the others after the response that they wait for."""
        self.draining = True
        for channel in list(self.channels):
            channel.drain()
