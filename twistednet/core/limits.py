"""How much one peer may ask for: rates and counts, without a clock of their own."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass


def isLocal(host: str | None) -> bool:
    """Is this the loopback range, or no internet address at all (a UNIX socket)?"""
    return host is None or host == "::1" or host.startswith(("127.", "::ffff:127."))


class TokenBucket:
    """Lets `burst` through at once, then `rate` a second; time is in seconds."""

    __slots__ = ("_tokens", "_updated", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._updated = 0.0

    def ready(self, now: float) -> bool:
        """Is there a token?"""
        elapsed = max(0.0, now - self._updated)
        self._tokens = min(self.burst, self._tokens + elapsed * self.rate)
        self._updated = now
        return self._tokens >= 1

    def allow(self, now: float, count: float = 1) -> bool:
        """Take one token, or `count` of which some are owed, if there is one."""
        if not self.ready(now):
            return False
        self._tokens -= count
        return True

    def wait(self) -> float:
        """Seconds from the last `allow` until one would succeed."""
        return max(0.0, 1 - self._tokens) / self.rate


class PeerRates:
    """A `TokenBucket` for each peer, for the peers seen last (10,000 at most)."""

    def __init__(self, rate: float, burst: float, most: int = 10_000) -> None:
        self.rate = rate
        self.burst = burst
        self.most = most
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def allow(self, peer: str, now: float) -> bool:
        """Take one token of `peer`'s, if there is one."""
        bucket = self._buckets.get(peer)
        if bucket is None:
            bucket = self._buckets[peer] = TokenBucket(self.rate, self.burst)
            if len(self._buckets) > self.most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(peer)
        return bucket.allow(now)


@dataclass(frozen=True)
class Admission:
    """Who may connect: limits on all connections, and on those of one peer.

    `rate` is new connections a second from one peer, after `rate` at once.
    """

    total: int
    perPeer: int
    rate: float


class AdmissionControl:
    """Counts who is in, and says why one more may not come in.

    A peer of None (loopback, a UNIX socket) is counted in the total alone.
    """

    def __init__(self, admission: Admission) -> None:
        self.total = 0
        self._perPeer: Counter[str] = Counter()
        self.admission = admission

    @property
    def admission(self) -> Admission:
        return self._admission

    @admission.setter
    def admission(self, admission: Admission) -> None:
        self._admission = admission
        self._rates = PeerRates(admission.rate, max(1.0, admission.rate))

    def refusal(self, peer: str | None, now: float) -> str | None:
        """The name of the limit that forbids one more, or None."""
        if self.total >= self.admission.total:
            return "connections"
        if peer is None:
            return None
        if self._perPeer[peer] >= self.admission.perPeer:
            return "connections per peer"
        if not self._rates.allow(peer, now):
            return "connection rate"
        return None

    def enter(self, peer: str | None) -> None:
        self.total += 1
        if peer is not None:
            self._perPeer[peer] += 1

    def leave(self, peer: str | None) -> None:
        self.total -= 1
        if peer is not None:
            self._perPeer[peer] -= 1
            if not self._perPeer[peer]:
                del self._perPeer[peer]
