"""A UDP socket that a coroutine sends and receives with."""

from __future__ import annotations

from collections import deque
from typing import cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import MessageLengthError
from twisted.internet.interfaces import IUDPTransport
from twisted.internet.protocol import DatagramProtocol

from twistednet.client.errors import CannotConnect, ClientError, TimedOut
from twistednet.client.reactors import Reactor
from twistednet.client.streams import TIMEOUT_SECONDS
from twistednet.client.targets import Target, resolved

#: Received datagrams that are kept until they are read; older ones are dropped.
MAX_UNREAD_DATAGRAMS = 1_000
#: The largest payload of UDP over IPv4 (RFC 768: 65,535 less both headers).
MAX_PAYLOAD_BYTES = 65_507
#: The size of the receive buffer, which any datagram fits in.
BUFFER_BYTES = 65_536


class Datagrams(DatagramProtocol):
    """A UDP socket to talk to one server. Make it with `openDatagrams`.

    It receives from every sender, as a connected socket would hide a reply from the wrong
    port. Only a connected socket learns that a port is closed, and `refused` is true then.
    """

    noisy = False
    port: IUDPTransport
    transport: IUDPTransport

    def __init__(self, reactor: Reactor, target: Target, address: str, timeout: float) -> None:
        self.target = target
        self.timeout = timeout
        self.refused = False
        self._reactor = reactor
        self._address = (address, target.port)
        self._unread: deque[tuple[bytes, tuple[str, int]]] = deque(maxlen=MAX_UNREAD_DATAGRAMS)
        self._reading: Deferred[None] | None = None

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self._unread.append((datagram, addr[:2]))
        self._wakeReader()

    def connectionRefused(self) -> None:
        self.refused = True
        self._wakeReader()

    # After an error an epoll reactor closes the port, and calls nothing else.
    stopProtocol = connectionRefused

    def _wakeReader(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.callback(None)

    def send(self, data: bytes) -> None:
        """Send a datagram. Raises ClientError for one that is too long, CannotConnect."""
        if self.refused:
            raise self._refusal()
        try:
            self.transport.write(data, self._address)
        except (OSError, MessageLengthError) as error:
            raise ClientError(f"cannot send {len(data)} bytes as one datagram: {error}") from None

    async def receive(self, timeout: float | None = None) -> tuple[bytes, tuple[str, int]]:
        """Return the next datagram and its sender. Raises TimedOut or CannotConnect."""
        seconds = self.timeout if timeout is None else timeout
        if not self._unread and not self.refused:
            reading = self._reading = Deferred()
            reading.addTimeout(seconds, self._reactor, lambda *_: self._timedOut(seconds))
            await reading
        if self._unread:
            return self._unread.popleft()
        raise self._refusal()

    def _refusal(self) -> CannotConnect:
        return CannotConnect(f"{self.target}: connection refused: is the server started?")

    def _timedOut(self, seconds: float) -> None:
        self._reading = None
        raise TimedOut(
            f"{self.target}: no reply within {seconds:g} s: it was lost, or nothing listens there"
        )

    async def close(self) -> None:
        """Close the socket."""
        await maybeDeferred(self.port.stopListening)


async def openDatagrams(
    reactor: Reactor, target: Target, timeout: float = TIMEOUT_SECONDS, refusals: bool = True
) -> Datagrams:
    """Return a socket on a port that the system chooses. Raises CannotConnect or TimedOut.

    With `refusals` the socket is connected: see `Datagrams`.
    """
    address = await resolved(reactor, target, timeout)
    datagrams = Datagrams(reactor, target, address.host, timeout)
    interface = "::" if ":" in address.host else ""
    port = reactor.listenUDP(0, datagrams, interface, maxPacketSize=BUFFER_BYTES)
    datagrams.port = cast(IUDPTransport, port)
    if refusals:
        datagrams.port.connect(address.host, target.port)
    return datagrams
