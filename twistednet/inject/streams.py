"""Faults that were asked for: what stands between a connection and its service.

With no rule that concerns a connection nothing does.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.faults.model import Action
from twistednet.faults.pipeline import Pipeline
from twistednet.inject.queue import MOST, DelayQueue, FaultTransport, ProducerProxy
from twistednet.transport.closing import DrainThenReset, lingeringClose
from twistednet.transport.tls import producerOf, protocolOf, setProducer, setProtocol


@implementer(IHalfCloseableProtocol)
class FaultWrapper:
    """The protocol of a connection that faults concern, and its service's transport.

    What waits is bounded: a peer is not read, nor a producer asked, while more than
    16 KiB wait either way.
    """

    def __init__(self, connection: Any, plan: Pipeline, clock: IReactorTime) -> None:
        self.plan = plan
        self._clock = clock
        self._stream = connection.transport
        self._real = connection.plaintext
        self.protocol = protocolOf(self._real)
        self._in = DelayQueue(clock, self._deliver, self._steer)
        self._out = DelayQueue(clock, self._send, self._steer)
        self._valve: ProducerProxy | None = None
        #: Has the service been told of the connection? Does it want to be given more?
        self._isMade = False
        self._isWanted = self._isReading = True
        #: Reads no more, by a fault; the service has closed; a fault has.
        self._isStopped = self.isClosing = self._isOver = False
        #: The client's FIN has come.
        self._hasFIN = False
        self._closing: Any = None
        setProtocol(self._real, self)

    def join(self) -> None:
        """Stand between the two from now on, of a connection that was there."""
        self._isMade = True
        self._isWanted = self._isReading = self._stream.wantsReading
        producer, isPush, isPaused = producerOf(self._real)
        if producer is not None:
            self._valve = ProducerProxy(producer, isPush, self._out, isPaused)
            setProducer(self._real, self._valve)
        self.protocol.transport = FaultTransport(self, self._real)
        self._meet("join")
        self._steer()

    def replaced(self) -> bool:
        """The plan has changed. Is there anything left to do here?"""
        self._isStopped = False
        self._out.keep(lambda step: step.of is None or step.of in self.plan.faults)
        self._meet("join")
        self._steer()
        self._in.run()
        isIdle = not (self._in.size or self._out.size or self.isClosing or self._isOver)
        if len(self.plan) or not isIdle:
            return True
        if self._valve is not None and producerOf(self._real)[0] is self._valve:
            setProducer(self._real, self._valve.producer)
        self.protocol.transport = self._real
        setProtocol(self._real, self.protocol)
        return False

    def flush(self) -> None:
        """Send all that waits now, and let what comes pass."""
        self.plan.replace((), self._clock.seconds())
        for step in self._out.drain():
            if step.act == "pass":
                self._real.write(step.data)

    def _meet(self, act: str) -> None:
        if not self._isOver:
            self._out.put(self.plan.steps(Action(self._clock.seconds(), act)))

    # From the transport

    def makeConnection(self, transport: Any) -> None:
        self._meet("accept")

    def dataReceived(self, data: bytes) -> None:
        if not (self._isOver or self.isClosing):
            self._in.put(self.plan.steps(Action(self._clock.seconds(), "pass", data), "in"))

    def readConnectionLost(self) -> None:
        self._hasFIN = True
        if self._isOver:
            self._real.loseConnection()
        else:
            self._in.put([Action(self._clock.seconds(), "eof")])

    def writeConnectionLost(self) -> None:
        halfCloseable = IHalfCloseableProtocol(self.protocol, None)
        if halfCloseable and not self._isOver:
            halfCloseable.writeConnectionLost()

    def connectionLost(self, reason: Failure) -> None:
        self._isOver = True
        self._in.drain()
        self._out.drain()
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        if self._isMade:
            self.protocol.connectionLost(reason)

    # From the service

    @property
    def waiting(self) -> int:
        """Bytes that the service has written, and that wait here."""
        return self._out.size

    def write(self, data: bytes) -> None:
        data = bytes(memoryview(data))
        if data and not (self._isOver or self.isClosing):
            steps = self.plan.steps(Action(self._clock.seconds(), "pass", data), "out")
            self._out.put(steps)
            if not steps and self._valve is not None:
                # Nothing will be sent, and so nothing will ask who pulls for more.
                self._clock.callLater(0, self._lost, self._valve)

    def _lost(self, valve: ProducerProxy) -> None:
        if valve is self._valve and not self._isOver:
            valve.lost()

    def lose(self) -> None:
        self.isClosing = True
        self._close("close")

    def loseWrite(self) -> None:
        self._close("fin")

    def _close(self, act: str) -> None:
        if not self._isOver:
            self._out.put(self.plan.steps(Action(self._clock.seconds(), act)))

    def abort(self) -> None:
        self._isOver = True
        self._in.drain()
        self._out.drain()
        self._real.abortConnection()

    def want(self, isWanted: bool) -> None:
        """The service wants to be given more, or not now."""
        self._isWanted = isWanted
        self._steer()
        if isWanted:
            self._in.run()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._valve = ProducerProxy(producer, streaming, self._out)
        self._real.registerProducer(self._valve, streaming)

    def unregisterProducer(self) -> None:
        self._valve = None
        self._real.unregisterProducer()

    # What is done in the end

    def _deliver(self, step: Action) -> None:
        try:
            if step.act == "pass":
                if not self.isClosing:
                    self.protocol.dataReceived(step.data)
            elif step.act == "eof":
                self._finReceived()
            else:
                self._send(step)
        except Exception:
            self._stream.fail(Failure())

    def _finReceived(self) -> None:
        halfCloseable = IHalfCloseableProtocol(self.protocol, None)
        if halfCloseable is not None:
            halfCloseable.readConnectionLost()
            return
        if self._valve is not None:
            valve = self._valve
            self.unregisterProducer()
            valve.stopProducing()
        self.lose()

    def _send(self, step: Action) -> None:
        if step.act == "pass":
            self._real.write(step.data)
        elif step.act == "fin":
            self._real.loseWriteConnection()
        elif step.act == "close":
            self._real.loseConnection()
        elif step.act == "accept":
            self._isMade = True
            self.protocol.makeConnection(FaultTransport(self, self._real))
            self._steer()
            self._in.run()
        else:
            self._meddle(step)

    def _meddle(self, step: Action) -> None:
        if step.act == "stop":
            self._isStopped = True
            self._steer()
        elif step.act in ("end", "reset"):
            self._isOver = True
            self._stream.cause = f"fault {step.by}"
            self._in.drain()
            self._out.drain()
            if self._valve is not None:
                self._real.unregisterProducer()
            self._end(step.act)

    def _end(self, act: str) -> None:
        if act == "reset":
            self._closing = DrainThenReset(self._real, self._clock, self._stream)
        elif self._hasFIN:
            # Nothing is left to wait for.
            self._real.loseConnection()
        else:
            self._closing = lingeringClose(self._real, self._clock)

    def _steer(self) -> None:
        """Read, or do not; ask the producer for more, or do not."""
        if self._isOver:
            return
        self._in.held = self._isStopped or not (self._isWanted and self._isMade)
        isReading = not self._in.held and self._in.size <= MOST and self._out.size <= MOST
        # Who paused the stream before there was a rule (twisted.web's channel) resumes that.
        isRead = self._isReading or self._stream.wantsReading
        if isReading != isRead:
            self._isReading = isReading
            (self._real.resumeProducing if isReading else self._real.pauseProducing)()
        if self._valve is not None:
            self._valve.adjust()
