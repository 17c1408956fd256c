"""The API of connections: those that are open, those that the journal has, and their ends."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

from twistednet.admin.replies import APIError, Reply, StreamedReply, jsonReply
from twistednet.admin.routing import APIRequest, Route
from twistednet.admin.sse import SSEStreams, message
from twistednet.core.text import addressText
from twistednet.events.chunks import Chunk, FaultMark
from twistednet.events.jsonlines import jsonLines
from twistednet.events.pcapng import pcapng

#: Connections on one page of a list.
PAGE = 100
MOST_PAGE = 1000
#: Bytes, or a little more, that one look gives to a reader.
AT_ONCE = 64 * 1024

_FORMATS: dict[str, tuple[str, Callable[[Iterable[Any]], Iterator[bytes]]]] = {
    "jsonl": ("application/x-ndjson", lambda found: map(str.encode, jsonLines(found))),
    "pcapng": ("application/x-pcapng", pcapng),
}

#: How a list can be narrowed; see docs/watching.md.
FILTERS = ("service", "peer", "state", "reason", "text", "since", "until")


def summary(one: Any) -> dict[str, Any]:
    """A conversation without what was said."""
    return {
        "id": one.id,
        "service": one.service,
        "kind": one.kind,
        "peer": one.peer,
        "host": one.host,
        "opened": one.opened,
        "closed": one.closed,
        "seconds": one.seconds,
        "bytesIn": one.bytesIn,
        "bytesOut": one.bytesOut,
        "truncated": one.truncated,
        "faulted": one.faulted,
    }


def chunk(one: Any) -> dict[str, Any]:
    """What was received or sent at once."""
    return {
        "at": round(one.at, 6),
        "direction": one.direction,
        "data": b64encode(one.data).decode(),
        "callback": one.callback,
    }


def mark(one: Any) -> dict[str, Any]:
    """What a fault did."""
    return {**asdict(one), "at": round(one.at, 6)}


class UnjournaledConnection:
    """An open connection of which the journal, full or off, keeps nothing."""

    closed = seconds = None
    truncated = True
    faulted = 0
    chunks: tuple[Any, ...] = ()
    marks: tuple[Any, ...] = ()

    def __init__(self, connection: Any, ahead: float) -> None:
        self.id = connection.id
        self.service = connection.service
        self.kind = connection.kind
        self.peer = connection.peer
        self.opened = ahead + connection.opened
        self.bytesIn = connection.transport.bytesIn
        self.bytesOut = connection.transport.bytesOut
        self._transport = connection.transport

    @property
    def host(self) -> str:
        """Our side's address, which costs a system call."""
        return addressText(self._transport.getHost())

    def data(self, direction: str) -> bytes:
        """What is known of what was said."""
        return b""


class ConversationSource:
    """One reader of one conversation: each chunk, and each time that a fault acted, as it
    comes, and then the end. An id has how many of both were told."""

    def __init__(self, conversation: Any, last: str) -> None:
        self._conversation = conversation
        had = re.fullmatch("([0-9]{1,9})(?:-([0-9]{1,9}))?", last)
        self._chunks, self._marks = map(int, had.groups("0")) if had else (0, 0)
        self._isOver = False

    def more(self) -> bytes:
        one = self._conversation
        news: list[bytes] = []
        size = 0
        for new in one.story(self._chunks, self._marks):
            if size > AT_ONCE:
                return b"".join(news)
            news.append(self._told(new))
            size += len(news[-1])
        if one.closed is not None and not self._isOver:
            self._isOver = True
            news.append(message("closed", summary(one)))
        return b"".join(news)

    def _told(self, new: Chunk | FaultMark) -> bytes:
        if isinstance(new, FaultMark):
            self._marks += 1
            kind, content = "faulted", mark(new)
        else:
            self._chunks += 1
            kind, content = "chunk", chunk(new)
        return message(kind, content, f"{self._chunks}-{self._marks}")


class ConnectionsAPI:
    """`/api/v1/connections` and what is below."""

    def __init__(self, daemon: Any, streams: SSEStreams) -> None:
        self._daemon = daemon
        self._streams = streams

    def routes(self) -> tuple[Route, ...]:
        path = "/api/v1/connections"
        return (
            Route("GET", path, self.page, (*FILTERS, "before", "limit")),
            Route("GET", "/api/v1/export", self.exportAll, (*FILTERS, "format")),
            Route("GET", path + "/{id}", self.one),
            Route("GET", path + "/{id}/export", self.exportOne, ("format",)),
            Route("GET", path + "/{id}/events", self.follow),
            Route("POST", path + "/{id}/close", self.close),
            Route("POST", path + "/{id}/reset", self.reset),
        )

    def page(self, asked: APIRequest) -> Reply:
        """The latest first."""
        limit = asked.number("limit", int, 1, MOST_PAGE) or PAGE
        before = asked.number("before", int)
        found = [one for one in self._found(asked) if before is None or one.id < before]
        shown = found[: -limit - 1 : -1]
        more = len(found) > len(shown)
        return jsonReply(
            {"connections": [*map(summary, shown)], "before": shown[-1].id if more else None}
        )

    def one(self, asked: APIRequest) -> Reply:
        conversation = self._known(asked)
        chunks, faults = map(chunk, conversation.chunks), map(mark, conversation.marks)
        return jsonReply({**summary(conversation), "chunks": [*chunks], "faults": [*faults]})

    def exportOne(self, asked: APIRequest) -> StreamedReply:
        return _export(asked, [self._kept(asked)], f"netdemo-{asked.id()}")

    def exportAll(self, asked: APIRequest) -> StreamedReply:
        """Of the oldest first, as it happened."""
        return _export(asked, self._found(asked), "netdemo")

    def follow(self, asked: APIRequest) -> Any:
        conversation = self._kept(asked)
        last = asked.header("Last-Event-ID")
        return self._streams.open(lambda: ConversationSource(conversation, last))

    def close(self, asked: APIRequest) -> Reply:
        """Our FIN, after what is queued; the peer may still say that it has it."""
        connection = self._open(asked)
        connection.close("admin")
        return jsonReply({"id": connection.id}, 202)

    def reset(self, asked: APIRequest) -> Reply:
        """A RST, at once."""
        connection = self._open(asked)
        connection.abort("admin")
        return jsonReply({"id": connection.id}, 202)

    def _found(self, asked: APIRequest) -> list[Any]:
        query = asked.query
        state = query.get("state")
        if state not in (None, "open", "closed"):
            raise APIError(400, "state is open or closed")
        found = self._daemon.journal.find(
            service=query.get("service"),
            peer=query.get("peer"),
            reason=query.get("reason"),
            text=query.get("text"),
            since=asked.number("since", float),
            until=asked.number("until", float),
            open=None if state is None else state == "open",
            others=self._unkept(),
        )
        return list(found)

    def _unkept(self) -> list[UnjournaledConnection]:
        """The open ones that are not in the journal."""
        journal, connections = self._daemon.journal, self._daemon.connections
        ahead = time.time() - connections.clock.seconds()
        return [
            UnjournaledConnection(one, ahead) for one in connections if journal.get(one.id) is None
        ]

    def _kept(self, asked: APIRequest) -> Any:
        found = self._daemon.journal.get(asked.id())
        if found is None:
            raise APIError(404, "the journal has no such connection")
        return found

    def _known(self, asked: APIRequest) -> Any:
        for one in self._unkept():
            if one.id == asked.id():
                return one
        return self._kept(asked)

    def _open(self, asked: APIRequest) -> Any:
        found = self._daemon.connections.get(asked.id())
        if found is None:
            raise APIError(404, "no such connection is open")
        return found


def _export(asked: APIRequest, conversations: Iterable[Any], name: str) -> StreamedReply:
    format = asked.query.get("format", "jsonl")
    if format not in _FORMATS:
        raise APIError(400, f"format is one of {', '.join(_FORMATS)}")
    kind, pieces = _FORMATS[format]
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{format}"',
        "Cache-Control": "no-store",
    }
    return StreamedReply(pieces(conversations), kind, headers)
