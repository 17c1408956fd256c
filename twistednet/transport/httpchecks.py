"""What an HTTP request must satisfy beyond what twisted.web checks (RFC 9112, section 3)."""

from __future__ import annotations

import re
from collections.abc import Sequence

# reg-name, IP-literal or IPv4address, and a port (RFC 9110, 7.2; RFC 3986, 3.2.2).
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+,;=%]*)(:[0-9]*)?")
_VERSION = re.compile(rb"HTTP/([0-9])\.([0-9])")
# origin-form, absolute-form (RFC 9112, sections 3.2.1 and 3.2.2).
_TARGET = re.compile(rb"/|[A-Za-z][A-Za-z0-9+.\-]*://")
# tchar (RFC 9110, section 5.6.2), which a method begins with; CR and LF may come before it.
_BEGIN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z\r\n]")


class BadRequest(Exception):
    """A request that is refused with `status`; the text says why, `cause` which part it is."""

    def __init__(self, status: int, why: str, cause: str = "request") -> None:
        super().__init__(why)
        self.status = status
        self.cause = cause


def checkedLine(line: bytes) -> bytes:
    """Return the line, with HTTP/1.1 for a later version of HTTP/1 (RFC 9110, section 2.5).

    Raises BadRequest for another major version, and for a target that the method does not
    have. What else may be wrong, twisted.web finds.
    """
    if line.endswith((b" HTTP/1.1", b" HTTP/1.0")) and line.startswith((b"GET /", b"HEAD /")):
        return line
    head, _, version = line.rpartition(b" ")
    found = _VERSION.fullmatch(version)
    if found is None:
        return line
    if found[1] != b"1":
        raise BadRequest(505, "this server speaks HTTP/1.1")
    method, _, target = head.partition(b" ")
    isSpecial = method == b"CONNECT" or (method, target) == (b"OPTIONS", b"*")
    if not (isSpecial or _TARGET.match(target)):
        raise BadRequest(400, "a request target begins with a slash, as in GET /path HTTP/1.1")
    return head + (b" HTTP/1.0" if found[2] == b"0" else b" HTTP/1.1")


def checkBegun(begun: bytes, isFirst: bool) -> None:
    """Raise BadRequest if this, which has no CR LF, cannot become a line of a header.

    `isFirst` is true for the first line of a request.
    """
    if isFirst and begun.startswith(b"\x16\x03"):
        # The record header of a ClientHello (RFC 8446, section 5.1).
        raise BadRequest(400, "this is TLS, and the port speaks plain HTTP")
    if isFirst and not _BEGIN.match(begun):
        raise BadRequest(400, "this is not an HTTP/1.1 request")
    if b"\n" in begun.lstrip(b"\r\n"):
        raise BadRequest(400, "a line must end with CR LF, and there is a bare LF")


def checkHosts(hosts: Sequence[bytes], version: bytes) -> None:
    """Raise BadRequest unless there is one valid Host, or in HTTP/1.0 none."""
    if (not hosts and version == b"HTTP/1.1") or len(hosts) > 1:
        raise BadRequest(400, f"one Host header is needed, and there are {len(hosts)}", "Host")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise BadRequest(400, "the Host header is not a host", "Host")
