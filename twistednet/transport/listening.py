"""Endpoints into listening ports, with our transports."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.python.failure import Failure

from twistednet.transport.datagrams import DatagramPort
from twistednet.transport.endpoints import Endpoint
from twistednet.transport.options import setOptions
from twistednet.transport.streams import TCPStream, UNIXStream
from twistednet.transport.tls import useHalfClosingTLS, wrappedInTLS


class CannotListen(Exception):
    """Why nothing listens there, and what to do about it."""


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
        listing = "lxnp" if endpoint.kind == "unix" else "ltnp"
        raise CannotListen(_why(error.socketError, listing)) from error
    except OSError as error:
        raise CannotListen(_why(error, "ltnp")) from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        # What an endpoint's own parser makes of a string that it does not like.
        raise CannotListen(str(error) or type(error).__name__) from error
    if not isinstance(port, tcp.Port):
        raise CannotListen(f"{endpoint.kind}: gives no listening socket")
    useHalfClosingTLS(port.factory)
    if isinstance(port, unix.Port):
        port.transport = UNIXStream
    else:
        port.transport = TCPStream  # type: ignore[assignment]
        setOptions(port.socket)
    return port


def listenDatagram(reactor: Any, endpoint: Endpoint, protocol: Any) -> DatagramPort:
    """Listen for datagrams. Raises CannotListen."""
    port = DatagramPort(
        int(endpoint.arguments["port"]), protocol, endpoint.arguments["interface"], reactor
    )
    try:
        port.startListening()
    except CannotListenError as error:
        raise CannotListen(_why(error.socketError, "lunp")) from error
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


def _why(error: Any, listing: str) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"address already in use (`ss -{listing}` shows by whom)"
    if number == errno.EACCES:
        return "permission denied (a port under 1024 needs root: see twistd --uid)"
    name = getattr(error, "filename2", None) or getattr(error, "filename", None)
    reason = os.strerror(number).lower() if number else str(error)
    return f"{os.fsdecode(name)}: {reason}" if name else reason


class UNIXPort(unix.Port):
    """A UNIX port that removes its socket when it closes, and nobody else's."""

    _inode: tuple[int, int] | None = None

    def startListening(self) -> None:
        self._removeStale()
        before = os.umask(0o777 & ~self.mode)
        try:
            super().startListening()
        finally:
            os.umask(before)
        self._inode = self._onDisk()

    def _removeStale(self) -> None:
        """Remove the socket of a daemon that is no more: nobody listens on it.

        Twisted's way, a lock that names a process, names the wrong one after a fork.
        """
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self._bindPath)
            except ConnectionRefusedError:
                if stat.S_ISSOCK(os.stat(self._bindPath).st_mode):
                    os.unlink(self._bindPath)
            except OSError:
                # Nothing is there, or nothing that bind would not speak of better.
                pass

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
