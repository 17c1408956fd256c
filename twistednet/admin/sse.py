"""Server-Sent Events: replies that go on for as long as the client reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twistednet.admin.replies import APIError, Reply, begin
from twistednet.transport.httprequest import BoundedRequest

#: Seconds between two ticks, each of which sends what is new.
TICK_SECONDS = 0.1
#: Seconds of silence after which a comment shows both sides that the connection is alive.
HEARTBEAT_SECONDS = 15.0
#: Open streams at once.
MAX_STREAMS = 40


class Source(Protocol):
    """The source of one stream, which knows how far its reader is."""

    def more(self) -> bytes:
        """Return what is new since the last call, as `message` writes it; about 64 KiB at most.
        It must cost nothing while it is not called.
        """


def message(kind: str, content: object, number: str = "") -> bytes:
    """Return one event of a stream."""
    return written(kind, json.dumps(content, separators=(",", ":")), number)


def written(kind: str, text: str, number: str = "") -> bytes:
    """Return one event with JSON that is text already; JSON has no unescaped newline."""
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {kind}\ndata: {text}\n\n".encode()


@implementer(IPushProducer)
class SSEStream:
    """A stream of events for one client. While it does not read, nothing is made or kept for it."""

    def __init__(self, streams: SSEStreams, source: Source) -> None:
        self._streams = streams
        self._source = source
        self._paused = False
        self._silent = 0.0

    def give(self, request: BoundedRequest) -> None:
        self._request = request
        begin(request, 200, "text/event-stream", {"Cache-Control": "no-store"})
        if request.method == b"HEAD":
            request.finish()
            return
        request.registerProducer(self, True)
        request.notifyFinish().addBoth(lambda _: self._streams.remove(self))
        # The head leaves with the first bytes of the body, and a browser waits for it.
        request.write(b"retry: 1000\n\n")
        self._streams.add(self)

    def tick(self) -> None:
        """Send what is new, or after a silence a comment."""
        if self._paused:
            return
        self._silent += TICK_SECONDS
        data = self._source.more()
        if not data and self._silent >= HEARTBEAT_SECONDS:
            data = b":\n\n"
        if data:
            self._silent = 0.0
            self._request.write(data)

    def end(self) -> None:
        """Send the end event and close."""
        self._request.unregisterProducer()
        self._request.write(message("end", {}))
        self._request.finish()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False

    def stopProducing(self) -> None:
        """The connection is gone; the request tells of it."""


class SSEStreams:
    """All streams of a site, served ten times a second while there are any."""

    log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self._open: list[SSEStream] = []
        self._call: IDelayedCall | None = None

    def open(self, source: Callable[[], Source]) -> SSEStream | Reply:
        """Return a stream as the reply. Raises APIError if too many are open."""
        if len(self._open) >= MAX_STREAMS:
            raise APIError(429, "too many streams are open", {"Retry-After": "10"})
        return SSEStream(self, source())

    def add(self, stream: SSEStream) -> None:
        self._open.append(stream)
        if self._call is None:
            self._call = self.clock.callLater(TICK_SECONDS, self._tick)

    def remove(self, stream: SSEStream) -> None:
        if stream in self._open:
            self._open.remove(stream)

    def end(self) -> None:
        """Close every stream, because the site closes."""
        for stream in list(self._open):
            stream.end()

    def _tick(self) -> None:
        self._call = self.clock.callLater(TICK_SECONDS, self._tick) if self._open else None
        for stream in list(self._open):
            try:
                stream.tick()
            except Exception:
                self.log.failure("a stream failed")
                self.remove(stream)
                stream.end()
