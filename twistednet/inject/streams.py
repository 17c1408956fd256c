"""Faults of streams: what stands between a connection and its service.

A connection that no rule applies to is not wrapped.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IHalfCloseableProtocol, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.faults.actions import Action
from twistednet.faults.actiontypes import ActionType
from twistednet.faults.active import ActiveFault
from twistednet.faults.pipeline import Pipeline
from twistednet.inject.flow import FlowControl
from twistednet.inject.interfaces import OpenConnection
from twistednet.inject.queue import DelayQueue
from twistednet.inject.states import ClientState, ConnectionState, StateEvent
from twistednet.inject.transports import FaultTransport, ProducerProxy
from twistednet.transport.closing import DrainThenReset, LingeringClose, lingeringClose
from twistednet.transport.interfaces import Producer
from twistednet.transport.tls import protocolOf, setProtocol

# Looked up for each chunk.
_PASS = ActionType.PASS


@implementer(IHalfCloseableProtocol)
class FaultWrapper:
    """The protocol of a connection that faults apply to, and its service's transport.

    `_in` holds what goes to the service, `_out` what goes to the client; `_flow` bounds both.
    """

    def __init__(self, connection: OpenConnection, pipeline: Pipeline, clock: IReactorTime) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._stream = connection.transport
        self._real = connection.plaintext
        self.protocol = protocolOf(self._real)
        self._in = DelayQueue(clock, self._deliver, self._queueChanged)
        self._out = DelayQueue(clock, self._send, self._queueChanged)
        self._state = ConnectionState()
        self._flow = FlowControl(self._stream, self._real, self._in, self._out)
        self._closing: DrainThenReset | LingeringClose | None = None
        setProtocol(self._real, self)

    def attach(self) -> None:
        """Stand between a connection that is already open and its service."""
        self._state.process(StateEvent.ACCEPT)
        self._flow.attach()
        self.protocol.transport = FaultTransport(self, self._real)
        self._apply(ActionType.ATTACH)
        self._queueChanged()

    def replaceFaults(self, faults: Iterable[ActiveFault]) -> bool:
        """Apply these faults from now on.

        Return False, and detach, if there are none and nothing is left to do here.
        """
        self._pipeline.replace(faults, self._clock.seconds())
        current = self._pipeline.faults
        self._flow.isStopped = False
        self._out.discard(lambda one: one.fault is not None and one.fault not in current)
        self._apply(ActionType.ATTACH)
        self._queueChanged()
        self._in.performDue()
        isWaiting = self._in.waitingBytes or self._out.waitingBytes
        if current or isWaiting or not self._state.isPassing:
            return True
        self._detach()
        return False

    def _detach(self) -> None:
        self._flow.detach()
        self.protocol.transport = self._real
        setProtocol(self._real, self.protocol)

    def flush(self) -> None:
        """Send all that waits now, and apply no more faults."""
        self._pipeline.replace((), self._clock.seconds())
        for action in self._out.clear():
            if action.type is _PASS:
                self._real.write(action.data)

    # Called by the transport

    def makeConnection(self, transport: object) -> None:
        self._apply(ActionType.ACCEPT)

    def dataReceived(self, data: bytes) -> None:
        if self._state.isPassing:
            action = Action(self._clock.seconds(), _PASS, data)
            self._in.add(self._pipeline.apply(action, "in"))

    def readConnectionLost(self) -> None:
        self._state.process(StateEvent.CLIENT_FIN)
        if self._state.isOver:
            self._real.loseConnection()
        else:
            self._in.add([Action(self._clock.seconds(), ActionType.CLIENT_FIN)])

    def writeConnectionLost(self) -> None:
        halfCloseable = IHalfCloseableProtocol(self.protocol, None)
        if halfCloseable and not self._state.isOver:
            halfCloseable.writeConnectionLost()

    def connectionLost(self, reason: Failure) -> None:
        self._state.process(StateEvent.LOSE)
        self._in.clear()
        self._out.clear()
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        if self._state.isSeen:
            self.protocol.connectionLost(reason)

    # Called by the service, through its FaultTransport

    @property
    def waitingBytes(self) -> int:
        """Bytes that the service has written and that faults hold back."""
        return self._out.waitingBytes

    @property
    def isClosing(self) -> bool:
        """True if the service has closed."""
        return self._state.isClosing

    def write(self, data: bytes) -> None:
        data = bytes(memoryview(data))
        if data and self._state.isPassing:
            action = Action(self._clock.seconds(), _PASS, data)
            actions = self._pipeline.apply(action, "out")
            self._out.add(actions)
            if not actions and self._flow.producer is not None:
                # Nothing will be sent, so nothing would ask a pull producer for more.
                self._clock.callLater(0, self._writeDropped, self._flow.producer)

    def _writeDropped(self, producer: ProducerProxy) -> None:
        if producer is self._flow.producer and not self._state.isOver:
            producer.writeDropped()

    def close(self) -> None:
        self._state.process(StateEvent.CLOSE)
        self._apply(ActionType.CLOSE)

    def closeWrite(self) -> None:
        self._apply(ActionType.FIN)

    def abort(self) -> None:
        self._over()
        self._real.abortConnection()

    def want(self, isWanted: bool) -> None:
        self._flow.isWanted = isWanted
        self._queueChanged()
        if isWanted:
            self._in.performDue()

    def registerProducer(self, producer: Producer, streaming: bool) -> None:
        self._flow.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._flow.unregisterProducer()

    def _apply(self, type: ActionType) -> None:
        """Do what the faults make of an action without data."""
        if not self._state.isOver:
            self._out.add(self._pipeline.apply(Action(self._clock.seconds(), type)))

    # Performed by the queues

    def _deliver(self, action: Action) -> None:
        try:
            if action.type is _PASS:
                if not self._state.isClosing:
                    self.protocol.dataReceived(action.data)
            elif action.type is ActionType.CLIENT_FIN:
                self._deliverFIN()
            else:
                self._send(action)
        except Exception:
            self._stream.fail(Failure())

    def _deliverFIN(self) -> None:
        halfCloseable = IHalfCloseableProtocol(self.protocol, None)
        if halfCloseable is not None:
            halfCloseable.readConnectionLost()
            return
        self._flow.stopProducing()
        self.close()

    def _send(self, action: Action) -> None:
        type = action.type
        if type is _PASS:
            self._real.write(action.data)
        elif type is ActionType.FIN:
            self._real.loseWriteConnection()
        elif type is ActionType.CLOSE:
            self._real.loseConnection()
        elif type is ActionType.ACCEPT:
            self._accept()
        elif type is ActionType.STOP_READING:
            self._flow.isStopped = True
            self._queueChanged()
        elif type is ActionType.END or type is ActionType.RESET:
            self._end(action)

    def _accept(self) -> None:
        self._state.process(StateEvent.ACCEPT)
        self.protocol.makeConnection(FaultTransport(self, self._real))
        self._queueChanged()
        self._in.performDue()

    def _end(self, action: Action) -> None:
        """End the connection as a fault demands."""
        self._over()
        self._stream.cause = f"fault {action.faultName}"
        if self._flow.producer is not None:
            self._real.unregisterProducer()
        if action.type is ActionType.RESET:
            self._closing = DrainThenReset(self._real, self._clock, self._stream)
        elif self._state.client is ClientState.FINISHED:
            # Nothing is left to wait for.
            self._real.loseConnection()
        else:
            self._closing = lingeringClose(self._real, self._clock)

    def _over(self) -> None:
        self._state.process(StateEvent.END)
        self._in.clear()
        self._out.clear()

    def _queueChanged(self) -> None:
        if not self._state.isOver:
            self._flow.update(self._state.isSeen)
