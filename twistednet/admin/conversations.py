"""Conversations as the API shows them: as JSON, and as a stream of events."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain, islice

from twistednet.admin.sse import message
from twistednet.connections.tracking import TrackedConnection
from twistednet.core.text import addressText
from twistednet.events.chunks import Chunk
from twistednet.events.journal import Conversation
from twistednet.events.marks import FaultMark, PauseMark
from twistednet.events.messages import MessageBounds, MessageReader

# The id of the last event: chunks, and what can be left out: actions of faults, and pauses.
_LAST = re.compile("([0-9]{1,9})(?:-([0-9]{1,9}))?(?:-([0-9]{1,9}))?")

#: Bytes, or a little more, that one tick sends to a stream.
MAX_TICK_BYTES = 64 * 1024


def summary(one: Conversation | UnjournaledConnection) -> dict[str, object]:
    """Return the JSON of a conversation without its chunks."""
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


def chunk(one: Chunk) -> dict[str, object]:
    """Return the JSON of a chunk."""
    return {
        "at": round(one.at, 6),
        "direction": one.direction,
        "data": b64encode(one.data).decode(),
        "callback": one.callback,
    }


def mark(one: FaultMark) -> dict[str, object]:
    """Return the JSON of one action of a fault."""
    return {**asdict(one), "at": round(one.at, 6)}


def messageJSON(one: MessageBounds) -> dict[str, object]:
    """Return the JSON of a message."""
    return {**asdict(one), "at": round(one.at, 6)}


class UnjournaledConnection:
    """An open connection that the journal, full or off, does not have."""

    closed = seconds = None
    truncated = True
    faulted = 0
    chunks: tuple[Chunk, ...] = ()
    marks: tuple[FaultMark, ...] = ()

    def __init__(self, connection: TrackedConnection, ahead: float) -> None:
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
        """The address of our side, which costs a system call."""
        return addressText(self._transport.getHost())

    def data(self, direction: str) -> bytes:
        """Return the known data of one direction: none."""
        return b""

    def story(self) -> Iterator[Chunk]:
        """Return what is known of it: nothing."""
        return iter(())


class ConversationSource:
    """The source of one stream of events: each chunk, each message that ended, each action of a
    fault as it happens, and then the end. An event id has the numbers of chunks, actions and
    pauses that were sent.
    """

    def __init__(self, conversation: Conversation, last: str) -> None:
        self._conversation = conversation
        had = _LAST.fullmatch(last)
        self._counts = [*map(int, had.groups("0"))] if had else [0, 0, 0]
        self._isOver = False
        #: What has happened and was not sent yet.
        self._left: Iterator[bytes] = iter(())
        self._reader = MessageReader()
        for part in islice(conversation.story(), sum(self._counts)):
            # Messages that ended earlier were sent.
            list(self._reader.read(part))

    def more(self) -> bytes:
        news: list[bytes] = []
        size = 0
        for one in chain(self._left, self._fresh()):
            news.append(one)
            size += len(one)
            if size > MAX_TICK_BYTES:
                return b"".join(news)
        if self._conversation.closed is not None and not self._isOver:
            self._isOver = True
            news.append(message("closed", summary(self._conversation)))
        return b"".join(news)

    def _fresh(self) -> Iterator[bytes]:
        for new in self._conversation.story(*self._counts):
            # A chunk of newlines alone has thousands of messages: the next tick has the rest.
            self._left = self._written(new)
            for one in self._left:  # noqa: UP028 - `yield from` would close what is left
                yield one

    def _written(self, new: Chunk | FaultMark | PauseMark) -> Iterator[bytes]:
        self._counts[(Chunk, FaultMark, PauseMark).index(type(new))] += 1
        number = "-".join(map(str, self._counts))
        if isinstance(new, FaultMark):
            yield message("faulted", mark(new), number)
        elif isinstance(new, Chunk):
            yield message("chunk", chunk(new), number)
        if self._conversation.kind != "udp":
            for ended in self._reader.read(new):
                yield message("message", messageJSON(ended), number)
