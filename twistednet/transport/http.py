"""HTTP/1.1 by twisted.web, with the limits that twisted.web leaves out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.server import Site
from zope.interface import implementer

from twistednet.core.settings import ServiceSettings
from twistednet.transport.closing import lingeringClose, setCloseReason
from twistednet.transport.httprequest import BoundedRequest

# reg-name, IP-literal or IPv4address, and a port (RFC 9110, 7.2; RFC 3986, 3.2.2).
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+,;=%]*)(:[0-9]*)?")

_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    413: b"Content Too Large",
    431: b"Request Header Fields Too Large",
}


@implementer(IHalfCloseableProtocol)
class BoundedChannel(HTTPChannel):
    """One connection; each refusal is an answer that says why, and then the end.

    The header of a request must be whole `headerTimeout` seconds after it began
    (the first one: after the connection was made), however it trickles in, and the
    body as long after that. The header may have `maxHeader` bytes, the body `maxBody`.
    HTTP/1.1 needs exactly one valid Host (RFC 9112, section 3.2).
    """

    site: BoundedSite
    transport: Any
    requestFactory = BoundedRequest
    #: The header section as it was sent, a line each.
    headerLines: list[bytes]
    #: Nothing more is taken.
    isFinished = False
    #: Who chooses which of its requests faults are done to, once one was met.
    selector: Any = None
    #: The client's FIN has come, and will be seen to when the reply that waits has gone.
    finReceived = False

    #: What is awaited of a request, and since when.
    _awaited = "header"
    _since: float | None
    _headerSize = 0
    _lateCall: IDelayedCall | None = None
    _closing: Any = None

    def connectionMade(self) -> None:
        self.headerLines = []
        self.site.channels.add(self)
        # Ours are the limits that count: they answer, and do not only hang up.
        self.MAX_LENGTH = self.totalHeadersSize = self.site.maxHeader
        self.maxHeaders = self.site.maxHeader
        self._await("header")
        self._lateCall = self.site.clock.callLater(self.site.headerTimeout, self._checkTime)
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        if not self.isFinished:
            super().dataReceived(data)
            if self._buffer and self._since is None:
                self._await("header")

    def lineReceived(self, line: bytes) -> None:
        if self.isFinished:
            return
        self._headerSize += len(line) + 2
        if self._headerSize > self.site.maxHeader:
            self.lineLengthExceeded(line)
            return
        if line:
            self.headerLines.append(line)
            if self._since is None:
                self._await("header")
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(431, f"a header may have {self.site.maxHeader} bytes", "header")

    def rawDataReceived(self, data: bytes) -> None:
        if not self.isFinished:
            super().rawDataReceived(data)

    def allHeadersReceived(self) -> None:
        self._await("body")
        self._headerSize = 0
        hosts = self.requests[-1].requestHeaders.getRawHeaders(b"Host") or []
        if (not hosts and self._version == b"HTTP/1.1") or len(hosts) > 1:
            self.refuse(400, f"one Host header is needed, and there are {len(hosts)}", "Host")
        elif hosts and not _HOST.fullmatch(hosts[0]):
            self.refuse(400, "the Host header is no host", "Host")
        elif self.length is not None and self.length > self.site.maxBody:
            self.refuse(413, f"a body may have {self.site.maxBody} bytes", "body")
        else:
            super().allHeadersReceived()

    def allContentReceived(self) -> None:
        self._since = None
        if not self.isFinished:
            super().allContentReceived()
            self.headerLines = []

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:
        self.complete(headers)
        super().writeHeaders(version, code, reason, headers)

    def complete(self, headers: Any) -> None:
        """Give the headers of a reply those that are of the connection."""
        headers.setRawHeaders(b"Server", [b"twistednet"])
        if self.site.draining:
            headers.setRawHeaders(b"Connection", [b"close"])

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(400, "this is no HTTP/1.1 request", "request")

    def refuse(self, status: int, why: str, cause: str) -> None:
        """Answer `status` and why, take nothing more, and end the connection."""
        if self.isFinished:
            return
        self.isFinished = True
        body = f"{why}\n".encode()
        self.transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%b"
            % (status, _REASONS[status], len(body), body)
        )
        self.site.answered(self, status)
        setCloseReason(self.transport, f"HTTP {cause}")
        self.loseConnection()

    def loseConnection(self) -> None:
        """The last answer is given: take nothing more, and see that it arrives."""
        self.leave(lingeringClose)

    def leave(self, end: Callable[[Any, IReactorTime], Any]) -> None:
        """The same, with another kind of end, which returns its wait as `lingeringClose` does."""
        self.isFinished = True
        self._since = None
        self.transport.unregisterProducer()
        if self._closing is None:
            self._closing = end(self.transport, self.site.clock)

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        return not self.site.draining and super().checkPersistence(request, version)

    def readConnectionLost(self) -> None:
        """The client's FIN: what it asked for is answered, then we close."""
        self.finReceived = True
        if not self.isFinished and self.requests and self.requests[0].faulty is not None:
            return
        if self._buffer.strip():
            self.headerLines.append(self._buffer)
        if self.headerLines:
            # Or it ended its lines with bare LFs, which twisted.web does not take.
            self.refuse(400, "the request is not whole", "request")
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Ours went out first; the client's is waited for."""

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
            if getattr(self.transport, "queued", 0):
                # It may be us who do not read, until the client has taken its answers.
                self._since = now
            left -= now - self._since
        if left > 0:
            self._lateCall = self.site.clock.callLater(left, self._checkTime)
        else:
            why = f"the {self._awaited} took over {self.site.headerTimeout:g} s"
            self.refuse(408, why, f"{self._awaited} time")


class BoundedSite(Site):
    """A site whose connections are `BoundedChannel`s. Sizes in bytes, times in seconds."""

    noisy = False
    maxHeader = 16 * 1024
    maxBody = 64 * 1024
    headerTimeout = 10.0

    #: Given each request before its resource is, while faults concern them.
    requestHook: Callable[[Any], None] | None = None

    def __init__(self, resource: Any, clock: IReactorTime | None = None) -> None:
        super().__init__(resource, requestFactory=BoundedRequest, timeout=None, reactor=clock)
        self.clock: IReactorTime = self.reactor
        self.protocol: Any = BoundedChannel
        self.channels: set[BoundedChannel] = set()
        self.draining = False

    def configure(self, settings: ServiceSettings) -> None:
        """Take the limits that are in force from now on."""
        self.maxHeader = settings.maxHeader
        self.maxBody = settings.maxBody
        self.headerTimeout = settings.handshakeTimeout

    def log(self, request: Any) -> None:
        self.answered(request.channel, request.code)

    def answered(self, channel: BoundedChannel, status: int) -> None:
        """A request, or what could not become one, was answered; `channel.headerLines` has it."""

    def drain(self) -> None:
        """Close the connections that wait for a next request; answer the others' last."""
        self.draining = True
        for channel in list(self.channels):
            if channel.requests:
                channel.persistent = False
            else:
                channel.loseConnection()
