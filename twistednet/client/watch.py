"""`netdemo watch`: who comes to a running daemon and who goes, as its admin site tells."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from twistednet.client.connecting import connect
from twistednet.client.errors import BadTarget, ClientError, Unexpected
from twistednet.client.http import authority, chunks, readHead, readResponse, request
from twistednet.client.running import show
from twistednet.client.streams import Stream
from twistednet.client.targets import Target

#: Where a daemon has its admin site, unless told otherwise.
URL = "http://127.0.0.1:8800/"
#: Seconds of silence after which it must be gone: it says something every fifteen.
SILENCE = 60.0

_KINDS = {"http": "tcp", "https": "tls"}


@dataclass(frozen=True)
class Site:
    """An admin site, and the token that it wants."""

    target: Target
    token: str

    @classmethod
    def parse(cls, url: str, token: str = "") -> Site:
        """Of the URL that a daemon prints at its start, or of HOST:PORT. Raises BadTarget."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if parts.scheme not in _KINDS or not host or not port:
            raise BadTarget(f"{url!r} is no admin site: it is a URL with a port, as in {URL}")
        given = parse_qs(parts.query).get("token", [token])[0]
        return cls(Target(_KINDS[parts.scheme], host, port), given)


@dataclass
class Watched:
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
            return f"~ {who} #{number}: fault {told['fault']}"
        return f"({told['events']} events missed)" if kind == "missed" else None


async def watched(reactor: Any, site: Site, follow: bool) -> None:
    """Show who is connected and, while we `follow`, who comes and goes. Raises ClientError."""
    state = Watched()
    # Before we ask who is there, so that nobody slips in between.
    events = await _asked(reactor, site, "/api/v1/events") if follow else None
    listing = await _asked(reactor, site, "/api/v1/connections?state=open&limit=1000")
    response = await readResponse(listing)
    await listing.close()
    if response.status != 200:
        raise _refused(site, response.status, response.body)
    for one in reversed(json.loads(response.body)["connections"]):
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


async def _asked(reactor: Any, site: Site, path: str) -> Stream:
    stream = await connect(reactor, site.target)
    headers = (f"Authorization: Bearer {site.token}",) if site.token else ()
    stream.write(request(authority(stream), path, headers=headers))
    return stream


async def _events(site: Site, stream: Stream) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Server-Sent Events, each with its kind and what it tells."""
    status, _ = await readHead(stream)
    if status != 200:
        raise _refused(site, status, b"")
    rest = b""
    async for piece in chunks(stream):
        *whole, rest = (rest + piece).split(b"\n\n")
        for event in whole:
            fields = dict(line.partition(": ")[::2] for line in event.decode().splitlines())
            if "event" in fields:
                yield fields["event"], json.loads(fields["data"])


def _refused(site: Site, status: int, body: bytes) -> ClientError:
    if status == 401:
        return Unexpected(
            f"{site.target} wants its token: give the URL that the daemon printed at its start, "
            "or set NETDEMO_ADMIN_TOKEN"
        )
    return Unexpected(f"{site.target} answered with status {status}, and not 200")
