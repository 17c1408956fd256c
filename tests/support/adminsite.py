"""The admin site as its clients see it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.support.processes import ANYWHERE, PATIENCE, DaemonTests, Running

#: What a change of state must have.
CHANGES = {"X-Netdemo": "1"}


class Answer(NamedTuple):
    """Of the admin site."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Admin:
    """The admin site of a daemon that runs with `--admin tcp:0`."""

    def __init__(self, daemon: Running) -> None:
        url = urlsplit(daemon.waitFor(r"admin: (http\S+)$")[1])
        assert url.hostname is not None
        assert url.port is not None
        self.host, self.port = url.hostname, url.port
        self.token = parse_qs(url.query)["token"][0]

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: Any = None,
        token: str | None = "",
        **headers: str,
    ) -> Answer:
        """One request, with the token unless `token` is None or another; `body` as JSON.

        Names of headers are written with _ for -.
        """
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            given.setdefault("Authorization", f"Bearer {token or self.token}")
        if method in ("POST", "PUT", "DELETE"):
            given.setdefault("X-Netdemo", "1")
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            given.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, data, given)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


class AdminTests(DaemonTests):
    """A daemon with an admin site, for all tests of a class."""

    flags = (*ANYWHERE, "--admin", "tcp:0")

    def setUp(self) -> None:
        super().setUp()
        self.admin = Admin(self.daemon)
