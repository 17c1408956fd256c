"""Access control of the admin site: hosts, origins, and the access token."""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Set
from ipaddress import ip_address

from twisted.internet.interfaces import IReactorTime

from twistednet.admin.replies import APIError, Reply
from twistednet.core.limits import LocalPeers, PeerRates, isLocal
from twistednet.core.text import hostOf
from twistednet.transport.httprequest import BoundedRequest

#: Wrong tokens that an address may send at once. After that, one in RETRY_SECONDS gets 401;
#: the others get 429 after DELAY_SECONDS.
MAX_WRONG_TOKENS = 10
RETRY_SECONDS = 10.0
DELAY_SECONDS = 1.0

#: A page of another origin cannot send this header without a preflight, which we refuse.
CHANGES = "X-Netdemo"

#: The path of the cookie. All that a browser needs it for is below, and little of what the
#: services on other ports of the host are asked for, which would be sent it too.
COOKIE_PATH = "/api/v1"

_SAFE_METHODS = (b"GET", b"HEAD", b"OPTIONS")


class Access:
    """Checks each request before it is answered.

    A request must name one of our hosts, or a foreign page could reach us under its own name (DNS
    rebinding). It must not come from a page of another origin. It needs the token: in a header, or
    as the cookie that the first visit with `?token=` sets. To change something it needs the header
    `X-Netdemo`. The token has 256 bits, or at least 16 characters. A client with the right token is
    never slowed down, so a stale page that uses an old token shuts out nobody.
    """

    def __init__(
        self, clock: IReactorTime, token: str | None, names: Set[str], local: LocalPeers
    ) -> None:
        self.clock = clock
        self.local = local
        self.token = token or secrets.token_urlsafe(32)
        self.names = names
        # New at each start, so that a cookie is of no use after it.
        self._key = secrets.token_bytes(32)
        self._wrong = PeerRates(1 / RETRY_SECONDS, MAX_WRONG_TOKENS)

    def check(self, request: BoundedRequest, isOpen: bool, isPublic: bool) -> None:
        """Raise APIError if a request is refused.

        One that `isPublic` needs no token, and one that `isOpen` needs none on loopback.
        """
        self._checkPlace(request)
        if not (isPublic or (isOpen and isLocal(_local(request)))):
            self._checkToken(request)
        if request.method not in _SAFE_METHODS and not header(request, CHANGES):
            raise APIError(403, f"to change anything, send the header {CHANGES}: 1")

    def welcome(self, request: BoundedRequest, token: str) -> Reply:
        """Redirect the first visit, which has the token in its query, and set the cookie.

        Raises APIError.
        """
        self._checkPlace(request)
        if not _same(token, self.token):
            self._refuse(request)
        cookie = f"{_cookieName(request)}={self.cookie}; Path={COOKIE_PATH}"
        cookie += "; HttpOnly; SameSite=Strict"
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
    def cookie(self) -> str:
        """The value of the cookie, which is not the token and changes at each start."""
        # Browsers send cookies to every port of a host.
        digest = hmac.digest(self._key, self.token.encode(), "sha256")
        return urlsafe_b64encode(digest).decode().rstrip("=")

    def _checkPlace(self, request: BoundedRequest) -> None:
        if not (request.isSecure() or self._isNear(request)):
            # The token would be sent in the clear.
            raise APIError(403, "without TLS, this site is for the networks of --trust alone")
        given = header(request, "Host")
        # HTTP/1.0 needs none, and no browser leaves it out.
        if given is not None and not self._isOurs(_hostname(given), _local(request)):
            raise APIError(421, "this host is not one of ours: use localhost, or set admin-hosts")
        origin = header(request, "Origin")
        scheme = "https" if request.isSecure() else "http"
        if origin is not None and origin.lower() != f"{scheme}://{given or ''}".lower():
            raise APIError(403, "the request comes from a page of another origin")

    def _isNear(self, request: BoundedRequest) -> bool:
        """True if the client is on this machine, or in a network that is trusted."""
        return isLocal(_local(request)) or self.local.covers(hostOf(request.getClientAddress()))

    def _isOurs(self, name: str, local: str | None) -> bool:
        if name == "localhost" or name in self.names:
            return True
        try:
            return ip_address(name).is_loopback or name == local
        except ValueError:
            return False

    def hasToken(self, request: BoundedRequest) -> bool:
        """True if a request, whose header must be complete, has the token or the cookie."""
        token = _tokenOf(request)
        if token is not None:
            return _same(token, self.token)
        cookie = request.getCookie(_cookieName(request).encode())
        return cookie is not None and _same(cookie.decode("latin-1"), self.cookie)

    def _checkToken(self, request: BoundedRequest) -> None:
        if self.hasToken(request):
            return
        if _tokenOf(request) is not None:
            self._refuse(request)
        # A cookie of the last start is no guess: it has 256 bits, as this one has.
        raise APIError(
            401,
            "open the URL with the token that the daemon printed at its start, "
            "or send the header Authorization: Bearer TOKEN",
            {"WWW-Authenticate": "Bearer"},
        )

    def _refuse(self, request: BoundedRequest) -> None:
        peer = hostOf(request.getClientAddress()) or "local"
        if self._wrong.allow(peer, self.clock.seconds()):
            raise APIError(401, "this token is wrong", {"WWW-Authenticate": "Bearer"})
        raise APIError(
            429, "too many wrong tokens", {"Retry-After": f"{RETRY_SECONDS:.0f}"}, DELAY_SECONDS
        )


def header(request: BoundedRequest, name: str) -> str | None:
    """Return a header's value, with bytes as Latin-1; None if there is none."""
    value = request.getHeader(name.encode())
    return None if value is None else value.decode("latin-1")


def _tokenOf(request: BoundedRequest) -> str | None:
    """Return the token in the header Authorization, right or wrong."""
    scheme, _, given = (header(request, "Authorization") or "").partition(" ")
    return given.strip() if scheme.lower() in ("bearer", "token") else None


def _same(given: str, right: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "surrogatepass"), right.encode())


def _local(request: BoundedRequest) -> str | None:
    """Return the address that the client connected to; None for a UNIX socket."""
    return hostOf(request.getHost())


def _cookieName(request: BoundedRequest) -> str:
    """Return the name of the cookie: one for each port, as all ports of a host share cookies."""
    return f"netdemo-{getattr(request.getHost(), 'port', 'local')}"


def _hostname(given: str) -> str:
    """Return the name in a Host header, without port and brackets."""
    bracketed, bracket, _ = given.removeprefix("[").partition("]")
    name = bracketed if bracket else given.partition(":")[0]
    return name.lower().rstrip(".")
