"""Limits of peers: token buckets, rates for each address, admission of connections."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from twistednet.core.text import ipAddress

Network = IPv4Network | IPv6Network


def isLocal(host: str | None) -> bool:
    """True for a loopback address, and for None, which stands for a UNIX socket."""
    return host is None or host == "::1" or host.startswith(("127.", "::ffff:127."))


@dataclass(frozen=True)
class LocalPeers:
    """The peers that count as local: loopback, UNIX sockets, and those in `networks`."""

    networks: tuple[Network, ...] = ()

    def covers(self, host: str | None) -> bool:
        """True if a peer with this address counts as local; None stands for a UNIX socket."""
        if isLocal(host):
            return True
        if host is None or not self.networks:
            return False
        address = ipAddress(host)
        return any(address in network for network in self.networks)


def networksOf(texts: Iterable[str]) -> tuple[Network, ...]:
    """Parse networks, such as 172.16.0.0/12. Raises ValueError, also if they are the whole world.

    A network of IPv4-mapped addresses (RFC 4291, 2.5.5.2) is one of IPv4.
    """
    networks = tuple(map(_network, texts))
    joined: list[Network] = [
        *collapse_addresses(one for one in networks if isinstance(one, IPv4Network)),
        *collapse_addresses(one for one in networks if isinstance(one, IPv6Network)),
    ]
    for one in joined:
        if one.prefixlen == 0:
            raise ValueError(f"{one} is everybody: name the network of your tests alone")
    return networks


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a network: write it as 172.16.0.0/12") from None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


#: Bits of an IPv4-mapped address before the IPv4 address.
_MAPPED_BITS = 96


class TokenBucket:
    """Allows `burst` at once, then `rate` a second. The caller passes the time in seconds."""

    __slots__ = ("_tokens", "_updated", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._updated = 0.0

    def ready(self, now: float) -> bool:
        """True if there is a token."""
        elapsed = max(0.0, now - self._updated)
        self._tokens = min(self.burst, self._tokens + elapsed * self.rate)
        self._updated = now
        return self._tokens >= 1

    def allow(self, now: float, count: float = 1) -> bool:
        """Take `count` tokens if there is one; the others become a debt. True if so."""
        if not self.ready(now):
            return False
        self._tokens -= count
        return True

    def wait(self) -> float:
        """Return the seconds from the last `allow` until the next can succeed."""
        return max(0.0, 1 - self._tokens) / self.rate


class PeerRates:
    """A `TokenBucket` for each of the peers that were active last, `maxPeers` at most."""

    def __init__(self, rate: float, burst: float, maxPeers: int = 10_000) -> None:
        self.rate = rate
        self.burst = burst
        self.maxPeers = maxPeers
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def allow(self, peer: str, now: float) -> bool:
        """Take one token from the bucket of `peer`. True if there was one."""
        bucket = self._buckets.get(peer)
        if bucket is None:
            bucket = self._buckets[peer] = TokenBucket(self.rate, self.burst)
            if len(self._buckets) > self.maxPeers:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(peer)
        return bucket.allow(now)


@dataclass(frozen=True)
class Admission:
    """The limits of admission: open connections in all, and from one peer.

    `rate` is new connections a second from one peer, after `rate` at once.
    """

    total: int
    perPeer: int
    rate: float


class AdmissionControl:
    """Counts the open connections, and decides whether one more is admitted.

    A peer of None (loopback, a UNIX socket) counts in the total alone.
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

    @property
    def isCrowded(self) -> bool:
        """True if nine of ten connections that are allowed are open."""
        return self.total >= 0.9 * self._admission.total

    def refusal(self, peer: str | None, now: float) -> str | None:
        """Return the limit that forbids one more connection, or None."""
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
