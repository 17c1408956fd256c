"""A daemon's admin site, as a client sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from twistednet.client.connecting import connect
from twistednet.client.errors import BadTarget, Unexpected
from twistednet.client.http import Response, authority, readResponse, request
from twistednet.client.streams import Stream
from twistednet.client.targets import Target
from twistednet.core.text import shown

#: Where a daemon has its admin site, unless told otherwise.
URL = "http://127.0.0.1:8800/"
_KINDS = {"http": "tcp", "https": "tls"}


@dataclass(frozen=True)
class Site:
    """An admin site, and the token that it wants."""

    target: Target
    token: str

    @classmethod
    def parse(cls, url: str, token: str = "") -> Site:
        """Of the URL that a daemon prints at its start, or of HOST:PORT. Raises BadTarget."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            kind, host, port = _KINDS[parts.scheme], parts.hostname, parts.port
        except (ValueError, KeyError):
            host = port = None
        if not host or not port:
            raise BadTarget(f"{url!r} is no admin site: it is a URL with a port, as in {URL}")
        given = parse_qs(parts.query).get("token", [token])[0]
        return cls(Target(kind, host, port), given)

    async def open(
        self, reactor: Any, path: str, method: str = "GET", content: Any = None
    ) -> Stream:
        """A connection on which this was asked. Raises ClientError."""
        stream = await connect(reactor, self.target)
        body = b"" if content is None else json.dumps(content).encode()
        headers = ["X-Netdemo: 1", f"Content-Length: {len(body)}"] if method != "GET" else []
        if content is not None:
            headers.append("Content-Type: application/json")
        if self.token:
            headers.append(f"Authorization: Bearer {self.token}")
        stream.write(request(authority(stream), path, method, tuple(headers), body))
        return stream

    async def ask(self, reactor: Any, path: str, method: str = "GET", content: Any = None) -> Any:
        """What it answers. Raises Unexpected with its own words if it refuses."""
        stream = await self.open(reactor, path, method, content)
        response = await readResponse(stream)
        await stream.close()
        if response.status >= 300:
            raise self.refused(response)
        return json.loads(response.body)

    def refused(self, response: Response) -> Unexpected:
        """Why it did not do what it was asked for."""
        if response.status == 401:
            return Unexpected(
                f"{self.target} wants its token: give the URL that the daemon printed at its "
                "start, or set NETDEMO_ADMIN_TOKEN"
            )
        try:
            why = shown(json.loads(response.body)["error"])
        except (ValueError, KeyError, TypeError):
            why = f"status {response.status}"
        return Unexpected(f"{self.target} refused: {why}")
