"""The active rules, with their counts and random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import count
from random import Random, SystemRandom

from twistednet.core.text import ipAddress
from twistednet.faults.model import Carrier
from twistednet.faults.rules import Rule

#: IPv4 addresses as a socket for both families has them (RFC 4291, 2.5.5.2).
_MAPPED = IPv6Network("::ffff:0:0/96")
_NEVER = float("inf")


class ActiveFault:
    """A rule that is active since `since` (seconds), with its number, seed and counts.

    `connections` is how many connections it has applied to, `seen` how many it has chosen
    from, of what the kind counts, and `acted` how many of those it has acted on.
    """

    def __init__(self, rule: Rule, seed: int, since: float, id: int = 0) -> None:
        self.id = id
        #: The rule as it was requested, and with the seed that was drawn for it.
        self.requested = rule
        self.rule = replace(rule, seed=seed)
        # Reported each time that it acts, and expensive.
        self._text = str(self.rule)
        self.seed = seed
        self.since = since
        self.connections = self.seen = self.acted = 0
        self.random = Random(seed)

    def __str__(self) -> str:
        return self._text

    def reset(self) -> None:
        """Count and draw as if the rule had just become active."""
        self.connections = self.seen = self.acted = 0
        self.random.seed(self.seed)

    def matches(self, service: str, host: str | None, carrier: Carrier) -> bool:
        """True if it can act on such a connection at all."""
        rule = self.rule
        if service != rule.service or carrier not in rule.kind.carriers:
            return False
        return rule.network is None or (host is not None and _isIn(host, rule.network))

    @property
    def endsAt(self) -> float:
        """The time at which it is over (seconds)."""
        return _NEVER if self.rule.lasting is None else self.since + self.rule.lasting

    def isOver(self, now: float) -> bool:
        """True if its time is over."""
        return now >= self.endsAt

    @property
    def isSpent(self) -> bool:
        """True if it has acted as often as it may."""
        return self.rule.times is not None and self.acted >= self.rule.times

    def chooseConnection(self) -> bool:
        """Count one more connection. True if the rule can act on it."""
        self.connections += 1
        return self.rule.choosesConnection(self.connections, self.random)

    def choose(self) -> bool:
        """Count one more, of what the kind counts. True if the rule acts on it."""
        self.seen += 1
        return self.rule.chooses(self.seen, self.random)


def _isIn(host: str, network: IPv4Network | IPv6Network) -> bool:
    address = ipAddress(host)
    if address.version == 4 and isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        # Events of a socket for both families have it so.
        address = ip_address(f"::ffff:{address}")
    return address in network


class ActiveFaults:
    """The active rules, in their order."""

    def __init__(self, draw: Callable[[], int] | None = None) -> None:
        self._draw = draw or (lambda: SystemRandom().randrange(2**31))
        self._faults: list[ActiveFault] = []
        self._ids = count(1)

    def __iter__(self) -> Iterator[ActiveFault]:
        return iter(self._faults)

    def __len__(self) -> int:
        return len(self._faults)

    def replace(self, rules: Iterable[Rule], now: float, isReset: bool = False) -> bool:
        """Make these the active rules. Return True if that changes anything.

        A rule that is active already keeps its seed and its counts, unless all are reset.
        """
        before = self._faults[:]
        left = [] if isReset else self._faults[:]
        self._faults = []
        for rule in rules:
            same = next((fault for fault in left if rule in (fault.requested, fault.rule)), None)
            if same is not None:
                left.remove(same)
            seed = self._draw() if rule.seed is None else rule.seed
            self._faults.append(same or ActiveFault(rule, seed, now, next(self._ids)))
        return self._faults != before

    def secondsLeft(self, now: float) -> float | None:
        """Return the seconds until the next rule is over; None if that never happens."""
        left = min(
            (one.endsAt - now for one in self._faults if not one.isOver(now)), default=_NEVER
        )
        return None if left == _NEVER else left

    def matching(
        self, service: str, host: str | None, carrier: Carrier, opened: float
    ) -> list[ActiveFault]:
        """Return those that apply to a connection of this peer, opened at this time (seconds)."""
        return [
            fault
            for fault in self._faults
            if fault.matches(service, host, carrier)
            and (opened >= fault.since or not _isForNewOnly(fault.rule))
        ]


def _isForNewOnly(rule: Rule) -> bool:
    return rule.newConnections is not None or rule.kind.newConnectionsOnly
