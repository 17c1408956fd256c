"""Endpoint strings, which say where a service listens, with our defaults.

Every server endpoint string of Twisted names a stream port. `udp:PORT` and
`udp:PORT:interface=ADDRESS` are ours, because Twisted has none for datagrams. The default
address is loopback.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from twisted.internet.endpoints import quoteStringArgument

from twistednet.core.limits import isLocal
from twistednet.core.text import quoted

# The arguments of each kind, in the order in which they can be written without a name, with
# their default values; None for an argument that is needed.
_ARGUMENTS: dict[str, dict[str, str | None]] = {
    "tcp": {"port": None, "interface": "127.0.0.1", "backlog": "1024"},
    "tcp6": {"port": None, "backlog": "1024", "interface": "::1"},
    "ssl": {
        "port": None,
        "privateKey": "server.pem",
        "certKey": "",
        "interface": "127.0.0.1",
        "backlog": "1024",
    },
    "tls": {"path": None, "port": "443", "backlog": "1024", "interface": "::1"},
    # Twisted's strings can have a lockfile. `UNIXPort` finds a stale socket without one.
    "unix": {"address": None, "mode": "660", "backlog": "1024", "lockfile": "0"},
    "udp": {"port": None, "interface": "127.0.0.1"},
}

_CERTIFICATE = ("privateKey", "certKey")

# An IPv6 address whose colons are not escaped.
_BARE_IPV6 = re.compile(r"(?<=interface=)(?:[0-9A-Fa-f]*:)+[0-9A-Fa-f:.]*$")


class BadEndpoint(ValueError):
    """An endpoint string is wrong; the message says why, and what to write."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint string with our defaults filled in. Raises BadEndpoint.

    `arguments` has the arguments by name. It is empty for a kind that is not in this module:
    Twisted parses `text`.
    """

    text: str
    kind: str
    arguments: dict[str, str] = field(compare=False)
    #: The string as it was written, for messages.
    given: str = field(compare=False)

    @classmethod
    def parse(cls, given: str, folder: str = "") -> Endpoint:
        """Parse an endpoint string. A UNIX socket's path is relative to `folder`."""
        text = _BARE_IPV6.sub(lambda bare: bare[0].replace(":", "\\:"), given)
        kind, colon, rest = text.partition(":")
        if kind == "haproxy":
            behind = cls.parse(rest, folder)
            return cls(f"haproxy:{behind.text}", kind, behind.arguments, given)
        if kind not in _ARGUMENTS:
            if not colon:
                raise BadEndpoint(
                    f"{quoted(text)} is not an endpoint: write tcp:PORT, unix:PATH or udp:PORT"
                )
            return cls(text, kind, {}, given)
        arguments = _arguments(kind, rest)
        if kind == "unix":
            arguments["address"] = os.path.join(folder, arguments["address"])
        named = (f"{name}={quoteStringArgument(value)}" for name, value in arguments.items())
        return cls(":".join([kind, *named]), kind, arguments, given)

    @property
    def socket(self) -> tuple[str, ...]:
        """A key that is the same for all strings that name the same socket."""
        if self.kind == "unix":
            return "unix", os.path.abspath(self.arguments["address"])
        if self.arguments:
            family = "udp" if self.isDatagram else "tcp"
            return family, self.arguments["interface"], str(int(self.arguments["port"]))
        return (self.text,)

    @property
    def fixed(self) -> tuple[str, ...]:
        """What cannot change while the socket is open: all but the certificate of `ssl:`."""
        if self.kind != "ssl":
            return (self.text,)
        fixed = (value for name, value in self.arguments.items() if name not in _CERTIFICATE)
        return self.kind, *fixed

    @property
    def isDatagram(self) -> bool:
        return self.kind == "udp"

    @property
    def isIPv6(self) -> bool:
        return ":" in self.arguments.get("interface", "")

    @property
    def isPublic(self) -> bool:
        """True if other machines can connect; False if it is not known, as of a systemd socket."""
        return not isLocal(self.arguments.get("interface"))


def _arguments(kind: str, rest: str) -> dict[str, str]:
    known = _ARGUMENTS[kind]
    given: dict[str, str] = {}
    for place, argument in enumerate(re.split(r"(?<!\\):", rest) if rest else ()):
        name, equals, value = argument.partition("=")
        if not equals:
            if place >= len(known):
                raise BadEndpoint(f"{kind}: takes {', '.join(known)}, and nothing after them")
            name, value = list(known)[place], argument
        if name not in known:
            raise BadEndpoint(f"{kind}: has no {quoted(name)}; it takes {', '.join(known)}")
        given[name] = re.sub(r"\\(.)", r"\1", value)
    for name, default in known.items():
        if default is None and not given.get(name):
            raise BadEndpoint(f"{kind}: needs a {name}, as in {_EXAMPLES[kind]}")
    for name in ("port", "backlog"):
        value = given.get(name, "0")
        if not (re.fullmatch("0{0,9}[0-9]{1,5}", value) and int(value[-5:]) <= 65535):
            raise BadEndpoint(f"{quoted(value)} is not a {name}: write a number from 0 to 65535")
    if not re.fullmatch("0?[0-7]{3}", given.get("mode", "660")):
        raise BadEndpoint(f"{given['mode']!r} is not a mode: write three octal digits, as in 660")
    return {**{name: default for name, default in known.items() if default is not None}, **given}


_EXAMPLES = {
    "tcp": "tcp:8888",
    "tcp6": "tcp6:8888",
    "ssl": "ssl:8443:privateKey=key.pem:certKey=cert.pem",
    "tls": "tls:/etc/certificates:port=8443",
    "unix": "unix:/run/netdemo/echo.sock",
    "udp": "udp:5000",
}
