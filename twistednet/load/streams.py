"""Load over connections: each sends a request, awaits the answer, and sends the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from socket import socket
from time import perf_counter_ns
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from twistednet.client.connecting import connect, endpointOf
from twistednet.client.errors import CannotConnect
from twistednet.client.streams import StreamTransport
from twistednet.client.targets import Target, resolved
from twistednet.load.pacing import Sender
from twistednet.load.run import LoadRun
from twistednet.load.traffic import Exchange

#: Seconds after which a lost connection is made again.
RECONNECT_SECONDS = 0.1


class StreamLoad(Sender, Protocol):
    """One connection, with one request in flight. `lost` is called at its end."""

    transport: StreamTransport

    def __init__(
        self, run: LoadRun, exchange: Exchange, lost: Callable[[StreamLoad], None]
    ) -> None:
        super().__init__(run.reactor, run.schedule)
        self._tally = run.tally
        self._isTLS = run.target.kind == "tls"
        self._request = exchange.request
        self._judge = exchange.judge
        self._lost = lost
        self._came = b""
        self._socket: socket | None = None

    def connectionMade(self) -> None:
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        # Nothing is queued when a request is sent, so it may go past the transport's
        # queue, which saves two of three system calls; not so under TLS.
        if not self._isTLS:
            self._socket = cast(socket, self.transport.getHandle())

    def send(self) -> None:
        self._tally.sent += 1
        sent = 0
        if self._socket is not None:
            try:
                sent = self._socket.send(self._request)
            except OSError:
                # The buffer is full or the connection lost: the transport handles both.
                sent = 0
        if sent < len(self._request):
            self.transport.write(self._request[sent:])

    def dataReceived(self, data: bytes) -> None:
        came = self._came + data if self._came else data
        right = self._judge(came)
        if right is None:
            self._came = came
            return
        self._came = b""
        now = perf_counter_ns()
        if right:
            self._tally.answer(now - self.since)
        else:
            self._tally.errors["wrong answer"] += 1
        self.next(now)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._schedule.running:
            kind = "hung up" if reason.check(ConnectionDone) else "connection reset"
            self._tally.errors[kind] += 1
        self.end()
        self._lost(self)


class StreamLoadFactory(ClientFactory[StreamLoad]):
    """All connections of a run to an `address`. One that is lost is made again."""

    noisy = False

    def __init__(self, run: LoadRun, address: Target, exchange: Exchange) -> None:
        self.patience = run.timeout
        self._run = run
        self._address = address
        self._exchange = exchange
        self._open: set[StreamLoad] = set()
        self._timers: list[IDelayedCall] = []

    def buildProtocol(self, addr: IAddress | None) -> StreamLoad:
        client = StreamLoad(self._run, self._exchange, self._lost)
        self._open.add(client)
        return client

    def senders(self) -> Sequence[Sender]:
        return list(self._open)

    async def connectAll(self) -> None:
        """Open the connections. Raises CannotConnect if the server takes fewer."""
        for _ in range(self._run.tally.connections):
            try:
                await self._connect()
            except Exception as error:
                raise CannotConnect(
                    f"{self._run.target}: took {len(self._open)} connections and no more: {error}"
                ) from None

    async def close(self) -> None:
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        for client in list(self._open):
            client.transport.abortConnection()
        while self._open:
            await deferLater(self._run.reactor, 0, lambda: None)

    def _connect(self) -> Deferred[StreamLoad]:
        run = self._run
        endpoint = endpointOf(run.reactor, self._address, run.target.host, run.timeout)
        return cast("Deferred[StreamLoad]", endpoint.connect(self))

    def _lost(self, client: StreamLoad) -> None:
        self._open.discard(client)
        self._reconnectLater()

    def _reconnectLater(self) -> None:
        if self._run.schedule.running:
            later = self._run.reactor.callLater(RECONNECT_SECONDS, self._reconnect)
            self._timers.append(later)

    def _reconnect(self) -> None:
        if self._run.schedule.running:
            connecting = self._connect()
            connecting.addCallback(lambda client: client.begin(perf_counter_ns()))
            connecting.addErrback(self._cannotReconnect)

    def _cannotReconnect(self, failure: Failure) -> None:
        self._run.tally.errors["could not connect again"] += 1
        self._reconnectLater()


async def openStreams(run: LoadRun, exchange: Exchange) -> StreamLoadFactory:
    """Return the connections of a run. Raises CannotConnect or TimedOut."""
    # This connection is for its error messages, which say what to do.
    await (await connect(run.reactor, run.target, run.timeout)).close()
    address = await resolved(run.reactor, run.target, run.timeout)
    factory = StreamLoadFactory(run, address, exchange)
    await factory.connectAll()
    return factory
