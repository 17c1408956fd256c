"""The kinds of faults of HTTP replies. Adding one is a function, or a change, and its row.

A reply says in parts what is to be sent (RFC 9112); a fault spoils one of them, so that those
of several rules add up. What is sent in the end is put together once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from twistednet.faults.model import Action, FaultKind, KindState
from twistednet.faults.values import Form

#: What has no body by its status (RFC 9110, 6.4.1), or may have no bytes in it (15.3.6).
_BARE = frozenset({204, 304})
_EMPTY = _BARE | {205}
#: Headers that stay when a reply is replaced by another: they are of the connection, or ours.
_KEPT = frozenset({b"server", b"date", b"connection", b"x-netdemo-fault"})

GARBAGE = b"garbage\r\n"
SURPLUS = b"surplus"
NO_SIZE = b"xyz"
#: 1 KiB: a header field, again and again.
ENDLESS = b"X-Endless: " + b"x" * 1011 + b"\r\n"

#: Seconds from one of those to the next: 10 MB/s, and time for others.
PACE = 0.0001

_Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class ResponseParts:
    """What is to be sent in answer to one request, for `target` by `method`.

    `headers` are without Content-Length: `size` is what that says, None if there is none.
    """

    method: bytes
    target: bytes
    version: bytes
    status: int
    reason: bytes
    headers: _Headers
    body: bytes
    size: int | None
    # From here on it is what faults make of it.
    before: bytes = b""
    hasStatusLine: bool = True
    #: A Content-Length for each, which says so many bytes more than there are.
    lengths: tuple[int, ...] = (0,)
    #: Sent where a chunk has its size, in a body that is then said to be chunked.
    chunkSize: bytes = b""
    surplus: bytes = b""
    #: Sent again and again, in place of the end of the headers.
    endless: bytes = b""
    #: Seconds before the body, and in its midst.
    beforeBody: float = 0.0
    inBody: float = 0.0
    #: Nothing is sent after the first half of this: headers, or body.
    cut: str = ""
    #: What is done in the end, by which fault: end (our FIN), or reset.
    end: str = ""
    by: str = ""

    @property
    def head(self) -> bytes:
        """All before the body, the empty line included."""
        first = b"%b %d %b" % (self.version, self.status, self.reason)
        fields = [b"%b: %b" % field for field in (*self.headers, *self._framing)]
        lines = [first, *fields] if self.hasStatusLine else fields
        return self.before + b"".join(line + b"\r\n" for line in lines) + b"\r\n"

    @property
    def _framing(self) -> _Headers:
        if self.chunkSize:
            return ((b"Transfer-Encoding", b"chunked"),)
        if self.size is None:
            return ()
        return tuple((b"Content-Length", b"%d" % (self.size + more)) for more in self.lengths)

    @property
    def content(self) -> bytes:
        """The body as it is sent: of what has none, nothing."""
        if self.method == b"HEAD" or self.status in _BARE:
            return b""
        if self.chunkSize:
            return self.chunkSize + b"\r\n" + self.body + b"\r\n0\r\n\r\n"
        return self.body

    def steps(self, now: float) -> list[Action]:
        """All that is sent, and when, if it may begin `now` (seconds)."""
        if self.endless and self.cut != "headers":
            return [
                Action(now, "pass", self.head[:-2]),
                Action(now, "pass", self.endless, gap=PACE, isEndless=True),
            ]
        passed: dict[float, bytes] = {}
        for after, data in self._parts():
            if data:
                passed[now + after] = passed.get(now + after, b"") + data
        steps = [Action(at, "pass", data) for at, data in passed.items()]
        last = max(passed, default=now)
        return [*steps, Action(last, self.end, by=self.by)] if self.end else steps

    def _parts(self) -> list[tuple[float, bytes]]:
        """What is sent so many seconds after the beginning."""
        head, content = self.head, self.content
        if self.cut == "headers":
            return [(0.0, head[: len(head) // 2])]
        half = len(content) // 2
        begun = [(0.0, head), (self.beforeBody, content[:half])]
        if self.cut == "body":
            return begun
        return [*begun, (self.beforeBody + self.inBody, content[half:] + self.surplus)]


def responseParts(
    asked: tuple[bytes, bytes],
    first: tuple[bytes, int, bytes],
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
) -> ResponseParts:
    """The reply to a method and target, with its version, status and reason, as the service
    has it. It gets a Content-Length where it has a body, and none was given."""
    (method, target), (version, code, reason) = asked, first
    own = tuple(field for field in headers if field[0].lower() != b"content-length")
    given = [int(size) for name, size in headers if name.lower() == b"content-length"]
    isBare = method == b"HEAD" or code in _BARE
    size = given[0] if given else None if isBare else len(body)
    return ResponseParts(method, target, version, code, reason, own, body, size)


#: What a fault makes of a reply, given its own values.
Edit = Callable[..., ResponseParts]


def status(reply: ResponseParts, code: int) -> ResponseParts:
    """Another reply, with this status, and a line of text that says so."""
    phrase = HTTPStatus(code).phrase if code in HTTPStatus._value2member_map_ else ""
    body = b"" if code in _EMPTY else f"{code} {phrase}".strip().encode() + b"\n"
    kept = tuple(field for field in reply.headers if field[0].lower() in _KEPT)
    kind = ((b"Content-Type", b"text/plain; charset=utf-8"),) if body else ()
    return replace(
        reply,
        status=code,
        reason=phrase.encode(),
        headers=(*kept, *kind),
        body=body,
        size=None if code in _BARE else len(body),
    )


def redirect(reply: ResponseParts) -> ResponseParts:
    """To where the client is already (RFC 9110, 15.4.3)."""
    # What begins with two slashes would be another host (RFC 3986, 4.2).
    path = b"/." + reply.target if reply.target.startswith(b"//") else reply.target
    reply = status(reply, 302)
    return replace(reply, headers=(*reply.headers, (b"Location", path)))


def encode(reply: ResponseParts) -> ResponseParts:
    """Say that it is compressed, and leave it as it is."""
    others = [field for field in reply.headers if field[0].lower() != b"content-encoding"]
    return replace(reply, headers=(*others, (b"Content-Encoding", b"gzip")))


def waitBefore(reply: ResponseParts, seconds: float) -> ResponseParts:
    """The headers at once, the body so much later."""
    return replace(reply, beforeBody=reply.beforeBody + seconds)


def waitAmidst(reply: ResponseParts, seconds: float) -> ResponseParts:
    """Half of the body, the smaller one, and the rest so much later."""
    return replace(reply, inBody=reply.inBody + seconds)


def _with(**changes: Any) -> Edit:
    """These parts are as given."""
    return lambda reply: replace(reply, **changes)


def _cut(part: str) -> Edit:
    """Half of this part, the smaller one, and nothing more. The first one to cut is right."""
    return lambda reply: replace(reply, cut=reply.cut or part)


def responseKind(form: str, edit: Edit, ends: str = "", given: str = "") -> FaultKind:
    """The kind that is written so; `edit` is given a reply and its values. With `ends`, end or
    reset, it is the last reply: our FIN or RST comes after it."""
    name = given or form.split()[0]

    def act(step: Action, memory: KindState, *values: Any) -> list[Action]:
        def edited(reply: ResponseParts) -> ResponseParts:
            if ends and not reply.cut:
                reply = replace(reply, end=ends, by=name)
            return edit(reply, *values)

        return [replace(step, edits=(*step.edits, edited))]

    only = frozenset({"request"})
    return FaultKind(Form(form), act, "requests", "", on=only, carriers=only, given=given)


def _named(form: str, edit: Edit, ends: str = "") -> FaultKind:
    return responseKind(form, edit, ends, form)


#: Every kind.
RESPONSE_KINDS = (
    responseKind("status STATUS", status),
    _named("redirect loop", redirect),
    responseKind("latency before body TIME", waitBefore),
    responseKind("latency in body TIME", waitAmidst),
    _named("no status line", _with(hasStatusLine=False), "end"),
    _named("bytes before status line", _with(before=GARBAGE), "end"),
    _named("duplicate content-length", _with(lengths=(0, 0))),
    _named("conflicting content-length", _with(lengths=(0, 1)), "end"),
    _named("bad chunk size", _with(chunkSize=NO_SIZE), "end"),
    _named("body shorter than said", _with(lengths=(1,)), "end"),
    _named("body longer than said", _with(surplus=SURPLUS), "end"),
    _named("wrong content-encoding", encode),
    _named("endless headers", _with(endless=ENDLESS)),
    responseKind("close in headers", _cut("headers"), "end"),
    responseKind("close in body", _cut("body"), "end"),
    responseKind("reset in headers", _cut("headers"), "reset"),
    responseKind("reset in body", _cut("body"), "reset"),
)
