"""`netdemo watch`: the connections of a running daemon, as they open and close."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import click

from twistednet.cli.adminapi import URL, Site, tokenOption
from twistednet.cli.run import run
from twistednet.cli.stdio import show
from twistednet.client.errors import Unexpected
from twistednet.client.http import Response, chunks, readHead
from twistednet.client.reactors import Reactor
from twistednet.client.streams import Stream

#: Seconds of silence after which the daemon is gone: it sends something every 15 s.
SILENCE_SECONDS = 60.0

_EVENTS = "/api/v1/events"
_OPEN = "/api/v1/connections?state=open&limit=1000"

#: The fields of an event, or of a connection in a listing (docs/wire.md).
Fields = Mapping[str, object]


@click.command()
@click.argument("url", default=URL)
@tokenOption
@click.option("--no-follow", is_flag=True, help="List the open connections, and stop.")
def watch(url: str, token: str, no_follow: bool) -> None:
    """Show the connections of a running daemon as they open and close.

    URL is that of its admin site, as printed at its start [http://127.0.0.1:8800/].
    """
    site = Site.parse(url, token)
    run(lambda reactor: watched(reactor, site, not no_follow))


@dataclass
class ConnectionList:
    """The open connections, by their numbers."""

    open: set[object] = field(default_factory=set)

    def take(self, kind: str, event: Fields) -> str | None:
        """Return a line about an event for people, None if there is nothing new in it."""
        number, name = event.get("id", 0), f"{event.get('service')} {event.get('peer')}"
        if kind == "opened" and number not in self.open:
            self.open.add(number)
            return f"+ {name} #{number}  ({len(self.open)} open)"
        if kind == "closed":
            self.open.discard(number)
            sizes = f"{event['bytesIn']} B in, {event['bytesOut']} B out, {event['seconds']:.3f} s"
            return f"- {name} #{number}: {event['reason']}; {sizes}  ({len(self.open)} open)"
        if kind == "refused":
            return f"! {name} refused: {event['limit']}"
        if kind == "faulted":
            return f"~ {name} #{number}: fault {event['fault']}: {event['did']}"
        return f"({event['events']} events missed)" if kind == "missed" else None


async def watched(reactor: Reactor, site: Site, follow: bool) -> None:
    """Show the open connections and, with `follow`, every change. Raises ClientError."""
    state = ConnectionList()
    # The events are requested first, so that no connection is missed in between.
    events = await site.open(reactor, _EVENTS) if follow else None
    listing = cast(dict[str, list[Fields]], await site.ask(reactor, _OPEN))
    for connection in reversed(listing["connections"]):
        show(state.take("opened", connection) or "")
    if events is None:
        return
    events.timeout = SILENCE_SECONDS
    async for kind, event in _events(site, events):
        if kind == "end":
            show("(the daemon stops)")
            return
        line = state.take(kind, event)
        if line is not None:
            show(line)
    raise Unexpected(f"{site.target} closed the connection")


async def _events(site: Site, stream: Stream) -> AsyncIterator[tuple[str, Fields]]:
    """Yield Server-Sent Events, each with its kind and its fields."""
    status, _ = await readHead(stream)
    if status != 200:
        raise site.refused(Response(status, {}, b""))
    rest = b""
    async for chunk in chunks(stream):
        *whole, rest = (rest + chunk).split(b"\n\n")
        for event in whole:
            lines = dict(line.partition(": ")[::2] for line in event.decode().splitlines())
            if "event" in lines:
                yield lines["event"], json.loads(lines["data"])
