"""Datagrams that a coroutine sends and waits for."""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import MessageLengthError
from twisted.internet.protocol import DatagramProtocol

from twistednet.client.errors import CannotConnect, ClientError, TimedOut
from twistednet.client.streams import TIMEOUT
from twistednet.client.targets import Target, resolved

#: Replies kept for whoever reads them; later ones are dropped, as a socket would.
MOST_WAITING = 1_000
#: The largest payload of UDP over IPv4 (RFC 768: 65,535 less both headers).
LARGEST = 65_507


class Datagrams(DatagramProtocol):
    """A UDP socket for one server, and what came back to it, with the senders.

    It hears everybody (`connected` UDP would hide a reply from the wrong port),
    unless `refusals` are to be learned, which only connected UDP tells.
    """

    noisy = False
    port: Any
    transport: Any

    def __init__(self, reactor: Any, target: Target, address: str, timeout: float) -> None:
        self.target = target
        self.timeout = timeout
        self.refused = False
        self._reactor = reactor
        self._address = (address, target.port)
        self._arrived: deque[tuple[bytes, tuple[str, int]]] = deque(maxlen=MOST_WAITING)
        self._waiting: Deferred[None] | None = None

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self._arrived.append((datagram, addr[:2]))
        self._wake()

    def connectionRefused(self) -> None:
        self.refused = True
        self._wake()

    # An error makes an epoll reactor close the port, with no word to the protocol.
    stopProtocol = connectionRefused

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def send(self, data: bytes) -> None:
        """Raises ClientError for one that is too long to be a datagram."""
        if self.refused:
            raise self._refusal()
        try:
            self.transport.write(data, self._address)
        except (OSError, MessageLengthError) as error:
            raise ClientError(f"{len(data)} bytes do not go as one datagram: {error}") from None

    async def receive(self, timeout: float | None = None) -> tuple[bytes, tuple[str, int]]:
        """The next datagram and its sender. Raises TimedOut or CannotConnect."""
        seconds = self.timeout if timeout is None else timeout
        if not self._arrived and not self.refused:
            waiting = self._waiting = Deferred()
            waiting.addTimeout(seconds, self._reactor, lambda *_: self._late(seconds))
            await waiting
        if self._arrived:
            return self._arrived.popleft()
        raise self._refusal()

    def _refusal(self) -> CannotConnect:
        return CannotConnect(f"{self.target}: connection refused: is the server started?")

    def _late(self, seconds: float) -> None:
        self._waiting = None
        raise TimedOut(f"{self.target}: no reply within {seconds:g} s: lost, or none listens")

    async def close(self) -> None:
        await maybeDeferred(self.port.stopListening)


async def openDatagrams(
    reactor: Any, target: Target, timeout: float = TIMEOUT, refusals: bool = True
) -> Datagrams:
    """A socket of its own, on a port that the system chooses. Raises CannotConnect."""
    address = await resolved(reactor, target, timeout)
    datagrams = Datagrams(reactor, target, address.host, timeout)
    interface = "::" if ":" in address.host else ""
    datagrams.port = reactor.listenUDP(0, datagrams, interface, maxPacketSize=65_536)
    if refusals:
        datagrams.port.connect(address.host, target.port)
    return datagrams
