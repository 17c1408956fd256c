"""The routes of the admin site, and what each request must pass first."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from twistednet.admin.access import Access, header
from twistednet.admin.places import HELD, AdminChannel, PlacedSite, Places
from twistednet.admin.replies import AnyReply, APIError, Reply
from twistednet.transport.httprequest import BoundedRequest

T = TypeVar("T")

# Python takes 1_000, inf, nan and the digits of any script.
_LARGEST = sys.float_info.max
_NUMBER = re.compile("[0-9.eE+-]+")


@dataclass(frozen=True)
class APIRequest:
    """A request to one route: its query, and what stands in the path for each {name}."""

    request: BoundedRequest
    query: Mapping[str, str]
    named: Mapping[str, str]

    def header(self, name: str) -> str:
        """Return the value of a header, or an empty string."""
        return header(self.request, name) or ""

    def number(
        self, name: str, kind: type[T], least: float = 0, most: float = sys.float_info.max
    ) -> T | None:
        """Return a number from the query; None if it has none. Raises APIError."""
        given = self.query.get(name)
        if given is None:
            return None
        make: Any = kind
        what = "a whole number" if kind is int else "a number"
        with suppress(ValueError):
            value = make(given)
            if _NUMBER.fullmatch(given) and least <= value <= most:
                return value
        raise APIError(400, f"{name} is {what} from {least:g} to {most:g}")

    def id(self) -> int:
        """Return the number in the path. Raises APIError."""
        given = self.named["id"]
        if not (given.isascii() and given.isdecimal() and len(given) < 16):
            raise APIError(404, "that is no number of anything here")
        return int(given)

    def body(self) -> object:
        """Return the body, parsed as JSON. Raises APIError."""
        kind = self.header("Content-Type").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise APIError(415, "the body must be application/json")
        try:
            return json.loads(self.request.content.read() if self.request.content else b"")
        except (ValueError, RecursionError):
            raise APIError(400, "the body is not JSON") from None


#: Returns a reply or an awaitable of one, and may raise APIError.
Act = Callable[[APIRequest], AnyReply | Awaitable[AnyReply]]


@dataclass(frozen=True)
class Route:
    """`act` answers `method` on paths like `path`, which may have {names} in it.

    It returns a reply, or an awaitable of one, and may raise APIError. It is given the
    `query` parameters that are named; others are refused. What `isOpen` needs no token
    on loopback, and what `isPublic` needs none at all.
    """

    method: str
    path: str
    act: Act
    query: tuple[str, ...] = ()
    isOpen: bool = False
    isPublic: bool = False

    def match(self, path: str) -> Mapping[str, str] | None:
        """Return the text for each {name} if the path matches; None if not."""
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path), path)
        return None if found is None else found.groupdict()


class Router(Resource):
    """The root resource: all routes, and for every other path `files`, which hold no secret."""

    isLeaf = True
    log = Logger()

    def __init__(self, access: Access, routes: Iterable[Route], files: Act) -> None:
        super().__init__()
        self.clock = access.clock
        self.access = access
        self._routes = tuple(routes)
        self._files = Route("GET", ".*", files, isPublic=True)

    def render(self, request: BoundedRequest) -> int:
        gone = request.notifyFinish()
        answering = Deferred.fromCoroutine(self._answer(request))
        answering.addErrback(self._failed, request)
        gone.addErrback(lambda _: answering.cancel())
        return NOT_DONE_YET

    async def _answer(self, request: BoundedRequest) -> None:
        try:
            reply = await self._reply(request)
        except APIError as wrong:
            if wrong.delay:
                await deferLater(self.clock, wrong.delay)
            reply = wrong.reply()
        except CancelledError:
            raise
        except Exception:
            self.log.failure("{path} failed", path=request.path)
            reply = APIError(500, "this failed; the log has the reason").reply()
        reply.give(request)

    def _failed(self, failure: Failure, request: BoundedRequest) -> None:
        if not failure.check(CancelledError):
            # In the middle of an answer there is no other to give.
            self.log.failure("an answer failed", failure)
            request.loseConnection()

    async def _reply(self, request: BoundedRequest) -> AnyReply:
        path = request.path.decode("latin-1")
        method = request.method.decode("latin-1")
        tokens = request.args.get(b"token")
        if tokens and (method, path) == ("GET", "/"):
            return self.access.welcome(request, tokens[0].decode("latin-1"))
        found = [(one, named) for one in self._routes if (named := one.match(path)) is not None]
        # What is named goes before what any {name} stands for.
        found = [one for one in found if not one[1]] or found or [(self._files, {})]
        self.access.check(request, found[0][0].isOpen, found[0][0].isPublic)
        if request.channel.isRefused:
            raise APIError(503, f"{HELD} requests are being answered", {"Retry-After": "1"})
        if method == "OPTIONS":
            return Reply(b"", status=204, headers=_allow(found))
        wanted = "GET" if method == "HEAD" else method
        route, named = next((one for one in found if one[0].method == wanted), (None, {}))
        if route is None:
            raise APIError(405, "that cannot be done here", _allow(found))
        query = _query(request)
        for name in query:
            if name not in route.query:
                raise APIError(400, f"there is no parameter {name!r} here")
        reply = route.act(APIRequest(request, query, named))
        return await reply if isawaitable(reply) else reply


def _allow(found: Iterable[tuple[Route, object]]) -> dict[str, str]:
    methods = {route.method for route, _ in found}
    heads = ["HEAD"] if "GET" in methods else []
    return {"Allow": ", ".join(sorted([*methods, *heads, "OPTIONS"]))}


def _query(request: BoundedRequest) -> dict[str, str]:
    """Return the query. Raises APIError for a parameter that stands twice or is not UTF-8."""
    pairs = request.uri.partition(b"?")[2].decode("latin-1")
    try:
        given = parse_qsl(pairs, keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError:
        raise APIError(400, "the query is no UTF-8, or too long") from None
    query = dict(given)
    if len(query) < len(given):
        raise APIError(400, "a parameter stands twice")
    return query


class AdminSite(PlacedSite):
    """The site; its limits do not depend on those of the services.

    `report` is called with the address of each peer that was refused, and the limit.
    """

    maxBody = 128 * 1024

    def __init__(self, root: Router, report: Callable[[str, str], None]) -> None:
        super().__init__(root, root.clock)
        self.protocol = AdminChannel
        self.places = Places(root.access, report)
        # A form is nothing that anybody here asks for.
        self.requestFactory: Any = partial(BoundedRequest, parsePOSTFormSubmission=False)
