"""Where a server is: HOST:PORT as people write it, or a client endpoint string."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.threads import deferToThreadPool

from twistednet.client.errors import BadTarget, CannotConnect, TimedOut
from twistednet.core.text import shown

KINDS = ("tcp", "tls", "unix", "udp")
_EXAMPLE = "as in 127.0.0.1:8888, [::1]:8888, udp:127.0.0.1:5000 or unix:/run/echo.sock"


@dataclass(frozen=True)
class Target:
    """A server's address. `host` is the path of a `unix` one, whose `port` is 0.

    `ipv6` asks for an IPv6 address of a host that has both kinds; `ca` is a PEM file
    of certificates to trust for `tls`, instead of those that the system trusts.
    """

    kind: str
    host: str
    port: int = 0
    ipv6: bool = False
    ca: str | None = None

    @classmethod
    def parse(cls, text: str, kind: str = "tcp") -> Target:
        """HOST:PORT over `kind`, or an endpoint string that says its own. Raises BadTarget."""
        prefix, colon, rest = text.partition(":")
        if colon and prefix in KINDS and not rest.isdecimal():
            kind, text = prefix, rest
        if kind == "unix":
            return cls(kind, _unquoted(text.removeprefix("path=")))
        text = re.sub(r"(^|:)(host|port)=", r"\1", text)
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise BadTarget(f"{shown(text)!r} is no server: it is HOST:PORT, {_EXAMPLE}")
        host = _unquoted(host).removeprefix("[").removesuffix("]")
        return cls(kind, host or "127.0.0.1", int(port))

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{shown(self.host)}"
        host = f"[{self.host}]" if ":" in self.host else shown(self.host)
        prefix = "" if self.kind == "tcp" else f"{self.kind}:"
        return f"{prefix}{host}:{self.port}"

    @property
    def isDatagram(self) -> bool:
        return self.kind == "udp"


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


async def resolved(reactor: Any, target: Target, timeout: float) -> Target:
    """`target` with an IP address for its host. Raises CannotConnect or TimedOut."""
    if target.kind == "unix" or _isAddress(target.host):
        return target
    family = socket.AF_INET6 if target.ipv6 else socket.AF_UNSPEC
    looking = deferToThreadPool(
        reactor, reactor.getThreadPool(), socket.getaddrinfo, target.host, target.port, family
    )
    looking.addTimeout(timeout, reactor, lambda *_: _late(target, timeout))
    try:
        found = await looking
    except OSError as error:
        raise CannotConnect(
            f"{target}: {shown(target.host)} has no {'IPv6 ' * target.ipv6}address "
            f"({error.strerror}): check its name"
        ) from None
    # Loopback services listen on 127.0.0.1 above all: of equals the IPv4 one is first.
    found.sort(key=lambda info: info[0] != socket.AF_INET)
    return replace(target, host=str(found[0][4][0]))


def _late(target: Target, timeout: float) -> None:
    raise TimedOut(f"{target}: no address within {timeout:g} s: give an IP address instead")


def _isAddress(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return True
    return False
