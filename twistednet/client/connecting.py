"""Getting connected: TCP, TLS or a UNIX socket, in bounded time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.error import ConnectError, TimeoutError

from twistednet.client.errors import CannotConnect, ClientError, TimedOut
from twistednet.client.streams import TIMEOUT, Stream
from twistednet.client.targets import Target, resolved
from twistednet.core.text import shown


async def connect(reactor: Any, target: Target, timeout: float = TIMEOUT) -> Stream:
    """A connection to `target`. Raises CannotConnect or TimedOut."""
    address = await resolved(reactor, target, timeout)
    stream = Stream(reactor, target, timeout)
    try:
        await connectProtocol(endpointOf(reactor, address, target.host, timeout), stream)
    except TimeoutError:
        raise TimedOut(f"{target}: no connection within {timeout:g} s: is it up?") from None
    except (ConnectError, OSError) as error:
        raise CannotConnect(f"{target}: {_why(error)}: is the server started?") from None
    if target.kind == "tls":
        await _handshake(stream, timeout)
    return stream


def endpointOf(reactor: Any, address: Target, name: str, timeout: float) -> Any:
    """A client endpoint for an address that is resolved; `name` is whom TLS expects."""
    if address.kind == "unix":
        return UNIXClientEndpoint(reactor, address.host, timeout=timeout)
    of = TCP6ClientEndpoint if ":" in address.host else TCP4ClientEndpoint
    plain = of(reactor, address.host, address.port, timeout=timeout)
    return _tls(address, name, plain) if address.kind == "tls" else plain


def _tls(address: Target, name: str, endpoint: Any) -> Any:
    try:
        from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
    except ImportError:
        raise ClientError("TLS needs an extra: pip install 'twistednet[tls]'") from None
    trusted = None
    if address.ca is not None:
        try:
            certificate = Certificate.loadPEM(Path(address.ca).read_bytes())
        except Exception as error:
            raise ClientError(f"{address.ca} holds no certificate in PEM format: {error}") from None
        trusted = trustRootFromCertificates([certificate])
    return wrapClientTLS(optionsForClientTLS(name, trustRoot=trusted), endpoint)


async def _handshake(stream: Stream, timeout: float) -> None:
    """Wait for it: until then nobody knows whom we talk to."""
    try:
        await stream.handshaken.addTimeout(timeout, stream.reactor)
    except DeferredTimeout:
        stream.transport.abortConnection()
        raise TimedOut(f"{stream.target}: no TLS handshake in {timeout:g} s") from None
    if stream.over:
        why = stream.lost and stream.lost.getErrorMessage()
        raise CannotConnect(
            f"{stream.target}: no TLS: {shown(why or 'the server hung up')}; "
            "--ca FILE names a certificate to trust"
        )


def _why(error: Any) -> str:
    number = getattr(error, "osError", None) or getattr(error, "errno", None)
    return os.strerror(number).lower() if isinstance(number, int) else str(error)
