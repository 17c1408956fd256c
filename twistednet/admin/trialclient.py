"""The clients of trials, and how a plan is carried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import DatagramProtocol, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.admin.trial import Trial, TrialPlan

#: Seconds after which a trial ends in any case, and seconds of silence after its last write.
MAX_SECONDS = 15.0
QUIET_SECONDS = 1.0
#: Bytes that a client may receive.
MAX_RECEIVED_BYTES = 1024 * 1024


@implementer(IHalfCloseableProtocol)
class StreamClient(Protocol):
    transport: Any

    def __init__(self, saw: Callable[[str, bytes], None], end: Callable[[str], None]) -> None:
        self._saw = saw
        self._end = end

    def connectionMade(self) -> None:
        # A trial's writes must leave as they are cut. (A UNIX socket has no such delay.)
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def halfClose(self) -> None:
        self.transport.loseWriteConnection()

    def close(self) -> None:
        self.transport.loseConnection()

    def abort(self) -> None:
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        self._saw("received", data)

    def readConnectionLost(self) -> None:
        self._end("server FIN")
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our side is closed, as it was asked for."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end("client FIN" if reason.check(ConnectionDone) else "server RST")


class DatagramClient(DatagramProtocol):
    noisy = False
    transport: Any

    def __init__(self, saw: Callable[[str, bytes], None], end: Callable[[str], None]) -> None:
        self._saw = saw
        self._end = end

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def close(self) -> None:
        self._end("silence")
        self.transport.stopListening()

    abort = close

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        self._saw("received", datagram)

    def connectionRefused(self) -> None:
        self._end("nobody there")


class TrialRun:
    """A trial while it runs."""

    def __init__(self, clock: IReactorTime, trial: Trial, plan: TrialPlan) -> None:
        self._clock = clock
        self._plan = plan
        self._begun = self._heard = clock.seconds()
        self.trial = trial
        self.client: StreamClient | DatagramClient

    def saw(self, direction: str, data: bytes) -> None:
        self._heard = self._clock.seconds()
        self.trial.saw(self._heard - self._begun, direction, data)
        if self.trial.received > MAX_RECEIVED_BYTES:
            self.trial.end("too much")
            self.client.abort()

    async def play(self) -> None:
        """Carry out the plan, and wait for the end."""
        for piece in self._plan.pieces:
            await deferLater(self._clock, piece.pause)
            if self.trial.ended is not None:
                return
            self.saw("sent", piece.data)
            self.client.send(piece.data)
        if self._plan.halfClose:
            assert isinstance(self.client, StreamClient)
            self.client.halfClose()
        elif self._plan.reset:
            # What was written leaves in the next turn.
            await deferLater(self._clock, 0.01)
            self.trial.end("client RST")
            self.client.abort()
        await self._stay()

    async def _stay(self) -> None:
        while self.trial.ended is None:
            await deferLater(self._clock, 0.05)
            now = self._clock.seconds()
            if now - self._begun > MAX_SECONDS:
                self.trial.end("deadline")
                self.client.abort()
            elif now - self._heard > QUIET_SECONDS and not self._plan.halfClose:
                self.client.close()
                return
