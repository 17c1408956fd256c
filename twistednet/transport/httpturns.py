"""HTTP connections that take turns: one response at a time, and no reading meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from zope.interface import implementer

from twistednet.transport.httpchecks import BadRequest
from twistednet.transport.turns import Turns

#: Bytes that are parsed before others have their turn. A body of one-byte chunks costs
#: a microsecond a byte.
MAX_STEP_BYTES = 4 * 1024


class HasTurns(Protocol):
    """A site whose connections take turns."""

    turns: Turns


class TurnTakingChannel(HTTPChannel):
    """An HTTP connection that delays no other, however many requests it pipelines.

    A step parses up to MAX_STEP_BYTES and gives one response; the next one waits for its turn.
    While input is left or a response is queued, the client is not read. So the memory of a
    connection is bounded by one read, one response and what the transport queues.
    """

    site: HasTurns
    #: A stream, its TLS, or what faults put before them.
    transport: Any
    #: True if nothing more is read: the last response is written, or the connection is lost.
    isFinished = False
    #: True if the client has sent its FIN.
    finReceived = False
    #: True while the next step waits for its turn.
    isWaiting = False

    #: Bytes that were read and not passed to the parser, which has its own in `_buffer`.
    _input = b""
    _isStepping = False

    def dataReceived(self, data: bytes) -> None:
        if self.isFinished:
            return
        self._input += data
        if self.isWaiting:
            # TLS and faults pass on what they had read before they were paused.
            self.transport.pauseProducing()
            return
        turns = self.site.turns
        if self._mayStep() and turns.begin():
            self._step()
            turns.end()
        self._goOn()

    def inputParsed(self) -> None:
        """Called when a request is incomplete after a step. May raise BadRequest."""

    def inputEnded(self) -> None:
        """Called when the client has sent its FIN, and everything before it is answered."""

    def refuse(self, status: int, why: str, cause: str) -> None:
        """Respond with `status` and why, and close the connection."""
        raise NotImplementedError

    def requestDone(self, request: Request) -> None:
        # This stops the parser: one response a step.
        self.paused = True
        # Whether to read on depends on what is left to parse.
        isFull, self._waitingForTransport = self._waitingForTransport, True
        super().requestDone(request)
        self._waitingForTransport = isFull
        if not self._isStepping:
            self._goOn()

    def setLineMode(self, extra: bytes = b"") -> None:
        """Let the next step parse `extra`, the input that arrived during a request."""
        self.line_mode = 1
        self._buffer += extra

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._goOn()

    def readConnectionLost(self) -> None:
        """The client has sent its FIN: respond to its requests, then close."""
        self.finReceived = True
        if self.isFinished:
            self.transport.loseConnection()
        else:
            self._goOn()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.isFinished = True
        super().connectionLost(reason)

    def failed(self, failure: Failure) -> None:
        """Log what was raised for this connection, and abort it, and no other."""
        self.transport.fail(failure)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        # Twisted's own adapter for pull producers takes 10 ms of each reactor turn.
        push = producer if streaming else PulledInTurns(producer, self)
        super().registerProducer(push, True)

    def unregisterProducer(self) -> None:
        if isinstance(self._requestProducer, PulledInTurns):
            self._requestProducer.stop()
        super().unregisterProducer()

    def _hasInput(self) -> bool:
        return bool(self._input or (self.paused and self._buffer))

    def _mayStep(self) -> bool:
        # What arrives during a request is not parsed, and no more than 16 KiB are read.
        return self._handlingRequest or not self._waitingForTransport

    def _step(self) -> None:
        """Parse until a response is given, or MAX_STEP_BYTES are parsed."""
        piece, self._input = self._input[:MAX_STEP_BYTES], self._input[MAX_STEP_BYTES:]
        self.paused = False
        self._isStepping = True
        try:
            super().dataReceived(piece)
            if not (self.paused or self._handlingRequest):
                self.inputParsed()
        except BadRequest as bad:
            self.refuse(bad.status, str(bad), bad.cause)
        self._isStepping = False

    def _steps(self) -> Iterator[None]:
        while self._hasInput() and self._mayStep() and not self.isFinished:
            self._step()
            yield
        self.isWaiting = False
        self._goOn()

    def _goOn(self) -> None:
        """Wait for the next turn if input is left; otherwise read on, or end after a FIN."""
        if self.isFinished or self.isWaiting:
            return
        if self._hasInput():
            self.transport.pauseProducing()
            if self._mayStep():
                self.isWaiting = True
                self.site.turns.take(self._steps(), self.failed)
        elif self.finReceived:
            if not self._awaitsResponse():
                self.inputEnded()
        elif not (self._handlingRequest or self._waitingForTransport):
            self.transport.resumeProducing()

    def _awaitsResponse(self) -> bool:
        """True if a response is under way that has an end; a stream of events has none."""
        if not self._handlingRequest:
            return False
        producer = self._requestProducer
        hasEnd = producer is None or isinstance(producer, PulledInTurns)
        return hasEnd or self.requests[0].faulty is not None


@implementer(IPushProducer)
class PulledInTurns:
    """A push producer that pulls from a pull producer, in turn with the requests of others."""

    def __init__(self, producer: IPullProducer, channel: TurnTakingChannel) -> None:
        self._producer = producer
        self._isStopped = False
        self._task = channel.site.turns.take(self._pull(), channel.failed)

    def _pull(self) -> Iterator[None]:
        while True:
            self._producer.resumeProducing()
            yield

    def stop(self) -> None:
        """Pull no more."""
        if not self._isStopped:
            self._isStopped = True
            self._task.stop()

    def pauseProducing(self) -> None:
        self._task.pause()

    def resumeProducing(self) -> None:
        self._task.resume()

    def stopProducing(self) -> None:
        self.stop()
        self._producer.stopProducing()
