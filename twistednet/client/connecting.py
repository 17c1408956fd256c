"""Connecting to a server over TCP, TLS or a UNIX socket, in bounded time."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.error import ConnectError, TimeoutError
from twisted.internet.interfaces import IStreamClientEndpoint

from twistednet.client.errors import CannotConnect, ClientError, TimedOut
from twistednet.client.reactors import Reactor
from twistednet.client.streams import TIMEOUT_SECONDS, Stream
from twistednet.client.targets import Target, resolved
from twistednet.core.text import shown


async def connect(reactor: Reactor, target: Target, timeout: float = TIMEOUT_SECONDS) -> Stream:
    """Return a connection to `target`. Raises CannotConnect or TimedOut."""
    address = await resolved(reactor, target, timeout)
    stream = Stream(reactor, target, timeout)
    try:
        await connectProtocol(endpointOf(reactor, address, target.host, timeout), stream)
    except TimeoutError:
        raise TimedOut(f"{target}: no connection within {timeout:g} s: is it up?") from None
    except (ConnectError, OSError) as error:
        raise CannotConnect(f"{target}: {_reason(error)}: is the server started?") from None
    if target.kind == "tls":
        await _handshake(stream, timeout)
    return stream


def endpointOf(
    reactor: Reactor, address: Target, name: str, timeout: float
) -> IStreamClientEndpoint:
    """Return a client endpoint for a resolved address.

    TLS expects a certificate for the host `name`. Raises ClientError for TLS that cannot be
    set up.
    """
    if address.kind == "unix":
        return UNIXClientEndpoint(reactor, address.host, timeout=timeout)
    kind = TCP6ClientEndpoint if ":" in address.host else TCP4ClientEndpoint
    plain = kind(reactor, address.host, address.port, timeout=timeout)
    return _tls(address, name, plain) if address.kind == "tls" else plain


def _tls(address: Target, name: str, endpoint: IStreamClientEndpoint) -> IStreamClientEndpoint:
    try:
        from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
    except ImportError:
        raise ClientError("TLS needs an extra: pip install 'twistednet[tls]'") from None
    trusted = None
    if address.ca is not None:
        try:
            certificate = Certificate.loadPEM(Path(address.ca).read_bytes())
        except Exception as error:
            raise ClientError(f"{address.ca} is not a certificate in PEM format: {error}") from None
        trusted = trustRootFromCertificates([certificate])
    return wrapClientTLS(optionsForClientTLS(name, trustRoot=trusted), endpoint)


async def _handshake(stream: Stream, timeout: float) -> None:
    """Wait for the end of the handshake: only then is the server's certificate checked."""
    try:
        await stream.handshaken.addTimeout(timeout, stream.reactor)
    except DeferredTimeout:
        stream.abort()
        raise TimedOut(f"{stream.target}: no TLS handshake in {timeout:g} s") from None
    if stream.over:
        reason = stream.lost and stream.lost.getErrorMessage()
        raise CannotConnect(
            f"{stream.target}: no TLS: {shown(reason or 'the server closed the connection')}; "
            "--ca FILE names a certificate to trust"
        )


def _reason(error: Exception) -> str:
    number = getattr(error, "osError", None) or getattr(error, "errno", None)
    return os.strerror(number).lower() if isinstance(number, int) else str(error)
