"""Who converses with a service over UDP, which knows no connections."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import count
from time import monotonic
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twistednet.core.limits import TokenBucket
from twistednet.core.text import place
from twistednet.layers.audience import Audience
from twistednet.transport.accounts import LATER

#: Seconds without a datagram that end a conversation.
QUIET = 60.0
#: Conversations that one port keeps account of; for one more the first of them ends.
MOST = 1_000
#: New ones a second, after a hundred at once, as long as only the journal listens.
RATE, BURST = 10, 100

_Address = tuple[str, int]


class Conversation:
    """What one peer and one service have sent each other; counts for the journal."""

    __slots__ = ("bytesIn", "bytesOut", "heard", "id", "isWanted", "opened", "peer", "service")

    kind = "udp"

    def __init__(self, id: int, service: str, peer: str, now: float) -> None:
        self.id = id
        self.service = service
        self.peer = peer
        self.opened = self.heard = now
        self.bytesIn = self.bytesOut = 0
        #: Somebody listens to it.
        self.isWanted = True


class Conversations:
    """The tap of one UDP port.

    Anybody can forge datagrams from as many peers as there are addresses. So while
    nobody but the journal listens, new conversations begin at a rate, and the datagrams
    of those that did not, or of which the journal has enough, are passed over; of
    open ones they are counted.
    """

    def __init__(
        self,
        service: str,
        clock: IReactorTime,
        audience: Audience,
        ids: count[int],
    ) -> None:
        self.inside = LATER
        self._service = service
        self._clock = clock
        self._audience = audience
        self._ids = ids
        self._open: OrderedDict[_Address, Conversation] = OrderedDict()
        self._bucket = TokenBucket(RATE, BURST)
        self._nextLook: IDelayedCall | None = None
        self._transport: Any = None

    def makeConnection(self, transport: Any) -> None:
        self._transport = transport
        transport.tap = self

    def wants(self, senders: Iterable[_Address]) -> bool:
        """Must datagrams of one of these be told one by one?"""
        if self._audience.events.chunked:
            return True
        if not self._audience.isThere:
            return False
        mayBegin = self._bucket.ready(monotonic())
        for address in senders:
            conversation = self._open.get(address)
            if mayBegin if conversation is None else conversation.isWanted:
                return True
        return False

    def received(self, data: bytes, address: _Address) -> None:
        """The service is about to be given it."""
        self.inside = "datagramReceived"
        conversation = self._of(address)
        if conversation is not None:
            conversation.bytesIn += len(data)
            self._hear(conversation, "in", data)

    def sent(self, data: bytes, address: _Address) -> None:
        """The service has sent it."""
        conversation = self._of(address)
        if conversation is not None:
            conversation.bytesOut += len(data)
            self._hear(conversation, "out", data)

    def returned(self, totals: Iterable[tuple[_Address, int]]) -> None:
        """Datagrams of so many bytes, which nobody wanted, were returned to these."""
        now = monotonic()
        for address, total in totals:
            conversation = self._open.get(address)
            if conversation is not None:
                conversation.bytesIn += total
                conversation.bytesOut += total
                conversation.heard = now

    def over(self, address: _Address, reason: str = "service") -> None:
        """This one has ended; the peer's next datagram begins another."""
        conversation = self._open.pop(address, None)
        if conversation is not None:
            age = monotonic() - conversation.opened
            self._audience.closed(conversation, reason, conversation, age)

    def stop(self) -> None:
        """The port is closed, and with it they all are over."""
        for address in list(self._open):
            self.over(address, "shutdown")
        if self._nextLook is not None:
            self._nextLook.cancel()
            self._nextLook = None

    def _of(self, address: _Address) -> Conversation | None:
        conversation = self._open.get(address)
        if conversation is not None:
            return conversation
        if not self._audience.isThere:
            return None
        now = monotonic()
        if not self._audience.events.chunked and not self._bucket.allow(now):
            return None
        if len(self._open) >= MOST:
            self.over(next(iter(self._open)), "crowd")
        conversation = Conversation(next(self._ids), self._service, place(address), now)
        self._open[address] = conversation
        host = place(self._transport.getHost())
        conversation.isWanted = self._audience.opened(conversation, host, conversation)
        if self._nextLook is None:
            self._nextLook = self._clock.callLater(1, self._look)
        return conversation

    def _hear(self, conversation: Conversation, direction: str, data: bytes) -> None:
        conversation.heard = monotonic()
        if conversation.isWanted or self._audience.events.chunked:
            conversation.isWanted = self._audience.heard(conversation, direction, data, self.inside)

    def _look(self) -> None:
        since = monotonic() - QUIET
        for address in [one for one, talk in self._open.items() if talk.heard < since]:
            self.over(address, "quiet")
        self._nextLook = self._clock.callLater(1, self._look) if self._open else None
