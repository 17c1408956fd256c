"""A minimal HTTP/1.1 client: requests as bytes, and responses from a stream."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

from twistednet.client.errors import Unexpected
from twistednet.client.streams import Stream
from twistednet.client.targets import Target
from twistednet.core.text import addressText, shown

MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024
#: Bytes of a line that an error message shows.
MAX_SHOWN_BYTES = 80

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: .*)?")


@dataclass(frozen=True)
class Response:
    """A complete response. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def request(
    host: str,
    path: str = "/",
    method: str = "GET",
    headers: tuple[str, ...] = (),
    body: bytes = b"",
) -> bytes:
    """Return the bytes of a request. `headers` are lines as in "Accept: text/html"."""
    lines = (f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", "")
    return "\r\n".join(lines).encode("latin-1") + body


async def greeted(stream: Stream, name: bytes = b"") -> bytes:
    """Return the body of the response to a GET for `name`. Raises Unexpected."""
    path = f"/?name={quote(name)}" if name else "/"
    stream.write(request(authority(stream), path, headers=("Connection: close",)))
    response = await readResponse(stream)
    if response.status != 200:
        raise Unexpected(f"{stream.target} answered with status {response.status}, not 200")
    return response.body


def authority(stream: Stream) -> str:
    """Return the value of the Host header for this server (RFC 9110, section 7.2)."""
    return authorityOf(stream.target)


def authorityOf(target: Target) -> str:
    """Return the value of the Host header for `target` (RFC 9110, section 7.2)."""
    return "localhost" if target.kind == "unix" else addressText((target.host, target.port))


async def readResponse(stream: Stream, hasBody: bool = True) -> Response:
    """Return the next response (RFC 9112). Raises Unexpected for anything else.

    `hasBody` is false for the response to HEAD.
    """
    status, headers = await readHead(stream)
    body = b""
    if hasBody and status >= 200 and status not in (204, 304):
        body = await _body(stream, headers)
    return Response(status, headers, body)


async def readHead(stream: Stream) -> tuple[int, dict[str, str]]:
    """Return status and headers of the next response. Raises Unexpected for anything else."""
    return await _status(stream), await _headers(stream)


async def _status(stream: Stream) -> int:
    line = (await stream.readLine(MAX_HEADER_BYTES)).rstrip(b"\r\n")
    match = _STATUS.fullmatch(line)
    if match is None:
        notHTTP = f"sent something that is not HTTP: '{shown(line, MAX_SHOWN_BYTES)}'"
        why = notHTTP if line else "closed without a response"
        raise Unexpected(f"{stream.target} {why}")
    return int(match[1])


async def _headers(stream: Stream) -> dict[str, str]:
    headers: dict[str, str] = {}
    size = 0
    while line := (await stream.readLine(MAX_HEADER_BYTES)).rstrip(b"\r\n"):
        size += len(line)
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or size > MAX_HEADER_BYTES:
            raise Unexpected(f"{stream.target} sent a header that is not HTTP")
        headers[name.strip().lower()] = value.strip()
    return headers


async def _body(stream: Stream, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        async for chunk in chunks(stream):
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _tooLong(stream)
        return body
    if "content-length" not in headers:
        return await stream.readToEnd(MAX_BODY_BYTES)
    return await stream.readExactly(_size(stream, headers["content-length"], 10))


async def chunks(stream: Stream) -> AsyncIterator[bytes]:
    """Yield the chunks of a body as they come (RFC 9112, section 7.1). Raises Unexpected."""
    while size := _size(stream, (await _chunkLine(stream)).partition(";")[0], 16):
        yield await stream.readExactly(size)
        await stream.readLine()
    await _headers(stream)


async def _chunkLine(stream: Stream) -> str:
    return (await stream.readLine(MAX_HEADER_BYTES)).decode("latin-1").strip()


def _size(stream: Stream, text: str, base: int) -> int:
    try:
        size = int(text, base)
    except ValueError:
        size = -1
    if size < 0:
        raise Unexpected(f"{stream.target} sent a size that is not HTTP")
    if size > MAX_BODY_BYTES:
        raise _tooLong(stream)
    return size


def _tooLong(stream: Stream) -> Unexpected:
    return Unexpected(f"{stream.target} sent over {MAX_BODY_BYTES} bytes")
