"""Places of the admin site: how many connections it serves, and which of them give way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.python.failure import Failure

from twistednet.admin.access import Access
from twistednet.core.limits import Admission, AdmissionControl
from twistednet.core.text import addressText, hostOf
from twistednet.transport.closing import queuedBytes, setCloseReason
from twistednet.transport.http import BoundedChannel, BoundedSite
from twistednet.transport.httprequest import BoundedRequest

#: Connections in all, and from one address; new connections a second from one address.
PLACES = 100
PEER_PLACES = 20
PEER_RATE = 20
#: Connections that can keep their place for a request with the token. The other places are left
#: to health probes, and to requests that are only about to show the token.
HELD = 90
#: The targets of health probes, as a list that has one.
PROBES = ([b"/livez"], [b"/readyz"])

#: The limits that a connection is reported with.
GAVE_WAY, REQUESTS = "gave way", "requests"


class AdminChannel(BoundedChannel):
    """One connection to the admin site, which may have to give way to a new one."""

    site: PlacedSite
    #: True if the present request has the token.
    hasToken = False
    #: True if too many others are being answered, so that it gets a 503.
    isRefused = False
    _hadRequest = False

    @property
    def isProbe(self) -> bool:
        """True if the present request is a health probe, which is answered in any case."""
        return self.headerLines[0].split(b" ")[1:2] in PROBES

    @property
    def isBusy(self) -> bool:
        """True if a request has begun, or its response is not sent."""
        return bool(self.requests) or queuedBytes(self.transport) > 0

    @property
    def isIdle(self) -> bool:
        """True if everything was answered, and the next request is awaited."""
        return self._hadRequest and not self.isBusy

    @property
    def isHeld(self) -> bool:
        """True if it keeps its place: it serves a request that has the token."""
        return self.hasToken and self.isBusy

    def connectionMade(self) -> None:
        super().connectionMade()
        self.site.places.add(self)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.site.places.remove(self)
        super().connectionLost(reason)

    def allHeadersReceived(self) -> None:
        super().allHeadersReceived()
        self._hadRequest = True
        if not self.isFinished:
            self.site.places.hold(self, self.requests[-1])


class Places(AdmissionControl):
    """Admission to the admin site: a new connection is admitted, and another gives way to it.

    That is the one that has been idle for longest. If none is idle, it is the one whose last
    request, or begin, was longest ago among those that have not shown the token in the request
    that they serve. Clients on loopback have no limits for each address. `report` is called with
    the address of a peer that was refused or gave way, and the limit.
    """

    def __init__(self, access: Access, report: Callable[[str, str], None]) -> None:
        # The connections that gave way are still counted there until the reactor's next turn.
        super().__init__(Admission(2 * PLACES, PEER_PLACES, PEER_RATE))
        self._access = access
        self._report = report
        #: By the time of their last request.
        self._channels: dict[AdminChannel, None] = {}

    def refusal(self, peer: str | None, now: float) -> str | None:
        limit = super().refusal(peer, now)
        if limit == "connections per peer" and self._rates.allow(peer or "", now):
            return None if self._makeRoom(peer) else limit
        if limit is None and len(self._channels) >= PLACES and not self._makeRoom(None):
            return "connections"
        return limit

    def add(self, channel: AdminChannel) -> None:
        self._channels[channel] = None

    def remove(self, channel: AdminChannel) -> None:
        self._channels.pop(channel, None)

    def hold(self, channel: AdminChannel, request: BoundedRequest) -> None:
        """Note a request whose header is complete: if it has the token, its place is kept.

        It is refused if too many have such places already.
        """
        if channel in self._channels:
            # The latest of all from now on.
            self._channels[channel] = self._channels.pop(channel)
        channel.hasToken = channel.isRefused = False
        if not channel.isProbe and self._access.hasToken(request):
            channel.isRefused = sum(one.isHeld for one in self._channels) >= HELD
            channel.hasToken = not channel.isRefused
            if channel.isRefused:
                self._report(addressText(channel.getPeer()), REQUESTS)

    def _makeRoom(self, peer: str | None) -> bool:
        """Close one connection, of this peer if one is named. False if none gives way."""
        for isReady in (_isIdle, _isNotHeld):
            found = next(filter(isReady, self._of(peer)), None)
            if found is not None:
                self._giveWay(found)
                return True
        return False

    def _of(self, peer: str | None) -> Iterator[AdminChannel]:
        for channel in self._channels:
            if peer is None or hostOf(channel.getPeer()) == peer:
                yield channel

    def _giveWay(self, channel: AdminChannel) -> None:
        self._report(addressText(channel.getPeer()), GAVE_WAY)
        self.remove(channel)
        setCloseReason(channel.transport, GAVE_WAY)
        if channel.isIdle:
            channel.transport.loseConnection()
        else:
            channel.transport.abortConnection()


class PlacedSite(BoundedSite):
    """A site whose connections have `places`."""

    places: Places


def _isIdle(channel: AdminChannel) -> bool:
    return channel.isIdle


def _isNotHeld(channel: AdminChannel) -> bool:
    return not channel.isHeld
