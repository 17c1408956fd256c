"""Listening: opens the ports of endpoints, with our transports."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from typing import Any, Protocol

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorFDSet
from twisted.internet.protocol import AbstractDatagramProtocol
from twisted.python.failure import Failure

from twistednet.transport.certificates import CertificateFactory, servedBy
from twistednet.transport.datagrams import DatagramPort
from twistednet.transport.endpoints import Endpoint
from twistednet.transport.options import setOptions
from twistednet.transport.refusing import acceptQueue
from twistednet.transport.streams import TCPStream, UNIXStream
from twistednet.transport.tls import useHalfClosingTLS


class CannotListen(Exception):
    """A port cannot be opened; the message says why, and what to do."""


class ListeningReactor(Protocol):
    """The methods of a reactor that open stream ports (IReactorTCP, IReactorSocket)."""

    def listenTCP(
        self, port: int, factory: IProtocolFactory, backlog: int, interface: str
    ) -> object:
        """Listen on a TCP port, and return the port."""

    def adoptStreamPort(
        self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory
    ) -> object:
        """Listen on a socket that is open already, and return the port."""


def listenStream(
    reactor: ListeningReactor, endpoint: Endpoint, factory: IProtocolFactory
) -> tcp.Port:
    """Open a port that accepts `TCPStream`s or `UNIXStream`s. Raises CannotListen."""
    arguments = endpoint.arguments
    try:
        if endpoint.kind == "unix":
            unixPort = UNIXPort(
                os.fsencode(arguments["address"]),
                factory,
                int(arguments["backlog"]),
                int(arguments["mode"], 8),
                reactor,
            )
            unixPort.startListening()
            port: object = unixPort
        elif endpoint.kind == "ssl":
            port = reactor.listenTCP(
                int(arguments["port"]),
                CertificateFactory(factory, arguments["privateKey"], arguments["certKey"]),
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
        # These are what the parser of Twisted's endpoint raises for a string that is wrong.
        raise CannotListen(str(error) or type(error).__name__) from error
    if not isinstance(port, tcp.Port):
        raise CannotListen(f"{endpoint.kind}: gives no listening socket")
    useHalfClosingTLS(port.factory)
    if isinstance(port.factory, CertificateFactory):
        servedBy[port] = port.factory
    if isinstance(port, unix.Port):
        port.transport = UNIXStream
    else:
        port.transport = TCPStream  # type: ignore[assignment]
        setOptions(port.socket)
    return port


def listenDatagram(
    reactor: IReactorFDSet, endpoint: Endpoint, protocol: AbstractDatagramProtocol
) -> DatagramPort:
    """Open a UDP port. Raises CannotListen."""
    port = DatagramPort(
        int(endpoint.arguments["port"]), protocol, endpoint.arguments["interface"], reactor
    )
    try:
        port.startListening()
    except CannotListenError as error:
        raise CannotListen(_why(error.socketError, "lunp")) from error
    return port


def _adopted(reactor: ListeningReactor, endpoint: Endpoint, factory: IProtocolFactory) -> object:
    """Listen on a socket that systemd opened; its path and mode stay as they are.

    Twisted's own `listen` would let every user connect to a UNIX socket, and remove its path
    at the end. It would also close the descriptor, so that a connection gets its number, and
    a reload that names the endpoint again would adopt that connection.
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
    # The base class does not remove a name outside the file system.
    port._bindPath = b"\0"
    port.startListening()
    return port


def _fired(deferred: Deferred[IListeningPort]) -> object:
    """Return the result of a listen(), which every endpoint of sockets has at once."""
    results: list[object] = []
    deferred.addBoth(results.append)
    if not results:
        return None
    result = results[0]
    if isinstance(result, Failure):
        result.raiseException()
    return result


def _why(error: object, listing: str) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"address already in use (`ss -{listing}` shows by whom)"
    if number == errno.EACCES:
        return "permission denied (a port under 1024 needs root: see twistd --uid)"
    name = getattr(error, "filename2", None) or getattr(error, "filename", None)
    reason = os.strerror(number).lower() if number else str(error)
    return f"{os.fsdecode(name)}: {reason}" if name else reason


class UNIXPort(unix.Port):
    """A UNIX port that removes its own socket when it closes, and nothing else at its path."""

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
        """Remove the socket of a daemon that has died: a connect to it is refused.

        Twisted's lock file names a process, and after a fork that is the wrong one.
        """
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self._bindPath)
            except ConnectionRefusedError:
                if stat.S_ISSOCK(os.stat(self._bindPath).st_mode):
                    os.unlink(self._bindPath)
            except OSError:
                # Nothing is there, or else bind will fail with a better message.
                pass

    def connectionLost(self, reason: Failure) -> None:
        if self._onDisk() == self._inode:
            # Without root's privileges, which the daemon has dropped, the directory may not be
            # writable.
            with suppress(OSError):
                os.unlink(self._bindPath)
        # The base class does not remove a name outside the file system.
        self._bindPath = b"\0"
        if self.disconnecting:
            # Nobody finds the socket any more: what its queue has now is all that it will have.
            acceptQueue(self)
        super().connectionLost(reason)

    def _onDisk(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._bindPath, follow_symlinks=False)
        except OSError:
            return None
        return found.st_dev, found.st_ino
