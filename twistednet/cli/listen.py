"""`netdemo listen`: a server in the foreground that displays what arrives."""

from __future__ import annotations

import re

import click
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, ITransport
from twisted.internet.protocol import DatagramProtocol, Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

from twistednet.cli.run import run
from twistednet.cli.stdio import show
from twistednet.client.errors import BadTarget, CannotConnect
from twistednet.client.reactors import Reactor
from twistednet.core.text import addressText, shown

#: Bytes of an unfinished line that are kept to compare them with the word.
MAX_LINE_BYTES = 1024
#: Bytes of one chunk that are displayed.
MAX_SHOWN_BYTES = 4096
MAX_DATAGRAM_BYTES = 65_536


@click.command()
@click.argument("where")
@click.option("--until", metavar="WORD", help="Stop when a client sends WORD.")
def listen(where: str, until: str | None) -> None:
    """Display what arrives at WHERE, and send nothing back.

    WHERE is tcp:PORT or udp:PORT, on loopback, or with an address: tcp:0.0.0.0:9090.
    """
    try:
        place = parsed(where)
    except BadTarget as error:
        raise click.UsageError(str(error)) from None
    run(lambda reactor: listened(reactor, place, until))


class ListenDisplay:
    """Displays what arrives, one line for each chunk. `over` fires at the word that ends it."""

    def __init__(self, until: bytes | None) -> None:
        self._until = until
        self.over: Deferred[None] = Deferred()

    def show(self, peer: str, text: str) -> None:
        """Display a line about a peer."""
        try:
            show(f"{peer} {text}")
        except OSError:
            # Standard output is closed.
            if not self.over.called:
                self.over.errback(Failure())

    def arrived(self, peer: str, data: bytes, *messages: bytes) -> None:
        """Display a chunk, and compare the messages in it with the word."""
        self.show(peer, f"sent {len(data)} B: {shown(data, MAX_SHOWN_BYTES)}")
        if self._until in [message.strip() for message in messages] and not self.over.called:
            self.over.callback(None)


class ReceiverProtocol(Protocol):
    """One connection. The word is a line of its own, or everything that was sent at once."""

    transport: ITransport

    def __init__(self, display: ListenDisplay) -> None:
        self._display = display
        self._line = b""

    def connectionMade(self) -> None:
        self._peer = addressText(self.transport.getPeer())
        self._display.show(self._peer, "connected")

    def dataReceived(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        self._display.arrived(self._peer, data, data, *lines, self._line)
        self._line = self._line[-MAX_LINE_BYTES:]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._display.show(self._peer, "went offline")


class ReceiverFactory(ServerFactory):
    """Makes a protocol for each connection."""

    noisy = False

    def __init__(self, display: ListenDisplay) -> None:
        self._display = display

    def buildProtocol(self, addr: IAddress | None) -> ReceiverProtocol:
        return ReceiverProtocol(self._display)


class ReceiverDatagramProtocol(DatagramProtocol):
    """A UDP port. The word is a datagram of its own."""

    noisy = False

    def __init__(self, display: ListenDisplay) -> None:
        self._display = display

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self._display.arrived(addressText(addr), datagram, datagram)


_WHERE = re.compile(r"(tcp|udp):(?:(.*):)?(\d{1,5})")


def parsed(text: str) -> tuple[str, str, int]:
    """Return tcp:9090, udp:5000 or tcp:ADDRESS:9090 as kind, address, port. Raises BadTarget."""
    match = _WHERE.fullmatch(text)
    if match is None or int(match[3]) > 65535:
        raise BadTarget(f"cannot listen at {shown(text)!r}: write tcp:PORT or udp:PORT")
    host = (match[2] or "127.0.0.1").removeprefix("interface=").strip("[]")
    return match[1], host, int(match[3])


async def listened(reactor: Reactor, where: tuple[str, str, int], until: str | None) -> None:
    """Display what arrives until the word comes. Raises CannotConnect if the port is taken."""
    display = ListenDisplay(None if until is None else until.encode())
    port = _open(reactor, where, display)
    show(f"listening on {where[0]} {addressText(port.getHost())}")
    await display.over
    await maybeDeferred(port.stopListening)


def _open(reactor: Reactor, where: tuple[str, str, int], display: ListenDisplay) -> IListeningPort:
    kind, host, port = where
    try:
        if kind == "udp":
            protocol = ReceiverDatagramProtocol(display)
            return reactor.listenUDP(port, protocol, host, MAX_DATAGRAM_BYTES)
        return reactor.listenTCP(port, ReceiverFactory(display), interface=host)
    except CannotListenError as error:
        raise CannotConnect(
            f"cannot listen on {kind}:{port}: {error.socketError}; try another port"
        ) from None
