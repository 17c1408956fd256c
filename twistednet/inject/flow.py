"""Flow control of a connection whose data faults hold back.

It bounds what waits: while more than 16 KiB wait in one direction, the client is not read,
and the service's producer is paused. This goes on in any state of the connection, and
changes none.
"""

from __future__ import annotations

from twistednet.inject.queue import MAX_WAITING_BYTES, DelayQueue
from twistednet.inject.transports import ProducerProxy
from twistednet.transport.interfaces import ObservedStream, PlainStream, Producer
from twistednet.transport.producers import producerOf, setProducer


class FlowControl:
    """Reads the client, and resumes the service's producer, while little waits.

    `isWanted`: the service wants data. `isStopped`: a fault reads no more.
    """

    def __init__(
        self, stream: ObservedStream, real: PlainStream, incoming: DelayQueue, outgoing: DelayQueue
    ) -> None:
        self._stream = stream
        self._real = real
        self._in = incoming
        self._out = outgoing
        self.producer: ProducerProxy | None = None
        self.isWanted = True
        self.isStopped = False
        #: True if the last call to the transport was to read, False if to pause.
        self._isReading = True

    def attach(self) -> None:
        """Take over the flow of an open connection as it is."""
        self.isWanted = self._isReading = self._stream.wantsReading
        producer, isPush, isPaused = producerOf(self._real)
        if producer is not None:
            self.producer = ProducerProxy(producer, isPush, self._out, isPaused)
            setProducer(self._real, self.producer)

    def detach(self) -> None:
        """Give the service's producer back to the transport."""
        if self.producer is not None and producerOf(self._real)[0] is self.producer:
            setProducer(self._real, self.producer.producer)

    def registerProducer(self, producer: Producer, streaming: bool) -> None:
        """Let the producer write while little waits."""
        self.producer = ProducerProxy(producer, streaming, self._out)
        self._real.registerProducer(self.producer, streaming)

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self.producer = None
        self._real.unregisterProducer()

    def stopProducing(self) -> None:
        """Tell the producer, if there is one, that it can write no more."""
        producer = self.producer
        if producer is not None:
            self.unregisterProducer()
            producer.stopProducing()

    def update(self, isSeen: bool) -> None:
        """Apply what waits now. The service is given no data before it has the connection."""
        isPaused = self.isStopped or not (self.isWanted and isSeen)
        self._in.isPaused = isPaused
        isReading = (
            not isPaused
            and self._in.waitingBytes <= MAX_WAITING_BYTES
            and self._out.waitingBytes <= MAX_WAITING_BYTES
        )
        # A service that paused the stream before there was a rule (twisted.web's channel)
        # resumes the stream itself.
        if isReading != (self._isReading or self._stream.wantsReading):
            self._isReading = isReading
            (self._real.resumeProducing if isReading else self._real.pauseProducing)()
        if self.producer is not None:
            self.producer.queueChanged()
