"""Rules in force: what happens to which step of which connection, by their counts and draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import count
from random import Random, SystemRandom
from typing import Any

from twistednet.faults.rules import Rule

#: IPv4 addresses as a socket for both families has them (RFC 4291, 2.5.5.2).
_MAPPED = ip_network("::ffff:0:0/96")


class ActiveFault:
    """A rule in force since `since` (seconds), with its number, its seed and its counts.

    `seen` is how many there were to choose from, of what the kind counts, and `acted`
    how many of them something happened to; `met` is how many connections there were.
    """

    def __init__(self, rule: Rule, seed: int, since: float, id: int = 0) -> None:
        self.id = id
        #: As it was asked for, and with the seed that it has got.
        self.asked = rule
        self.rule = replace(rule, seed=seed)
        # Told each time it acts, and costs more than most of what is done.
        self._text = str(self.rule)
        self.seed = seed
        self.since = since
        self.met = self.seen = self.acted = 0
        self.random = Random(seed)

    def __str__(self) -> str:
        return self._text

    def reset(self) -> None:
        """Count and draw as if it had just come into force."""
        self.met = self.seen = self.acted = 0
        self.random.seed(self.seed)

    def concerns(self, service: str, host: str | None, carrier: str) -> bool:
        """Can it act on such a connection at all?"""
        rule = self.rule
        if service != rule.service or carrier not in rule.kind.carriers:
            return False
        return rule.network is None or (host is not None and _isIn(host, rule.network))

    @property
    def until(self) -> float:
        """When it has run out (seconds)."""
        return float("inf") if self.rule.lasting is None else self.since + self.rule.lasting

    def isOver(self, now: float) -> bool:
        return now >= self.until

    @property
    def isSpent(self) -> bool:
        """Has it acted as often as it may?"""
        return self.rule.times is not None and self.acted >= self.rule.times

    def admits(self) -> bool:
        """Count one more connection, and say whether something may happen on it."""
        self.met += 1
        return self.rule.choosesConnection(self.met, self.random)

    def choose(self) -> bool:
        """Count one more, and say whether it is one of those that are meant."""
        self.seen += 1
        return self.rule.chooses(self.seen, self.random)


def _isIn(host: str, network: Any) -> bool:
    own = ip_address(host.partition("%")[0])
    address = getattr(own, "ipv4_mapped", None) or own
    if address.version == 4 and network.version == 6 and network.subnet_of(_MAPPED):
        # As an event of a socket for both has it.
        address = ip_address(f"::ffff:{address}")
    return address in network


class ActiveFaults:
    """The rules in force, in their order."""

    def __init__(self, draw: Callable[[], int] | None = None) -> None:
        self._draw = draw or (lambda: SystemRandom().randrange(2**31))
        self._faults: list[ActiveFault] = []
        self._ids = count(1)

    def __iter__(self) -> Iterator[ActiveFault]:
        return iter(self._faults)

    def __len__(self) -> int:
        return len(self._faults)

    def replace(self, rules: Iterable[Rule], now: float, isAnew: bool = False) -> bool:
        """These are in force from now on. One that was stays as it is, with its seed and
        counts, unless all are to begin anew. Has anything changed?"""
        before = self._faults[:]
        left = [] if isAnew else self._faults[:]
        self._faults = []
        for rule in rules:
            same = next((one for one in left if rule in (one.asked, one.rule)), None)
            if same is not None:
                left.remove(same)
            seed = self._draw() if rule.seed is None else rule.seed
            self._faults.append(same or ActiveFault(rule, seed, now, next(self._ids)))
        return self._faults != before

    def left(self, now: float) -> float | None:
        """Seconds until the next one has run out; None if none ever will."""
        times = [fault.until - now for fault in self._faults if not fault.isOver(now)]
        left = min(times, default=float("inf"))
        return None if left == float("inf") else left

    def concerning(
        self, service: str, host: str | None, carrier: str, opened: float
    ) -> list[ActiveFault]:
        """Those that can act on what this peer and this service say to each other."""
        return [
            fault
            for fault in self._faults
            if fault.concerns(service, host, carrier)
            and (opened >= fault.since or not (fault.rule.isNew or fault.rule.kind.isForNew))
        ]
