"""Addresses of servers: HOST:PORT as people write it, or a client endpoint string."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, replace

from twisted.internet.threads import deferToThreadPool

from twistednet.client.errors import BadTarget, CannotConnect, TimedOut
from twistednet.client.reactors import Reactor
from twistednet.core.text import shown

KINDS = ("tcp", "tls", "unix", "udp")
_EXAMPLES = "as in 127.0.0.1:8888, [::1]:8888, udp:127.0.0.1:5000 or unix:/run/echo.sock"


@dataclass(frozen=True)
class Target:
    """A server's address. `kind` is tcp, tls, unix or udp.

    For `unix`, `host` is the path and `port` is 0. `ipv6` selects an IPv6 address of a host
    that has both kinds; `ca` is a PEM file of certificates to trust for `tls`, instead of
    those that the system trusts.
    """

    kind: str
    host: str
    port: int = 0
    ipv6: bool = False
    ca: str | None = None

    @classmethod
    def parse(cls, text: str, kind: str = "tcp") -> Target:
        """Return the target of HOST:PORT over `kind`, or of an endpoint string with its own kind.

        Raises BadTarget.
        """
        prefix, colon, rest = text.partition(":")
        if colon and prefix in KINDS and not rest.isdecimal():
            kind, text = prefix, rest
        if kind == "unix":
            return cls(kind, _unquoted(text.removeprefix("path=")))
        text = re.sub(r"(^|:)(host|port)=", r"\1", text)
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise BadTarget(f"{shown(text)!r} is not a server: write HOST:PORT, {_EXAMPLES}")
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
        """True if the server is reached over UDP."""
        return self.kind == "udp"


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


async def resolved(reactor: Reactor, target: Target, timeout: float) -> Target:
    """Return `target` with an IP address for its host. Raises CannotConnect or TimedOut."""
    if target.kind == "unix" or _isAddress(target.host):
        return target
    family = socket.AF_INET6 if target.ipv6 else socket.AF_UNSPEC
    lookup = deferToThreadPool(
        reactor, reactor.getThreadPool(), socket.getaddrinfo, target.host, target.port, family
    )
    lookup.addTimeout(timeout, reactor, lambda *_: _timedOut(target, timeout))
    try:
        found = await lookup
    except OSError as error:
        raise CannotConnect(
            f"{target}: {shown(target.host)} has no {'IPv6 ' * target.ipv6}address "
            f"({error.strerror}): check its name"
        ) from None
    # Prefer IPv4: a service on loopback often listens on 127.0.0.1 only.
    found.sort(key=lambda info: info[0] != socket.AF_INET)
    return replace(target, host=str(found[0][4][0]))


def _timedOut(target: Target, timeout: float) -> None:
    raise TimedOut(f"{target}: no address within {timeout:g} s: give an IP address instead")


def _isAddress(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return True
    return False
