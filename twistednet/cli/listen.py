"""`netdemo listen`: a receiving end in the foreground, until somebody says the word."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from twistednet.cli.process import show
from twistednet.client.errors import BadTarget, CannotConnect
from twistednet.core.text import addressText, shown

#: Bytes at the end of what one peer sent in which the word is looked for.
TAIL = 1024


class Receiver:
    """Shows what arrives, a line each, and fires `over` at the word that ends it."""

    def __init__(self, until: bytes | None) -> None:
        self._until = until
        self.over: Deferred[None] = Deferred()

    def show(self, peer: str, text: str) -> None:
        try:
            show(f"{peer} {text}")
        except OSError:
            # Nobody looks any more.
            if not self.over.called:
                self.over.errback(Failure())

    def arrived(self, peer: str, data: bytes, *messages: bytes) -> None:
        """`messages` are what the word is compared with."""
        self.show(peer, f"sent {len(data)} B: {shown(data, 4096)}")
        if self._until in [message.strip() for message in messages] and not self.over.called:
            self.over.callback(None)


class ReceiverProtocol(Protocol):
    """One connection; the word is a line of its own, or all that was sent at once."""

    transport: Any

    def __init__(self, display: Receiver) -> None:
        self._display = display
        self._line = b""

    def connectionMade(self) -> None:
        self._peer = addressText(self.transport.getPeer())
        self._display.show(self._peer, "connected")

    def dataReceived(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        self._display.arrived(self._peer, data, data, *lines, self._line)
        self._line = self._line[-TAIL:]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._display.show(self._peer, "went offline")


class ReceiverDatagramProtocol(DatagramProtocol):
    """Every datagram; the word is a datagram of its own. Nothing is sent back."""

    noisy = False

    def __init__(self, display: Receiver) -> None:
        self._display = display

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self._display.arrived(addressText(addr), datagram, datagram)


_WHERE = re.compile(r"(tcp|udp):(?:(.*):)?(\d{1,5})")


def parsed(text: str) -> tuple[str, str, int]:
    """tcp:9090, udp:5000 or tcp:ADDRESS:9090 as kind, address, port. Raises BadTarget."""
    match = _WHERE.fullmatch(text)
    if match is None or int(match[3]) > 65535:
        raise BadTarget(f"{shown(text)!r} is no place to listen: it is tcp:PORT or udp:PORT")
    host = (match[2] or "127.0.0.1").removeprefix("interface=").strip("[]")
    return match[1], host, int(match[3])


async def listened(reactor: Any, where: tuple[str, str, int], until: str | None) -> None:
    """Show what arrives. Raises CannotConnect where the port cannot be had."""
    kind, host, port = where
    display = Receiver(None if until is None else until.encode())
    try:
        if kind == "udp":
            listening = reactor.listenUDP(port, ReceiverDatagramProtocol(display), host, 65_536)
        else:
            factory: Any = Factory()
            factory.noisy = False
            factory.buildProtocol = lambda addr: ReceiverProtocol(display)
            listening = reactor.listenTCP(port, factory, interface=host)
    except CannotListenError as error:
        raise CannotConnect(
            f"{kind}:{port} cannot be listened on: {error.socketError}; another port may be free"
        ) from None
    show(f"listening on {kind} {addressText(listening.getHost())}")
    await display.over
    await listening.stopListening()
