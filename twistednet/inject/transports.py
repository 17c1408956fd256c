"""The transport and the producer of a service whose connection faults apply to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from twisted.internet.interfaces import IPushProducer
from zope.interface import directlyProvides, providedBy

from twistednet.inject.interfaces import ServiceSide
from twistednet.inject.queue import MAX_WAITING_BYTES, DelayQueue
from twistednet.transport.interfaces import PlainStream, Producer


class ProducerProxy:
    """Stands in for a service's producer: the transport and the queue can both pause it."""

    def __init__(
        self, producer: Producer, isPush: bool, queue: DelayQueue, isPaused: bool = False
    ) -> None:
        self.producer = producer
        self._isPush = isPush
        self._queue = queue
        self._isWanted = isPush and not isPaused
        self._isProducing = not isPaused

    def pauseProducing(self) -> None:
        self._isWanted = False
        self.queueChanged()

    def resumeProducing(self) -> None:
        self._isWanted = True
        self.queueChanged()

    def stopProducing(self) -> None:
        self.producer.stopProducing()

    def writeDropped(self) -> None:
        """Ask a pull producer for more in place of what it wrote last, which was dropped."""
        if not self._isPush:
            self.resumeProducing()

    def queueChanged(self) -> None:
        """Resume or pause the producer by what waits in the queue."""
        if not self._isPush:
            if self._isWanted and not self._queue.waitingBytes:
                self._isWanted = False
                self.producer.resumeProducing()
            return
        mayProduce = self._isWanted and self._queue.waitingBytes <= MAX_WAITING_BYTES
        if mayProduce != self._isProducing:
            self._isProducing = mayProduce
            push = cast(IPushProducer, self.producer)
            (push.resumeProducing if mayProduce else push.pauseProducing)()


class FaultTransport:
    """The transport that a service has while faults apply to its connection."""

    def __init__(self, wrapper: ServiceSide, real: PlainStream) -> None:
        self._wrapper = wrapper
        self._real = real
        directlyProvides(self, providedBy(real))
        self.write = wrapper.write
        self.loseConnection = self.stopProducing = wrapper.close
        self.loseWriteConnection = wrapper.closeWrite
        self.abortConnection = wrapper.abort
        self.registerProducer = wrapper.registerProducer
        self.unregisterProducer = wrapper.unregisterProducer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @property
    def queued(self) -> int:
        """Bytes written by the protocol that the kernel has not taken."""
        return self._wrapper.waitingBytes + self._real.queued

    @property
    def disconnecting(self) -> bool:
        """True if the service has closed."""
        return bool(self._wrapper.isClosing or self._real.disconnecting)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def pauseProducing(self) -> None:
        self._wrapper.want(False)

    def resumeProducing(self) -> None:
        self._wrapper.want(True)
