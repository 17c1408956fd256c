"""What the connections of a service of messages share: limits, and whose turn it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Cooperator

from twistednet.core.limits import TokenBucket, isLocal
from twistednet.core.metrics import Metrics
from twistednet.core.settings import ServiceSettings
from twistednet.core.text import hostOf

#: Seconds that messages in a backlog may take before other connections' turn.
TURN = 0.001


class MessagesFactory(Factory[Any]):
    """Limits and the fair turn that all connections of a service share.

    `maxMessage` is in bytes, newline not counted; `burst` messages are taken at
    once and then `rate` a second (later ones wait, nothing is lost); a connection
    may send `maxMessages`. None is no limit. Neither of the last three counts
    for a peer on loopback unless `limitLoopback`.
    """

    noisy = False
    maxMessage = 4096
    maxMessages: int | None = None
    rate: float | None = None
    burst = 1.0
    limitLoopback = False

    def __init__(self, protocol: type[Protocol], clock: IReactorTime | None = None) -> None:
        if clock is None:
            from twisted.internet import reactor

            clock = IReactorTime(reactor)
        self.protocol = protocol
        self.clock = clock
        #: Whole messages, of all connections.
        self.messagesIn = self.messagesOut = 0
        self.cooperator = self.fairCooperator()

    def allowance(self, peer: Any) -> tuple[TokenBucket | None, int | None]:
        """The rate of this peer's messages, and how many it may send; None is no limit."""
        if isLocal(hostOf(peer)) and not self.limitLoopback:
            return None, None
        bucket = None if self.rate is None else TokenBucket(self.rate, self.burst)
        return bucket, self.maxMessages

    def fairCooperator(self) -> Cooperator:
        """One that goes round all its tasks, and takes a millisecond of each reactor turn."""
        return Cooperator(_turn, lambda work: self.clock.callLater(0, work))

    def takeTurns(self, connection: Any, work: Iterator[object]) -> None:
        """Do a connection's `work` step by step, in turn with that of the others.

        Should it raise, that connection is told that it has `failed`, and no other.
        """
        self.cooperator.cooperate(work).whenDone().addErrback(connection.failed)

    def takeTurn(self, connection: Any, act: Callable[[], None]) -> None:
        """The same for something done in one step."""
        self.takeTurns(connection, iter(act, None))

    def metrics(self) -> Metrics:
        """What `/metrics` shows of the service."""
        return {
            "received_messages_total": self.messagesIn,
            "sent_messages_total": self.messagesOut,
        }

    def configure(self, settings: ServiceSettings) -> None:
        """Take the limits that are in force from now on.

        `maxMessage` holds for those who are here, too, from their next byte on; rates
        and counts hold for who comes from now on.
        """
        self.maxMessage = settings.maxMessage
        self.limitLoopback = settings.limitLoopback


def _turn() -> Any:
    end = monotonic() + TURN
    return lambda: monotonic() > end
