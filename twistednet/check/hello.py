"""Checks of HTTP/1.1 (RFC 9110, RFC 9112) and of the hello service (wire.md)."""

from __future__ import annotations

from twistednet.check.connections import addConnectionChecks
from twistednet.check.model import Checklist
from twistednet.check.probe import Probe, brief
from twistednet.client.http import Response, authority, readResponse, request
from twistednet.client.streams import Stream
from twistednet.core.text import shown

GREETING = b"Hello World!"

HELLO = Checklist()


async def _get(
    probe: Probe, stream: Stream, path: str = "/", method: str = "GET", *headers: str
) -> Response:
    probe.sent, probe.came = f"{method} {path} {' '.join(headers)}".strip(), ""
    stream.write(request(authority(stream), path, method, headers))
    response = await readResponse(stream, hasBody=method != "HEAD")
    _note(probe, response)
    return response


def _note(probe: Probe, response: Response) -> None:
    probe.came = f"{response.status}, {brief(response.body)}"


async def _raw(probe: Probe, stream: Stream, data: bytes) -> Response:
    probe.sent = f"'{shown(data, 80)}'"
    stream.write(data)
    response = await readResponse(stream)
    _note(probe, response)
    return response


def _status(probe: Probe, response: Response, *right: int) -> None:
    wanted = " or ".join(map(str, right))
    probe.require(response.status in right, f"status {response.status}, not {wanted}")


async def _serves(probe: Probe, stream: Stream) -> None:
    _status(probe, await _get(probe, stream), 200)


@HELLO.check("GET gets the greeting", "wire.md, hello: Hello World!")
async def greeted(probe: Probe) -> None:
    response = await _get(probe, await probe.connect())
    _status(probe, response, 200)
    probe.requireSame(response.body, GREETING)


@HELLO.check("any path gets the greeting", "wire.md, hello")
async def anyPath(probe: Probe) -> None:
    response = await _get(probe, await probe.connect(), "/no/such%20page")
    _status(probe, response, 200)
    probe.requireSame(response.body, GREETING)


@HELLO.check("a name is in the greeting", "wire.md, hello: ?name=Michael")
async def named(probe: Probe) -> None:
    response = await _get(probe, await probe.connect(), "/?name=Michael")
    probe.requireSame(response.body, b"Hello World, Michael!")


@HELLO.check("HTML is escaped", "wire.md, hello; OWASP: cross-site scripting")
async def escaped(probe: Probe) -> None:
    stream = await probe.connect()
    response = await _get(probe, stream, "/?name=%3Cscript%3E", "GET", "Accept: text/html")
    kind = response.headers.get("content-type", "")
    probe.require(
        b"<script>" not in response.body or not kind.startswith("text/html"),
        "the name came back as an HTML tag",
    )


@HELLO.check("HEAD is GET without a body", "RFC 9110, 9.3.2")
async def head(probe: Probe) -> None:
    stream = await probe.connect()
    got = await _get(probe, stream)
    heads = await _get(probe, stream, "/", "HEAD")
    _status(probe, heads, 200)
    same = heads.headers.get("content-length") in (None, got.headers.get("content-length"))
    probe.require(same, "its Content-Length is not that of GET")
    await probe.expectSilence(stream)


@HELLO.check("a connection is kept", "RFC 9112, 9.3: persistence")
async def kept(probe: Probe) -> None:
    stream = await probe.connect()
    for _ in range(3):
        await _serves(probe, stream)


@HELLO.check("pipelined requests", "RFC 9112, 9.3.2")
async def pipelined(probe: Probe) -> None:
    paths = [f"/?name={name}" for name in ("one", "two", "three")]
    # Each alone first, as a server may not know names.
    alone = [(await _get(probe, await probe.connect(), path)).body for path in paths]
    stream = await probe.connect()
    stream.write(b"".join(request(authority(stream), path) for path in paths))
    probe.sent, probe.came = "three requests in one packet", ""
    for body in alone:
        response = await readResponse(stream)
        _note(probe, response)
        _status(probe, response, 200)
        probe.requireSame(response.body, body)


@HELLO.check("one byte at a time", "RFC 9293, 3.8: TCP is a stream")
async def split(probe: Probe) -> None:
    stream = await probe.connect()
    probe.sent = "GET / in writes of one byte"
    for byte in request(authority(stream)):
        stream.write(bytes([byte]))
        await probe.pause()
    _status(probe, await readResponse(stream), 200)


@HELLO.check("Connection: close closes the connection", "RFC 9112, 9.6")
async def closes(probe: Probe) -> None:
    stream = await probe.connect()
    _status(probe, await _get(probe, stream, "/", "GET", "Connection: close"), 200)
    await probe.expectEnd(stream)


@HELLO.check("HTTP/1.0 closes the connection", "RFC 9112, 9.3 and C.2.2")
async def oldVersion(probe: Probe) -> None:
    stream = await probe.connect()
    _status(probe, await _raw(probe, stream, b"GET / HTTP/1.0\r\n\r\n"), 200)
    await probe.expectEnd(stream)


@HELLO.check("half-close is answered", "RFC 9293, 3.6: after our FIN we may still receive")
async def halfClose(probe: Probe) -> None:
    probe.requireHalfClose()
    stream = await probe.connect()
    stream.write(request(authority(stream)))
    stream.finish()
    probe.sent = "GET / and FIN at once"
    _status(probe, await readResponse(stream), 200)


@HELLO.check("POST is refused", "RFC 9110, 15.5.6: 405 with Allow")
async def post(probe: Probe) -> None:
    response = await _get(probe, await probe.connect(), "/", "POST", "Content-Length: 0")
    _status(probe, response, 405)
    probe.require("allow" in response.headers, "no Allow header")


@HELLO.check("an unknown method is refused", "RFC 9110, 9.1: 501")
async def unknownMethod(probe: Probe) -> None:
    _status(probe, await _get(probe, await probe.connect(), "/", "NONSENSE"), 501, 405)


@HELLO.check("a request without Host is refused", "RFC 9112, 3.2: 400")
async def noHost(probe: Probe) -> None:
    _status(probe, await _raw(probe, await probe.connect(), b"GET / HTTP/1.1\r\n\r\n"), 400)


@HELLO.check("a request with two Hosts is refused", "RFC 9112, 3.2: 400")
async def twoHosts(probe: Probe) -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
    _status(probe, await _raw(probe, await probe.connect(), data), 400)


@HELLO.check("garbage is refused", "RFC 9112, 3: 400")
async def garbage(probe: Probe) -> None:
    data = b"this is no request at all\r\n\r\n"
    _status(probe, await _raw(probe, await probe.connect(), data), 400, 505)


@HELLO.check("a huge header is refused", "RFC 6585, 5: 431")
async def hugeHeader(probe: Probe) -> None:
    stream = await probe.connect()
    probe.sent = "a header of 64 KiB"
    stream.write(request(authority(stream), headers=("X: " + "x" * 65536,)))
    response = await readResponse(stream)
    _note(probe, response)
    _status(probe, response, 431, 400)


@HELLO.check("a huge body is refused", "RFC 9110, 15.5.14: 413")
async def hugeBody(probe: Probe) -> None:
    stream = await probe.connect()
    response = await _get(probe, stream, "/", "POST", f"Content-Length: {1 << 40}")
    _status(probe, response, 413, 405, 501)


addConnectionChecks(HELLO, _serves)
