"""Events as JSON lines: live events, and conversations of the journal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields

from twistednet.events.journal import Conversation
from twistednet.events.marks import FaultMark, PauseMark
from twistednet.events.model import SCHEMA, Closed, Event, Faulted, Opened, Paused, Received, Sent

# Fields that have another name in a line, or None for those that it has in any case.
_OTHERWISE = {"connection": "id", "at": None, "time": None, "data": None}


def line(event: Event, time: float, payload: int | None = None) -> str:
    """Return the event as one line of JSON, without its end; docs/wire.md has the schema.

    `time` is the wall clock's. Of a chunk at most `payload` bytes are included, or all; each byte
    is the character with its number, so that nothing is lost.
    """
    shown = _head(type(event).__name__.lower(), event.at, time)
    for field, name in _names(event):
        shown[name] = getattr(event, field)
    if isinstance(event, Received | Sent):
        shown["size"] = len(event.data)
        shown["data"] = event.data[:payload].decode("latin-1")
    return json.dumps(shown)


def dropped(count: int, at: float, time: float) -> str:
    """Return the line that stands for events that were dropped."""
    return json.dumps({**_head("dropped", at, time), "count": count})


def _head(event: str, at: float, time: float) -> dict[str, object]:
    return {"v": SCHEMA, "event": event, "time": round(time, 6), "monotonic": round(at, 6)}


_NAMES: dict[type, list[tuple[str, str]]] = {}


def _names(event: Event) -> list[tuple[str, str]]:
    """Return the fields of an event, each with its name in a line."""
    names = _NAMES.get(type(event))
    if names is None:
        named = ((one.name, _OTHERWISE.get(one.name, one.name)) for one in fields(event))
        names = _NAMES[type(event)] = [(field, name) for field, name in named if name]
    return names


def events(conversation: Conversation) -> Iterator[Event]:
    """Yield the events of a conversation."""
    one = conversation
    whose = (one.id, one.service, one.peer)
    yield Opened(*whose, one.kind, one.host, one.since, one.opened)
    for part in one.story():
        at = one.since + part.at
        if isinstance(part, FaultMark):
            yield Faulted(*whose, part.fault, part.rule, part.count, part.did, at)
        elif isinstance(part, PauseMark):
            yield Paused(*whose, part.size, at)
        else:
            kind = Received if part.direction == "in" else Sent
            yield kind(*whose, part.data, part.callback, at)
    if one.closed is not None and one.seconds is not None:
        end = one.since + one.seconds
        yield Closed(*whose, one.closed, one.bytesIn, one.bytesOut, one.seconds, one.kind, end)


def jsonLines(conversations: Iterable[Conversation]) -> Iterator[str]:
    """Yield a line for each event of each conversation, one conversation after another."""
    for one in conversations:
        for event in events(one):
            yield line(event, one.opened + event.at - one.since) + "\n"
