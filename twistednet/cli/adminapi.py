"""A client of a daemon's admin site, and the options that name the site."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import click

from twistednet.client.connecting import connect
from twistednet.client.errors import Unexpected
from twistednet.client.http import Response, authority, readResponse, request
from twistednet.client.reactors import Reactor
from twistednet.client.streams import Stream
from twistednet.client.targets import Target
from twistednet.core.text import shown

#: The default address of a daemon's admin site.
URL = "http://127.0.0.1:8800/"
_KINDS = {"http": "tcp", "https": "tls"}

tokenOption = click.option(
    "--token",
    envvar="NETDEMO_ADMIN_TOKEN",
    default="",
    help="The access token of the admin site, if it is not in its URL.",
)


@dataclass(frozen=True)
class Site:
    """An admin site and its access token."""

    target: Target
    token: str

    @classmethod
    def parse(cls, url: str, token: str = "") -> Site:
        """Return the site of a URL that a daemon printed at its start, or of HOST:PORT.

        A token in the URL is preferred to `token`. Raises UsageError.
        """
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            kind, host, port = _KINDS[parts.scheme], parts.hostname, parts.port
        except (ValueError, KeyError):
            host = port = None
        if not host or not port:
            raise click.UsageError(
                f"{url!r} is not an admin site: give a URL with a port, as in {URL}"
            )
        found = parse_qs(parts.query).get("token", [token])[0]
        return cls(Target(kind, host, port), found)

    async def open(
        self, reactor: Reactor, path: str, method: str = "GET", content: object = None
    ) -> Stream:
        """Send a request with JSON `content`; return the connection. Raises ClientError."""
        stream = await connect(reactor, self.target)
        body = b"" if content is None else json.dumps(content).encode()
        headers = ["X-Netdemo: 1", f"Content-Length: {len(body)}"] if method != "GET" else []
        if content is not None:
            headers.append("Content-Type: application/json")
        if self.token:
            headers.append(f"Authorization: Bearer {self.token}")
        stream.write(request(authority(stream), path, method, tuple(headers), body))
        return stream

    async def ask(
        self, reactor: Reactor, path: str, method: str = "GET", content: object = None
    ) -> object:
        """Return the JSON of the response. Raises Unexpected with the site's reason to refuse."""
        stream = await self.open(reactor, path, method, content)
        response = await readResponse(stream)
        await stream.close()
        if response.status >= 300:
            raise self.refused(response)
        return json.loads(response.body)

    def refused(self, response: Response) -> Unexpected:
        """Return the error for a response that refuses a request."""
        if response.status == 401:
            return Unexpected(
                f"{self.target} needs its access token: give the URL that the daemon printed "
                "at its start, or set NETDEMO_ADMIN_TOKEN"
            )
        try:
            reason = shown(json.loads(response.body)["error"])
        except (ValueError, KeyError, TypeError):
            reason = f"status {response.status}"
        return Unexpected(f"{self.target} refused: {reason}")
