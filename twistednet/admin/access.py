"""Who may ask the admin site for what."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Set
from ipaddress import ip_address
from typing import Any

from twisted.internet.interfaces import IReactorTime

from twistednet.admin.replies import APIError, Reply
from twistednet.core.limits import PeerRates, isLocal
from twistednet.core.text import hostOf

#: Wrong tokens that an address may send at once; after that one in SLOW seconds is told
#: that it is wrong, and the others wait DELAY seconds to hear that there are too many.
MOST_WRONG = 10
SLOW = 10.0
DELAY = 1.0

#: A page elsewhere cannot send this header without asking us first, and we refuse.
CHANGES = "X-Netdemo"

_SAFE_METHODS = (b"GET", b"HEAD", b"OPTIONS")


class Access:
    """The door of the site.

    Whoever asks names a host that is ours, or a page elsewhere could be given our
    address under its own name (DNS rebinding); comes from no page elsewhere; knows the
    token, in a header, or as the cookie that the first visit with `?token=` brought; and
    says so when they mean to change something. The token has 256 bits, or 16 characters
    at least: who knows it is never slowed down, so that a stale page that still asks with
    yesterday's token shuts nobody out.
    """

    def __init__(self, clock: IReactorTime, token: str | None, names: Set[str]) -> None:
        self.clock = clock
        self.token = token or secrets.token_urlsafe(32)
        self.names = names
        self._wrong = PeerRates(1 / SLOW, MOST_WRONG)

    def check(self, request: Any, isOpen: bool) -> None:
        """Raises Wrong. What `isOpen` needs no token on loopback."""
        self._checkPlace(request)
        if not (isOpen and isLocal(_local(request))):
            self._checkToken(request)
        if request.method not in _SAFE_METHODS and not header(request, CHANGES):
            raise APIError(403, f"to change anything, send the header {CHANGES}: 1")

    def welcome(self, request: Any, token: str) -> Reply:
        """The answer to a first visit with the token in the query: the same page without
        it, and a cookie. Raises Wrong."""
        self._checkPlace(request)
        if not _same(token, self.token):
            self._refuse(request)
        cookie = f"{_cookieName(request)}={self._cookie}; Path=/; HttpOnly; SameSite=Strict"
        return Reply(
            b"",
            status=303,
            headers={
                "Location": "/",
                "Set-Cookie": cookie + ("; Secure" if request.isSecure() else ""),
                "Cache-Control": "no-store",
            },
        )

    @property
    def _cookie(self) -> str:
        # Not the token: browsers send cookies to every port of a host, and the service
        # that greets browsers shows what they send.
        return hashlib.sha256(f"cookie {self.token}".encode()).hexdigest()

    def _checkPlace(self, request: Any) -> None:
        given = header(request, "Host")
        # HTTP/1.0 needs none, and no browser leaves it out.
        if given is not None and not self._isOurs(_hostname(given), _local(request)):
            raise APIError(421, "this host is not ours: use localhost, or see admin-hosts")
        origin = header(request, "Origin")
        if origin is not None and origin.partition("://")[2].lower() != (given or "").lower():
            raise APIError(403, "this comes from a page of another origin")

    def _isOurs(self, name: str, local: str | None) -> bool:
        if name == "localhost" or name in self.names:
            return True
        try:
            return ip_address(name).is_loopback or name == local
        except ValueError:
            return False

    def _checkToken(self, request: Any) -> None:
        scheme, _, given = (header(request, "Authorization") or "").partition(" ")
        if scheme.lower() in ("bearer", "token"):
            if not _same(given.strip(), self.token):
                self._refuse(request)
            return
        cookie = request.getCookie(_cookieName(request).encode())
        if cookie is None:
            raise APIError(
                401,
                "open the URL with the token that the daemon printed at its start, "
                "or send the header Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )
        if not _same(cookie.decode("latin-1"), self._cookie):
            self._refuse(request)

    def _refuse(self, request: Any) -> None:
        peer = hostOf(request.getClientAddress()) or "local"
        if self._wrong.allow(peer, self.clock.seconds()):
            raise APIError(401, "this token is wrong", {"WWW-Authenticate": "Bearer"})
        raise APIError(429, "too many wrong tokens", {"Retry-After": f"{SLOW:.0f}"}, DELAY)


def header(request: Any, name: str) -> str | None:
    """Whatever bytes it has."""
    value = request.getHeader(name.encode())
    return None if value is None else value.decode("latin-1")


def _same(given: str, right: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "surrogatepass"), right.encode())


def _local(request: Any) -> str | None:
    """The address that was connected to; None for a UNIX socket."""
    return hostOf(request.getHost())


def _cookieName(request: Any) -> str:
    """One for each port: cookies are shared by all ports of a host."""
    return f"netdemo-{getattr(request.getHost(), 'port', 'local')}"


def _hostname(given: str) -> str:
    """Of a Host header, without port and brackets."""
    bracketed, bracket, _ = given.removeprefix("[").partition("]")
    name = bracketed if bracket else given.partition(":")[0]
    return name.lower().rstrip(".")
