"""UDP conversations: the datagrams between a service and one peer, recorded like a connection."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Set
from itertools import count
from time import monotonic

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twistednet.connections.taps import ConnectionTap, Recorder
from twistednet.core.limits import TokenBucket
from twistednet.core.text import addressText
from twistednet.events.model import Refused
from twistednet.transport.datagrams import DatagramPort
from twistednet.transport.interfaces import LATER, DatagramAddress, Tap

#: Seconds without a datagram after which a conversation ends.
QUIET_SECONDS = 60.0
#: Open conversations of one port. One more ends the first of them.
MAX_CONVERSATIONS = 1_000
#: New conversations while no sink wants chunks: a hundred at once, then 10 a second.
NEW_PER_SECOND, NEW_AT_ONCE = 10, 100


class UDPConversation:
    """The datagrams of one peer and one service, with counts for the journal."""

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
        #: True if the last check found no datagram since the check before.
        self.isQuiet = False
        #: Bytes that were recorded, and bytes that were returned unseen.
        self.received = self.sent = self.returned = 0
        self.tap: Tap

    @property
    def bytesIn(self) -> int:
        return self.received + self.returned

    @property
    def bytesOut(self) -> int:
        return self.sent + self.returned


class UDPConversations:
    """The conversations of one UDP port; its tap.

    Anybody can forge datagrams from as many peers as there are addresses. So while no sink
    wants chunks, new conversations begin at a limited rate. Datagrams of other peers are not
    recorded; those of a conversation that the journal has enough of are only counted.
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
        self._open: OrderedDict[DatagramAddress, UDPConversation] = OrderedDict()
        #: The peers in `_open` whose conversations are complete: the journal wants no more.
        self._complete: set[DatagramAddress] = set()
        self._bucket = TokenBucket(NEW_PER_SECOND, NEW_AT_ONCE)
        self._nextCheck: IDelayedCall | None = None
        self._port: DatagramPort | None = None

    def makeConnection(self, port: DatagramPort) -> None:
        """Become the tap of a port."""
        self._port = port
        port.tap = self

    def wants(self, senders: Set[DatagramAddress]) -> bool:
        """True if the datagrams of one of these peers must be recorded one by one."""
        if self._events.chunked:
            return True
        if not self._recorder.isActive or senders <= self._complete:
            return False
        mayBegin = self._bucket.ready(monotonic())
        return any(
            mayBegin if address not in self._open else address not in self._complete
            for address in senders
        )

    def received(self, data: bytes, address: DatagramAddress) -> None:
        """Record a datagram that the service is about to get."""
        self.inside = "datagramReceived"
        conversation = self._open.get(address) or self._begin(address)
        if conversation is not None:
            conversation.received += len(data)
            conversation.isQuiet = False
            if self._isWanted(address):
                self._noteWanted(address, conversation.tap.received(data, self.inside))

    def sent(self, data: bytes, address: DatagramAddress) -> None:
        """Record a datagram that the service has sent."""
        conversation = self._open.get(address) or self._begin(address)
        if conversation is not None:
            conversation.sent += len(data)
            conversation.isQuiet = False
            if self._isWanted(address):
                conversation.tap.inside = self.inside
                self._noteWanted(address, conversation.tap.sent(data))

    def returned(self, totals: Iterable[tuple[DatagramAddress, int]]) -> None:
        """Count bytes that were returned unseen, by peer."""
        for address, total in totals:
            conversation = self._open.get(address)
            if conversation is not None:
                conversation.returned += total
                conversation.isQuiet = False

    def endConversation(self, address: DatagramAddress, reason: str = "service") -> None:
        """End a peer's conversation. Its next datagram begins another."""
        conversation = self._open.pop(address, None)
        if conversation is not None:
            self._complete.discard(address)
            age = monotonic() - conversation.opened
            self._recorder.closed(conversation, reason, conversation, age)

    def refuse(self, address: DatagramAddress, limit: str) -> None:
        """Publish that the service did not answer this peer."""
        self._events.publish(Refused(self._service, addressText(address), limit, monotonic()))

    def stop(self) -> None:
        """End all conversations: the port is closed."""
        for address in list(self._open):
            self.endConversation(address, "shutdown")
        if self._nextCheck is not None:
            self._nextCheck.cancel()
            self._nextCheck = None

    def traced(self, address: DatagramAddress) -> UDPConversation:
        """Return the conversation that events of a peer name; its number is 0 if it has none."""
        unrecorded = UDPConversation(0, self._service, addressText(address), monotonic())
        return self._open.get(address, unrecorded)

    def _begin(self, address: DatagramAddress) -> UDPConversation | None:
        if not self._recorder.isActive:
            return None
        now = monotonic()
        if not self._events.chunked and not self._bucket.allow(now):
            return None
        if len(self._open) >= MAX_CONVERSATIONS:
            self.endConversation(next(iter(self._open)), "crowd")
        conversation = UDPConversation(next(self._ids), self._service, addressText(address), now)
        self._open[address] = conversation
        assert self._port is not None
        host = addressText(self._port.getHost())
        kept = self._recorder.opened(conversation, host, conversation)
        conversation.tap = ConnectionTap(conversation, self._events, kept, LATER)
        if self._nextCheck is None:
            self._nextCheck = self._clock.callLater(1, self._check)
        return conversation

    def _isWanted(self, address: DatagramAddress) -> bool:
        return bool(self._events.chunked) or address not in self._complete

    def _noteWanted(self, address: DatagramAddress, isMoreWanted: bool) -> None:
        if not isMoreWanted:
            self._complete.add(address)

    def _check(self) -> None:
        now = monotonic()
        for address, conversation in list(self._open.items()):
            if not conversation.isQuiet:
                conversation.isQuiet = True
                conversation.quietSince = now
            elif now - conversation.quietSince >= QUIET_SECONDS:
                self.endConversation(address, "quiet")
        self._nextCheck = self._clock.callLater(1, self._check) if self._open else None
