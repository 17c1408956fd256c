"""Rules in force: what happens to which step of which connection, by their counts and draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from itertools import count
from random import Random, SystemRandom

from twistednet.core.faultrules import Rule
from twistednet.core.faultsteps import Memory, Step


class Fault:
    """A rule in force since `since` (seconds), with its number, its seed and its counts.

    `seen` is how many there were to choose from, of what the kind counts, and `acted`
    how many of them something happened to.
    """

    def __init__(self, rule: Rule, seed: int, since: float, id: int = 0) -> None:
        self.id = id
        #: As it was asked for, and with the seed that it has got.
        self.asked = rule
        self.rule = replace(rule, seed=seed)
        self.seed = seed
        self.since = since
        self.seen = self.acted = 0
        self.random = Random(seed)

    def __str__(self) -> str:
        return str(self.rule)

    def reset(self) -> None:
        """Count and draw as if it had just come into force."""
        self.seen = self.acted = 0
        self.random.seed(self.seed)

    def concerns(self, service: str, host: str | None, carrier: str) -> bool:
        """Can it act on such a connection at all?"""
        rule = self.rule
        if service != rule.service or carrier not in rule.kind.carriers:
            return False
        return rule.network is None or (host is not None and _isIn(host, rule.network))

    def isOver(self, now: float) -> bool:
        lasting = self.rule.lasting
        return lasting is not None and now - self.since >= lasting

    @property
    def isSpent(self) -> bool:
        """Has it acted as often as it may?"""
        return self.rule.times is not None and self.acted >= self.rule.times

    def choose(self) -> bool:
        """Count one more, and say whether it is one of those that are meant."""
        self.seen += 1
        percent = self.rule.percent
        # Drawn whatever else the rule says, so that the schedule depends on counts alone.
        isDrawn = percent is None or self.random.random() * 100 < percent
        return isDrawn and self.rule.mayChoose(self.seen)


def _isIn(host: str, network: object) -> bool:
    address = ip_address(host.partition("%")[0])
    return (getattr(address, "ipv4_mapped", None) or address) in network  # type: ignore[operator]


#: Told of each time a fault acts, with what it did.
Tell = Callable[[Fault, str], None]


class Grip:
    """One fault, and one connection that it concerns, opened at `opened` (seconds)."""

    def __init__(self, fault: Fault, opened: float, now: float) -> None:
        self.fault = fault
        self._opened = opened
        self._memory = Memory(fault.random)
        self._counts = fault.rule.kind.counts == "connections"
        self._isChosen = not self._counts or (not fault.isOver(now) and fault.choose())
        #: Of a connection that was chosen: have the other conditions been met? Told of it?
        self._isReached = self._hasBegun = False

    def apply(self, step: Step, direction: str, said: bytes, tell: Tell) -> list[Step]:
        """The steps to take instead; `said` is the client's last chunk."""
        rule = self.fault.rule
        if step.act == "pass" and rule.direction not in ("", direction):
            return [step]
        least = (rule.afterBytes or 0) - self._memory.passed
        if 0 < least < len(step.data):
            head = replace(step, data=step.data[:least])
            tail = replace(step, data=step.data[least:])
            return [self._passed(head)[0], *self.apply(tail, direction, said, tell)]
        steps = self._acted(step, tell) if self._isMeant(step, said) else [step]
        self._passed(step)
        return steps

    def _passed(self, step: Step) -> list[Step]:
        self._memory.passed += len(step.data)
        return [step]

    def _isMeant(self, step: Step, said: bytes) -> bool:
        fault, kind = self.fault, self.fault.rule.kind
        if not self._isChosen or fault.isOver(step.at):
            return False
        if fault.isSpent and not self._hasBegun:
            return False
        isReached = (self._counts and self._isReached) or self._reaches(step, said)
        if self._counts:
            self._isReached = isReached
            return isReached and step.act in kind.on
        return step.act in kind.on and isReached and fault.choose()

    def _reaches(self, step: Step, said: bytes) -> bool:
        rule = self.fault.rule
        return (
            (rule.afterBytes is None or self._memory.passed >= rule.afterBytes)
            and (rule.afterTime is None or step.at - self._opened >= rule.afterTime)
            and (rule.text is None or rule.text.encode() in said)
        )

    def _acted(self, step: Step, tell: Tell) -> list[Step]:
        rule = self.fault.rule
        steps = rule.kind.act(step, self._memory, *rule.values)
        if steps != [step] and not self._hasBegun:
            self._hasBegun = self._counts
            self.fault.acted += 1
            tell(self.fault, told(step, steps))
        return [
            replace(one, by=rule.kind.name) if one.act in ("end", "reset") else one for one in steps
        ]


class Plan:
    """All faults that concern one connection, in the order of their rules."""

    def __init__(self, faults: Iterable[Fault], opened: float, now: float, tell: Tell) -> None:
        self.opened = opened
        self._tell = tell
        self._said = b""
        self._grips = [Grip(fault, opened, now) for fault in faults]

    def __len__(self) -> int:
        return len(self._grips)

    def replace(self, faults: Iterable[Fault], now: float) -> None:
        """Others concern it from now on; those that stay remember what they did."""
        before = {id(grip.fault): grip for grip in self._grips}
        self._grips = [before.get(id(fault)) or Grip(fault, self.opened, now) for fault in faults]

    def steps(self, step: Step, direction: str = "") -> list[Step]:
        """What is to be done in place of this step."""
        if direction == "in" and step.act == "pass":
            self._said = step.data
        steps = [step]
        for grip in self._grips:
            steps = [
                after
                for before in steps
                for after in (
                    grip.apply(before, direction, self._said, self._tell)
                    if before.act in ("accept", "join", "pass", "fin", "close")
                    else [before]
                )
            ]
        return steps


class Faults:
    """The rules in force, in their order."""

    def __init__(self, draw: Callable[[], int] | None = None) -> None:
        self._draw = draw or (lambda: SystemRandom().randrange(2**31))
        self._faults: list[Fault] = []
        self._ids = count(1)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def __len__(self) -> int:
        return len(self._faults)

    def replace(self, rules: Iterable[Rule], now: float) -> bool:
        """These are in force from now on. One that was stays as it is, with its seed and
        counts. Has anything changed?"""
        before = self._faults[:]
        left = self._faults[:]
        self._faults = []
        for rule in rules:
            same = next((one for one in left if rule in (one.asked, one.rule)), None)
            if same is not None:
                left.remove(same)
            seed = self._draw() if rule.seed is None else rule.seed
            self._faults.append(same or Fault(rule, seed, now, next(self._ids)))
        return self._faults != before

    def concerning(
        self, service: str, host: str | None, carrier: str, opened: float
    ) -> list[Fault]:
        """Those that can act on what this peer and this service say to each other."""
        return [
            fault
            for fault in self._faults
            if fault.concerns(service, host, carrier)
            and (not fault.rule.isNew or opened >= fault.since)
        ]


def told(before: Step, after: list[Step]) -> str:
    """What has become of a step, for people."""
    size = len(before.data)
    passed = b"".join(step.data for step in after if step.act in ("pass", "hold", "astray"))
    acts = [step.act for step in after if step.act not in ("pass", before.act)]
    did = []
    if before.act == "pass":
        if len(passed) != size:
            did.append(f"{len(passed)} of {size} B passed")
        elif passed != before.data:
            changed = sum(a != b for a, b in zip(passed, before.data, strict=True))
            did.append(f"{changed} of {size} B changed")
        wait = max((step.at - before.at for step in after), default=0.0)
        if wait:
            did.append(f"{size} B {wait:.3f} s later")
        pieces = sum(step.pieces for step in after if step.act == "pass")
        if pieces > 1:
            did.append(f"in {pieces} pieces")
    elif not after:
        did.append(f"no {before.act}")
    return ", ".join(did + acts) or f"{before.act} later"
