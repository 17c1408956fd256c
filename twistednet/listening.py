"""Endpoint strings into listening ports, with our defaults: loopback, backlog, mode.

Any Twisted server endpoint string names a stream listener; `udp:PORT` and
`udp:PORT:interface=ADDRESS` are ours (Twisted has none for datagrams). An address
that is not loopback must be named.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass, field
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.endpoints import quoteStringArgument, serverFromString
from twisted.internet.error import CannotListenError
from twisted.python.failure import Failure

from twistednet.core.limits import isLocal
from twistednet.transport.datagrams import DatagramPort
from twistednet.transport.streams import TCPStream, UNIXStream
from twistednet.transport.tls import wrappedInTLS

# The arguments of each kind that we know, in the order in which they may stand
# without a name, and the values that they have here unless they are given.
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
    "unix": {"address": None, "mode": "660", "backlog": "1024", "lockfile": "1"},
    "udp": {"port": None, "interface": "127.0.0.1"},
}

# An IPv6 address as people write it, its colons not escaped.
_BARE_IPV6 = re.compile(r"(?<=interface=)(?:[0-9A-Fa-f]*:)+[0-9A-Fa-f:.]*$")


class BadEndpoint(ValueError):
    """What is wrong with an endpoint string, and what would be right."""


class CannotListen(Exception):
    """Why nothing listens there, in the operating system's words."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint string with our defaults filled in. Raises BadEndpoint.

    `arguments` are those by name, of a kind that we know; any other kind is left
    to Twisted, as it stands in `text`.
    """

    text: str
    kind: str
    arguments: dict[str, str] = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        text = _BARE_IPV6.sub(lambda bare: bare[0].replace(":", "\\:"), text)
        kind, colon, rest = text.partition(":")
        if kind == "haproxy":
            return cls(f"haproxy:{cls.parse(rest).text}", kind, cls.parse(rest).arguments)
        if kind not in _ARGUMENTS:
            if not colon:
                raise BadEndpoint(f"{text!r} is no endpoint: write tcp:{kind or 8888} for a port")
            return cls(text, kind, {})
        arguments = _arguments(kind, rest)
        named = (f"{name}={quoteStringArgument(value)}" for name, value in arguments.items())
        return cls(":".join([kind, *named]), kind, arguments)

    @property
    def isDatagram(self) -> bool:
        return self.kind == "udp"

    @property
    def isIPv6(self) -> bool:
        return ":" in self.arguments.get("interface", "")

    @property
    def isPublic(self) -> bool:
        """Is it open to other machines? Of an inherited socket nobody can tell."""
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
            raise BadEndpoint(f"{kind}: has no {name!r}; it takes {', '.join(known)}")
        given[name] = re.sub(r"\\(.)", r"\1", value)
    for name, default in known.items():
        if default is None and not given.get(name):
            raise BadEndpoint(f"{kind}: needs a {name}, as in {_EXAMPLES[kind]}")
    for name, most in (("port", 65535), ("backlog", 65535)):
        value = given.get(name, "0")
        if not (value.isascii() and value.isdecimal() and int(value) <= most):
            raise BadEndpoint(f"{value!r} is no {name}: it is a number from 0 to {most}")
    if not re.fullmatch("0?[0-7]{3}", given.get("mode", "660")):
        raise BadEndpoint(f"{given['mode']!r} is no mode: it is three octal digits, as in 660")
    return {**{name: default for name, default in known.items() if default is not None}, **given}


_EXAMPLES = {
    "tcp": "tcp:8888",
    "tcp6": "tcp6:8888",
    "ssl": "ssl:8443:privateKey=key.pem:certKey=cert.pem",
    "tls": "tls:/etc/certificates:port=8443",
    "unix": "unix:/run/netdemo/echo.sock",
    "udp": "udp:5000",
}


def listenStream(reactor: Any, endpoint: Endpoint, factory: Any) -> tcp.Port:
    """Listen, and hand the port over with our transport. Raises CannotListen."""
    arguments = endpoint.arguments
    try:
        if endpoint.kind == "unix":
            port: Any = UNIXPort(
                os.fsencode(arguments["address"]),
                factory,
                int(arguments["backlog"]),
                int(arguments["mode"], 8),
                reactor,
                arguments["lockfile"] != "0",
            )
            port.startListening()
        elif endpoint.kind == "ssl":
            port = reactor.listenTCP(
                int(arguments["port"]),
                wrappedInTLS(factory, arguments["privateKey"], arguments["certKey"]),
                int(arguments["backlog"]),
                arguments["interface"],
            )
        elif endpoint.kind == "systemd":
            port = _adopted(reactor, endpoint, factory)
        else:
            port = _fired(serverFromString(reactor, endpoint.text).listen(factory))
    except CannotListenError as error:
        raise CannotListen(_why(error.socketError)) from error
    except (ValueError, TypeError, KeyError, IndexError, OSError, AttributeError) as error:
        raise CannotListen(str(error) or type(error).__name__) from error
    if not isinstance(port, tcp.Port):
        raise CannotListen(f"{endpoint.kind}: gives no listening socket")
    port.transport = UNIXStream if isinstance(port, unix.Port) else TCPStream
    return port


def listenDatagram(reactor: Any, endpoint: Endpoint, protocol: Any) -> DatagramPort:
    """Listen for datagrams. Raises CannotListen."""
    port = DatagramPort(
        int(endpoint.arguments["port"]), protocol, endpoint.arguments["interface"], reactor
    )
    try:
        port.startListening()
    except CannotListenError as error:
        raise CannotListen(_why(error.socketError)) from error
    return port


def _adopted(reactor: Any, endpoint: Endpoint, factory: Any) -> Any:
    """Listen on a socket that systemd made, and whose path and mode are systemd's.

    Twisted's own `listen` would open a UNIX socket to everybody and remove its path
    at the end, and would close the descriptor, whose number a client's connection
    then gets: a reload that names the endpoint anew would adopt that.
    """
    try:
        made: Any = serverFromString(reactor, endpoint.text)
    except (KeyError, IndexError):
        raise CannotListen(
            "systemd handed over no such socket (systemd-socket-activate needs --fdname)"
        ) from None
    with socket.socket(fileno=os.dup(made.fileno)) as handedOver:
        if handedOver.family != made.addressFamily:
            raise CannotListen(f"that socket has domain={handedOver.family.name[3:]}")
        handedOver.setblocking(False)
    if made.addressFamily != socket.AF_UNIX:
        return reactor.adoptStreamPort(made.fileno, made.addressFamily, factory)
    port: Any = unix.Port._fromListeningDescriptor(reactor, made.fileno, factory)
    port.backlog = 1024
    # A name outside the file system: the base class leaves the path alone.
    port._bindPath = b"\0"
    port.startListening()
    return port


def _fired(deferred: Any) -> Any:
    """The result of a listen(), which every endpoint of sockets has at once."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    if not results:
        return None
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def _why(error: Any) -> str:
    return os.strerror(error.errno).lower() if getattr(error, "errno", None) else str(error)


class UNIXPort(unix.Port):
    """A UNIX port that removes its socket when it closes, and nobody else's."""

    _inode: tuple[int, int] | None = None

    def startListening(self) -> None:
        before = os.umask(0o777 & ~self.mode)
        try:
            super().startListening()
        finally:
            os.umask(before)
        self._inode = self._onDisk()

    def connectionLost(self, reason: Any) -> None:
        if self._onDisk() != self._inode:
            # Somebody put something else there. A name outside the file system
            # makes the base class leave the path alone.
            self._bindPath = b"\0"
        try:
            super().connectionLost(reason)
        except OSError:
            # The folder may no longer be ours to write to, once privileges are shed.
            tcp.Port.connectionLost(self, reason)

    def _onDisk(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._bindPath, follow_symlinks=False)
        except OSError:
            return None
        return found.st_dev, found.st_ino
