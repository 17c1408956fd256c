"""The factory of message services: limits, and fair turns between connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol as Shape

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Cooperator
from twisted.python.failure import Failure

from twistednet.core.limits import LocalPeers, TokenBucket
from twistednet.core.metrics import Metrics
from twistednet.core.settings import ServiceSettings
from twistednet.core.text import hostOf
from twistednet.transport.turns import fairCooperator


class Worker(Shape):
    """A connection for which work is done in turns."""

    def failed(self, failure: Failure) -> None:
        """Handle an exception that the work raised."""


class MessagesFactory(Factory[Protocol]):
    """The factory of a message service: the limits, counters and turns of its connections.

    `maxMessage` is the limit of a message in bytes, newline not counted; `burst` messages
    are taken at once and then `rate` a second (more than that wait, none is lost); a
    connection may send `maxMessages`. None is no limit. The last three do not apply to
    clients on loopback, or in a trusted network, unless `limitLoopback` is set.

    `protocol` is the class of the connections, and `clock` the reactor unless a test gives
    its own. A subclass that has an `__init__` takes both and calls this one.
    """

    noisy = False
    maxMessage = 4096
    maxMessages: int | None = None
    rate: float | None = None
    burst = 1.0
    limitLoopback = False
    local = LocalPeers()

    def __init__(self, protocol: type[Protocol], clock: IReactorTime | None = None) -> None:
        if clock is None:
            from twisted.internet import reactor

            clock = IReactorTime(reactor)
        self.protocol = protocol
        self.clock = clock
        #: Messages received and sent by all connections, closed ones included.
        self.messagesIn = self.messagesOut = 0
        self.cooperator = self.fairCooperator()

    def buildProtocol(self, addr: object) -> Protocol:
        """Return the protocol of a new connection from the address `addr`."""
        assert self.protocol is not None
        protocol = self.protocol()
        protocol.factory = self
        return protocol

    def allowance(self, peer: object) -> tuple[TokenBucket | None, int | None]:
        """Return the rate limit and the number of messages for a client; None is no limit."""
        if self.local.covers(hostOf(peer)) and not self.limitLoopback:
            return None, None
        bucket = None if self.rate is None else TokenBucket(self.rate, self.burst)
        return bucket, self.maxMessages

    def fairCooperator(self) -> Cooperator:
        """Return a cooperator that takes a millisecond of each reactor turn for all its tasks."""
        return fairCooperator(self.clock)

    def takeTurns(self, connection: Worker, work: Iterator[object]) -> None:
        """Do the `work` of a connection step by step, in turn with that of the others.

        If it raises, `failed` is called on that connection and on no other.
        """
        self.cooperator.cooperate(work).whenDone().addErrback(connection.failed)

    def takeTurn(self, connection: Worker, act: Callable[[], None]) -> None:
        """Do one step of work for a connection, in turn with that of the others."""
        self.takeTurns(connection, iter(act, None))

    def metrics(self) -> Metrics:
        """Return the metrics of the service, by name."""
        return {
            "received_messages_total": self.messagesIn,
            "sent_messages_total": self.messagesOut,
        }

    def configure(self, settings: ServiceSettings) -> None:
        """Take the limits that are current from now on.

        `maxMessage` applies to open connections too, from their next byte on; rates and
        counts apply to new connections.
        """
        self.maxMessage = settings.maxMessage
        self.limitLoopback = settings.limitLoopback
        self.local = settings.trust
