"""The API of connections: those that are open, those that the journal has, and their ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import cast

from twistednet.admin.conversations import (
    ConversationSource,
    UnjournaledConnection,
    chunk,
    mark,
    messageJSON,
    summary,
)
from twistednet.admin.interfaces import DaemonAPI
from twistednet.admin.replies import AnyReply, APIError, Reply, StreamedReply, jsonReply
from twistednet.admin.routing import APIRequest, Route
from twistednet.admin.sse import SSEStreams
from twistednet.connections.tracking import TrackedConnection
from twistednet.events.journal import Conversation
from twistednet.events.jsonlines import jsonLines
from twistednet.events.messages import messagesOf
from twistednet.events.pcapng import pcapng

#: Connections on one page of a list, by default and at most.
PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000

_FORMATS: dict[str, tuple[str, Callable[[Iterable[Conversation]], Iterator[bytes]]]] = {
    "jsonl": ("application/x-ndjson", lambda found: map(str.encode, jsonLines(found))),
    "pcapng": ("application/x-pcapng", pcapng),
}

#: The filters of a list; see docs/watching.md.
FILTERS = ("service", "peer", "state", "reason", "text", "since", "until")


class ConnectionsAPI:
    """`/api/v1/connections` and what is below."""

    def __init__(self, daemon: DaemonAPI, streams: SSEStreams) -> None:
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

    def page(self, request: APIRequest) -> Reply:
        """Return one page of the list, the latest first."""
        limit = request.number("limit", int, 1, MAX_PAGE_SIZE) or PAGE_SIZE
        before = request.number("before", int)
        found = [one for one in self._found(request) if before is None or one.id < before]
        shown = found[: -limit - 1 : -1]
        more = len(found) > len(shown)
        return jsonReply(
            {"connections": [*map(summary, shown)], "before": shown[-1].id if more else None}
        )

    def one(self, request: APIRequest) -> Reply:
        conversation = self._known(request)
        messages = [] if conversation.kind == "udp" else messagesOf(conversation.story())
        return jsonReply(
            {
                **summary(conversation),
                "chunks": [*map(chunk, conversation.chunks)],
                "messages": [*map(messageJSON, messages)],
                "faults": [*map(mark, conversation.marks)],
            }
        )

    def exportOne(self, request: APIRequest) -> StreamedReply:
        return _export(request, [self._kept(request)], f"netdemo-{request.id()}")

    def exportAll(self, request: APIRequest) -> StreamedReply:
        """Export all conversations that match, the oldest first."""
        return _export(request, cast("list[Conversation]", self._found(request)), "netdemo")

    def follow(self, request: APIRequest) -> AnyReply:
        conversation = self._kept(request)
        last = request.header("Last-Event-ID")
        return self._streams.open(lambda: ConversationSource(conversation, last))

    def close(self, request: APIRequest) -> Reply:
        """Close a connection with a FIN, once everything queued is sent."""
        connection = self._open(request)
        connection.close("admin")
        return jsonReply({"id": connection.id}, 202)

    def reset(self, request: APIRequest) -> Reply:
        """Abort a connection with a RST, at once."""
        connection = self._open(request)
        connection.abort("admin")
        return jsonReply({"id": connection.id}, 202)

    def _found(self, request: APIRequest) -> list[Conversation | UnjournaledConnection]:
        query = request.query
        state = query.get("state")
        if state not in (None, "open", "closed"):
            raise APIError(400, "state is open or closed")
        found = self._daemon.journal.find(
            service=query.get("service"),
            peer=query.get("peer"),
            reason=query.get("reason"),
            text=query.get("text"),
            since=request.number("since", float),
            until=request.number("until", float),
            open=None if state is None else state == "open",
            others=self._unkept(),
        )
        return list(found)

    def _unkept(self) -> list[UnjournaledConnection]:
        """Return the open connections that the journal does not have."""
        journal, connections = self._daemon.journal, self._daemon.connections
        ahead = time.time() - connections.clock.seconds()
        return [
            UnjournaledConnection(one, ahead) for one in connections if journal.get(one.id) is None
        ]

    def _kept(self, request: APIRequest) -> Conversation:
        found = self._daemon.journal.get(request.id())
        if found is None:
            raise APIError(404, "the journal has no such connection")
        return found

    def _known(self, request: APIRequest) -> Conversation | UnjournaledConnection:
        for one in self._unkept():
            if one.id == request.id():
                return one
        return self._kept(request)

    def _open(self, request: APIRequest) -> TrackedConnection:
        found = self._daemon.connections.get(request.id())
        if found is None:
            raise APIError(404, "no such connection is open")
        return found


def _export(request: APIRequest, conversations: Iterable[Conversation], name: str) -> StreamedReply:
    format = request.query.get("format", "jsonl")
    if format not in _FORMATS:
        raise APIError(400, f"format is one of {', '.join(_FORMATS)}")
    kind, pieces = _FORMATS[format]
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{format}"',
        "Cache-Control": "no-store",
    }
    return StreamedReply(pieces(conversations), kind, headers)
