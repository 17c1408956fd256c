"""Server-Sent Events: answers that go on for as long as somebody reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twistednet.admin.replies import APIError, Reply, begin

#: Seconds between two looks at what is new.
TICK = 0.1
#: Seconds of silence after which a comment shows both sides that the other is there.
HEARTBEAT = 15.0
#: Streams at once.
MOST = 40


class Source(Protocol):
    """What one reader is told; it remembers how far that reader is."""

    def more(self) -> bytes:
        """What is new since the last call, as `message` writes it; not more than 64 KiB
        or a little over. What is not asked for must cost nothing."""


def message(kind: str, content: Any, number: str = "") -> bytes:
    """One event of a stream."""
    return written(kind, json.dumps(content, separators=(",", ":")), number)


def written(kind: str, text: str, number: str = "") -> bytes:
    """The same of JSON that is text already: no newline comes unescaped in it."""
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {kind}\ndata: {text}\n\n".encode()


@implementer(IPushProducer)
class SSEStream:
    """One reader. While it does not read, nothing is made and nothing kept for it."""

    def __init__(self, streams: SSEStreams, source: Source) -> None:
        self._streams = streams
        self._source = source
        self._paused = False
        self._silent = 0.0

    def give(self, request: Any) -> None:
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
        """Send what is new, or at least a sign of life."""
        if self._paused:
            return
        self._silent += TICK
        data = self._source.more()
        if not data and self._silent >= HEARTBEAT:
            data = b":\n\n"
        if data:
            self._silent = 0.0
            self._request.write(data)

    def end(self) -> None:
        """Say that no more comes."""
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
    """All streams of a site, looked after ten times a second while there are any."""

    log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self._open: list[SSEStream] = []
        self._call: IDelayedCall | None = None

    def open(self, source: Callable[[], Source]) -> SSEStream | Reply:
        """A stream, to be given as the answer. Raises Wrong if there are too many."""
        if len(self._open) >= MOST:
            raise APIError(429, "too many streams are open", {"Retry-After": "10"})
        return SSEStream(self, source())

    def add(self, stream: SSEStream) -> None:
        self._open.append(stream)
        if self._call is None:
            self._call = self.clock.callLater(TICK, self._tick)

    def remove(self, stream: SSEStream) -> None:
        if stream in self._open:
            self._open.remove(stream)

    def end(self) -> None:
        """The site closes: every reader is told."""
        for stream in list(self._open):
            stream.end()

    def _tick(self) -> None:
        self._call = self.clock.callLater(TICK, self._tick) if self._open else None
        for stream in list(self._open):
            try:
                stream.tick()
            except Exception:
                self.log.failure("a stream failed")
                self.remove(stream)
                stream.end()
