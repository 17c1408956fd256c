"""The kinds of faults of HTTP responses. Add an edit of the parts, and its row."""

from __future__ import annotations

import re
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, Literal

from twistednet.faults.actiontypes import ActionType
from twistednet.faults.model import ResponseEdit, ResponseFaultKind
from twistednet.faults.responseparts import BODILESS_STATUSES, ResponseParts

#: Statuses whose body, if there is one, is empty (RFC 9110, 15.3.6 for 205).
_EMPTY_STATUSES = BODILESS_STATUSES | {205}
#: Headers that stay when another response takes the place of the service's: they belong to
#: the connection, or to the faults.
_KEPT_HEADERS = frozenset({b"server", b"date", b"connection", b"x-netdemo-fault"})

GARBAGE = b"garbage\r\n"
SURPLUS = b"surplus"
BAD_CHUNK_SIZE = b"xyz"
#: The parameter of a target in which a chain of redirects counts, so that it needs no state.
REDIRECTS_PARAMETER = b"netdemo-redirects"
_REDIRECTS_DONE = re.compile(rb"[?&]%b=([0-9]{1,15})\Z" % REDIRECTS_PARAMETER)
#: A header field of 1 KiB.
ENDLESS_HEADER = b"X-Endless: " + b"x" * 1011 + b"\r\n"


def status(parts: ResponseParts, code: int) -> ResponseParts:
    """Send another response, with this status and a line of text that names it."""
    phrase = HTTPStatus(code).phrase if code in HTTPStatus._value2member_map_ else ""
    body = b"" if code in _EMPTY_STATUSES else f"{code} {phrase}".strip().encode() + b"\n"
    kept = tuple(field for field in parts.headers if field[0].lower() in _KEPT_HEADERS)
    contentType = ((b"Content-Type", b"text/plain; charset=utf-8"),) if body else ()
    return replace(
        parts,
        status=code,
        reason=phrase.encode(),
        headers=(*kept, *contentType),
        body=body,
        contentLength=None if code in BODILESS_STATUSES else len(body),
    )


def redirect(parts: ResponseParts) -> ResponseParts:
    """Redirect to the request's own target (RFC 9110, 15.4.3)."""
    return _redirected(parts, parts.target)


def redirectOnce(parts: ResponseParts, count: int) -> ResponseParts:
    """Redirect to the request's own target, with the number of the redirect at its end."""
    target = _REDIRECTS_DONE.sub(b"", parts.target)
    mark = b"&" if b"?" in target else b"?"
    number = _redirectsDone(parts.target) + 1
    return _redirected(parts, b"%b%b%b=%d" % (target, mark, REDIRECTS_PARAMETER, number))


def isBeforeEnd(target: bytes, count: int) -> bool:
    """True if a chain of `count` redirects goes on after the request for `target`."""
    return _redirectsDone(target) < count


def _redirectsDone(target: bytes) -> int:
    match = _REDIRECTS_DONE.search(target)
    return int(match[1]) if match else 0


def _redirected(parts: ResponseParts, target: bytes) -> ResponseParts:
    # Two slashes at the beginning would name another host (RFC 3986, 4.2).
    path = b"/." + target if target.startswith(b"//") else target
    parts = status(parts, 302)
    return replace(parts, headers=(*parts.headers, (b"Location", path)))


def encode(parts: ResponseParts) -> ResponseParts:
    """Name a content encoding, and leave the body as it is."""
    others = [field for field in parts.headers if field[0].lower() != b"content-encoding"]
    return replace(parts, headers=(*others, (b"Content-Encoding", b"gzip")))


def delayBody(parts: ResponseParts, seconds: float) -> ResponseParts:
    """Send the headers at once, and the body later."""
    return replace(parts, delayBeforeBody=parts.delayBeforeBody + seconds)


def delayHalf(parts: ResponseParts, seconds: float) -> ResponseParts:
    """Send the first half of the body, rounded down, and the rest later."""
    return replace(parts, delayInBody=parts.delayInBody + seconds)


def _with(**changes: Any) -> ResponseEdit:
    """Return an edit that sets these parts."""
    return lambda parts: replace(parts, **changes)


def _cut(part: Literal["headers", "body"]) -> ResponseEdit:
    """Return an edit that sends half of this part, rounded down, and nothing more.

    If several rules cut a response, the first one wins.
    """
    return lambda parts: replace(parts, cut=parts.cut or part)


def _named(
    syntax: str,
    edit: ResponseEdit,
    ends: Literal[ActionType.END, None] = None,
    aliases: tuple[str, ...] = (),
) -> ResponseFaultKind:
    """Return a kind whose name is all that a rule writes."""
    return ResponseFaultKind(syntax, edit, name=syntax, ends=ends, aliases=aliases)


_END: Final = ActionType.END
_RESET: Final = ActionType.RESET

RESPONSE_KINDS = (
    ResponseFaultKind("status STATUS", status),
    _named("redirect loop", redirect),
    ResponseFaultKind(
        "redirect chain of N", redirectOnce, name="redirect chain", appliesTo=isBeforeEnd
    ),
    ResponseFaultKind("latency before body TIME", delayBody),
    ResponseFaultKind("latency in body TIME", delayHalf),
    _named("no status line", _with(hasStatusLine=False), _END),
    _named("bytes before status line", _with(prefix=GARBAGE), _END),
    _named("duplicate content-length", _with(lengthErrors=(0, 0))),
    _named("conflicting content-length", _with(lengthErrors=(0, 1)), _END),
    _named("bad chunk size", _with(chunkSize=BAD_CHUNK_SIZE), _END),
    _named("truncated body", _with(lengthErrors=(1,)), _END, ("body shorter than said",)),
    _named("surplus body", _with(surplus=SURPLUS), _END, ("body longer than said",)),
    _named("wrong content-encoding", encode),
    _named("endless headers", _with(endlessHeader=ENDLESS_HEADER)),
    ResponseFaultKind("close in headers", _cut("headers"), ends=_END),
    ResponseFaultKind("close in body", _cut("body"), ends=_END),
    ResponseFaultKind("reset in headers", _cut("headers"), ends=_RESET),
    ResponseFaultKind("reset in body", _cut("body"), ends=_RESET),
)
