"""Who converses with a service over UDP, which knows no connections."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Set
from itertools import count
from time import monotonic
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twistednet.connections.taps import ConnectionTap, Recorder
from twistednet.core.limits import TokenBucket
from twistednet.core.text import addressText
from twistednet.events.model import Refused
from twistednet.transport.interfaces import LATER, Tap

#: Seconds without a datagram that end a conversation.
QUIET_SECONDS = 60.0
#: Conversations that one port keeps account of; for one more the first of them ends.
MAX_CONVERSATIONS = 1_000
#: New ones a second, after a hundred at once, as long as only the journal listens.
NEW_PER_SECOND, NEW_AT_ONCE = 10, 100

_Address = tuple[str, int]


class UDPConversation:
    """What one peer and one service have sent each other; counts for the journal."""

    __slots__ = (
        "id",
        "isQuiet",
        "opened",
        "peer",
        "quietSince",
        "received",
        "returned",
        "sent",
        "service",
        "tap",
    )

    kind = "udp"

    def __init__(self, id: int, service: str, peer: str, now: float) -> None:
        self.id = id
        self.service = service
        self.peer = peer
        self.opened = self.quietSince = now
        #: Was nothing said since the last look?
        self.isQuiet = False
        #: Bytes: told one by one, and those that were returned unseen.
        self.received = self.sent = self.returned = 0
        self.tap: Tap

    @property
    def bytesIn(self) -> int:
        return self.received + self.returned

    @property
    def bytesOut(self) -> int:
        return self.sent + self.returned


class UDPConversations:
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
        recorder: Recorder,
        ids: count[int],
    ) -> None:
        self.inside = LATER
        self._service = service
        self._clock = clock
        self._recorder = recorder
        self._events = recorder.events
        self._ids = ids
        self._open: OrderedDict[_Address, UDPConversation] = OrderedDict()
        #: Those in `_open` of whom nobody but sinks for chunks wants to hear more.
        self._complete: set[_Address] = set()
        self._bucket = TokenBucket(NEW_PER_SECOND, NEW_AT_ONCE)
        self._nextCheck: IDelayedCall | None = None
        self._transport: Any = None

    def makeConnection(self, transport: Any) -> None:
        self._transport = transport
        transport.tap = self

    def wants(self, senders: Set[_Address]) -> bool:
        """True if datagrams of one of these senders must be recorded one by one."""
        if self._events.chunked:
            return True
        if not self._recorder.isActive or senders <= self._complete:
            return False
        mayBegin = self._bucket.ready(monotonic())
        return any(
            mayBegin if address not in self._open else address not in self._complete
            for address in senders
        )

    def received(self, data: bytes, address: _Address) -> None:
        """The service is about to be given it."""
        self.inside = "datagramReceived"
        conversation = self._open.get(address) or self._begin(address)
        if conversation is not None:
            conversation.received += len(data)
            if self._isWanted(address, conversation):
                self._noteWanted(address, conversation.tap.received(data, self.inside))

    def sent(self, data: bytes, address: _Address) -> None:
        """The service has sent it."""
        conversation = self._open.get(address) or self._begin(address)
        if conversation is not None:
            conversation.sent += len(data)
            if self._isWanted(address, conversation):
                conversation.tap.inside = self.inside
                self._noteWanted(address, conversation.tap.sent(data))

    def returned(self, totals: Iterable[tuple[_Address, int]]) -> None:
        """Datagrams of so many bytes, which nobody wanted, were returned to these."""
        for address, total in totals:
            conversation = self._open.get(address)
            if conversation is not None:
                conversation.returned += total
                conversation.isQuiet = False

    def endConversation(self, address: _Address, reason: str = "service") -> None:
        """This one has ended; the peer's next datagram begins another."""
        conversation = self._open.pop(address, None)
        if conversation is not None:
            self._complete.discard(address)
            age = monotonic() - conversation.opened
            self._recorder.closed(conversation, reason, conversation, age)

    def refuse(self, address: _Address, limit: str) -> None:
        """Publish that the service did not answer this peer."""
        self._events.publish(Refused(self._service, addressText(address), limit, monotonic()))

    def stop(self) -> None:
        """The port is closed, and with it they all are over."""
        for address in list(self._open):
            self.endConversation(address, "shutdown")
        if self._nextCheck is not None:
            self._nextCheck.cancel()
            self._nextCheck = None

    def speaker(self, address: _Address) -> UDPConversation:
        """Whom to tell of; number 0 stands for all conversations that nobody listens to."""
        unheard = UDPConversation(0, self._service, addressText(address), monotonic())
        return self._open.get(address, unheard)

    def _begin(self, address: _Address) -> UDPConversation | None:
        if not self._recorder.isActive:
            return None
        now = monotonic()
        if not self._events.chunked and not self._bucket.allow(now):
            return None
        if len(self._open) >= MAX_CONVERSATIONS:
            self.endConversation(next(iter(self._open)), "crowd")
        conversation = UDPConversation(next(self._ids), self._service, addressText(address), now)
        self._open[address] = conversation
        host = addressText(self._transport.getHost())
        kept = self._recorder.opened(conversation, host, conversation)
        conversation.tap = ConnectionTap(conversation, self._events, kept, LATER)
        if self._nextCheck is None:
            self._nextCheck = self._clock.callLater(1, self._check)
        return conversation

    def _isWanted(self, address: _Address, conversation: UDPConversation) -> bool:
        conversation.isQuiet = False
        return bool(self._events.chunked) or address not in self._complete

    def _noteWanted(self, address: _Address, isMoreWanted: bool) -> None:
        if not isMoreWanted:
            self._complete.add(address)

    def _check(self) -> None:
        now = monotonic()
        for address, one in list(self._open.items()):
            if not one.isQuiet:
                one.isQuiet = True
                one.quietSince = now
            elif now - one.quietSince >= QUIET_SECONDS:
                self.endConversation(address, "quiet")
        self._nextCheck = self._clock.callLater(1, self._check) if self._open else None
