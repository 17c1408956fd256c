"""`netdemo watch`: who comes to a running daemon and who goes, as its admin site tells."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from twistednet.cli.adminapi import Site
from twistednet.cli.process import show
from twistednet.client.errors import Unexpected
from twistednet.client.http import Response, chunks, readHead
from twistednet.client.streams import Stream

#: Seconds of silence after which it must be gone: it says something every fifteen.
SILENCE = 60.0


@dataclass
class ConnectionList:
    """Who is connected now, by number, and what happened last."""

    open: set[int] = field(default_factory=set)

    def take(self, kind: str, told: dict[str, Any]) -> str | None:
        """What an event means for a person; None if it is about nobody, or no news."""
        number, who = told.get("id", 0), f"{told.get('service')} {told.get('peer')}"
        if kind == "opened" and number not in self.open:
            self.open.add(number)
            return f"+ {who} #{number}  ({len(self.open)} open)"
        if kind == "closed":
            self.open.discard(number)
            sizes = f"{told['bytesIn']} B in, {told['bytesOut']} B out, {told['seconds']:.3f} s"
            return f"- {who} #{number}: {told['reason']}; {sizes}  ({len(self.open)} open)"
        if kind == "refused":
            return f"! {who} refused: {told['limit']}"
        if kind == "faulted":
            return f"~ {who} #{number}: fault {told['fault']}: {told['did']}"
        return f"({told['events']} events missed)" if kind == "missed" else None


async def watched(reactor: Any, site: Site, follow: bool) -> None:
    """Show who is connected and, while we `follow`, who comes and goes. Raises ClientError."""
    state = ConnectionList()
    # Before we ask who is there, so that nobody slips in between.
    events = await site.open(reactor, "/api/v1/events") if follow else None
    listing = await site.ask(reactor, "/api/v1/connections?state=open&limit=1000")
    for one in reversed(listing["connections"]):
        show(state.take("opened", one) or "")
    if events is None:
        return
    events.timeout = SILENCE
    async for kind, told in _events(site, events):
        if kind == "end":
            show("(the daemon stops)")
            return
        line = state.take(kind, told)
        if line is not None:
            show(line)
    raise Unexpected(f"{site.target} is gone")


async def _events(site: Site, stream: Stream) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Server-Sent Events, each with its kind and what it tells."""
    status, _ = await readHead(stream)
    if status != 200:
        raise site.refused(Response(status, {}, b""))
    rest = b""
    async for piece in chunks(stream):
        *whole, rest = (rest + piece).split(b"\n\n")
        for event in whole:
            fields = dict(line.partition(": ")[::2] for line in event.decode().splitlines())
            if "event" in fields:
                yield fields["event"], json.loads(fields["data"])
