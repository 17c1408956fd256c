"""Load over datagrams: each socket sends one, which may get lost, and awaits the reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter_ns

from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IListeningPort, IUDPTransport
from twisted.internet.protocol import DatagramProtocol

from twistednet.client.errors import ClientError
from twistednet.client.targets import resolved
from twistednet.load.pacing import Sender
from twistednet.load.run import LoadRun

#: Seconds without a reply after which a datagram counts as lost.
LOST_AFTER_SECONDS = 1.0
MAX_DATAGRAM_BYTES = 65_536

#: Returns the datagram with a number, and the right reply to it.
DatagramExchange = Callable[[int], tuple[bytes, bytes]]


class DatagramLoad(Sender, DatagramProtocol):
    """One socket. A reply to a datagram that was given up is late."""

    noisy = False
    transport: IUDPTransport

    def __init__(self, run: LoadRun, address: tuple[str, int], exchange: DatagramExchange) -> None:
        super().__init__(run.reactor, run.schedule)
        self._tally = run.tally
        self._address = address
        self._exchange = exchange
        self._number = 0
        self._expected = b""
        self._abandoned: set[bytes] = set()

    def send(self) -> None:
        self._number += 1
        datagram, self._expected = self._exchange(self._number)
        self._tally.sent += 1
        try:
            self.transport.write(datagram, self._address)
        except OSError as error:
            self._tally.errors[(error.strerror or "not sent").lower()] += 1

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        now = perf_counter_ns()
        if datagram == self._expected and self.waiting:
            self._tally.answer(now - self.since)
            self.next(now)
        elif datagram in self._abandoned:
            self._abandoned.remove(datagram)
            self._tally.late += 1
        else:
            self._tally.errors["twice" if datagram == self._expected else "wrong answer"] += 1

    def connectionRefused(self) -> None:
        self._tally.errors["connection refused"] += 1

    def stopProtocol(self) -> None:
        self.end()

    def giveUp(self, now: int) -> None:
        """Go on with the next datagram if this one has waited for too long."""
        if self.waiting and now - self.since > LOST_AFTER_SECONDS * 1e9:
            self._abandoned.add(self._expected)
            self.next(now)


class DatagramLoads:
    """All sockets of a run."""

    def __init__(self, sockets: list[DatagramLoad], ports: list[IListeningPort]) -> None:
        self.patience = LOST_AFTER_SECONDS
        self._sockets = sockets
        self._ports = ports

    def senders(self) -> Sequence[Sender]:
        return self._sockets

    async def close(self) -> None:
        for port in self._ports:
            await maybeDeferred(port.stopListening)


async def openDatagrams(run: LoadRun, exchange: DatagramExchange) -> DatagramLoads:
    """Return the sockets of a run. Raises ClientError if there are too many."""
    found = await resolved(run.reactor, run.target, run.timeout)
    interface = "::" if ":" in found.host else ""
    count = run.tally.connections
    sockets = [DatagramLoad(run, (found.host, found.port), exchange) for _ in range(count)]
    try:
        ports = [
            run.reactor.listenUDP(0, socket, interface, MAX_DATAGRAM_BYTES) for socket in sockets
        ]
    except OSError as error:
        raise ClientError(f"cannot open {count} sockets: {error}") from None
    return DatagramLoads(sockets, ports)
