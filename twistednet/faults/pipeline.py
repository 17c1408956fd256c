"""What happens to the steps of one connection, by the faults that concern it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from twistednet.core.text import shown
from twistednet.faults.active import ActiveFault
from twistednet.faults.model import Action, KindState
from twistednet.faults.rules import Rule

#: Told of each time a fault acts, with what it did.
Tell = Callable[[ActiveFault, str], None]


class TextMatcher:
    """Has the client said a text: in its newest chunk, and since it got something?"""

    def __init__(self, text: str, isStream: bool) -> None:
        self._text = text.encode()
        #: How much is kept of a stream, where a text may be split over chunks.
        self._kept = len(self._text) - 1 if isStream else 0
        self._tail = b""
        self.isNew = self.isThere = self._isAnswered = False

    def hear(self, data: bytes) -> None:
        window = self._tail + data
        self._tail = window[-self._kept :] if self._kept else b""
        self.isNew = self._text in window
        self.isThere = self.isNew or (self.isThere and not self._isAnswered)
        self._isAnswered = False

    def answered(self) -> None:
        self._isAnswered = True


class FaultState:
    """One fault, and one connection that it concerns, opened at `opened` (seconds)."""

    def __init__(self, fault: ActiveFault, opened: float, now: float, isStream: bool) -> None:
        self.fault = fault
        self.ear = None if fault.rule.text is None else TextMatcher(fault.rule.text, isStream)
        self._opened = opened
        self._memory = KindState(fault.random)
        self._isStream = isStream
        self._counts = fault.rule.kind.counts == "connections"
        choose = fault.choose if self._counts else fault.admits
        self._isChosen = not fault.isOver(now) and choose()
        #: Of a connection that was chosen: have the other conditions been met? Told of it?
        self._isReached = self._hasBegun = False

    def apply(self, step: Action, direction: str, tell: Tell) -> list[Action]:
        """The steps to take instead."""
        rule = self.fault.rule
        if step.act == "pass" and rule.direction not in ("", direction):
            return [step]
        least = (rule.afterBytes or 0) - self._memory.passed
        if self._isStream and 0 < least < len(step.data):
            head = replace(step, data=step.data[:least])
            tail = replace(step, data=step.data[least:])
            self._memory.passed += least
            return [head, *self.apply(tail, direction, tell)]
        steps = self._acted(step, tell) if self._isMeant(step, direction) else [step]
        self._memory.passed += len(step.data)
        self._memory.chunks += step.act == "pass"
        return steps

    def _isMeant(self, step: Action, direction: str) -> bool:
        fault, kind = self.fault, self.fault.rule.kind
        if not self._isChosen or fault.isOver(step.at):
            return False
        if fault.isSpent and not self._hasBegun:
            return False
        isReached = (self._counts and self._isReached) or self._reaches(step, direction)
        if self._counts:
            self._isReached = isReached
            return isReached and step.act in kind.on
        return step.act in kind.on and isReached and fault.choose()

    def _reaches(self, step: Action, direction: str) -> bool:
        rule, ear = self.fault.rule, self.ear
        return (
            (rule.afterBytes is None or self._memory.passed >= rule.afterBytes)
            and (rule.afterTime is None or step.at - self._opened >= rule.afterTime)
            and (ear is None or (ear.isNew if direction == "in" else ear.isThere))
        )

    def _acted(self, step: Action, tell: Tell) -> list[Action]:
        rule = self.fault.rule
        steps = rule.kind.act(step, self._memory, *rule.values)
        if steps != [step] and not self._hasBegun:
            self._hasBegun = self._counts
            self.fault.acted += 1
            tell(self.fault, told(step, steps, rule))
        return [
            replace(one, by=rule.kind.name, of=self.fault) if one.act in ("end", "reset") else one
            for one in steps
        ]


class Pipeline:
    """All faults that concern one connection, in the order of their rules.

    Without `isStream`, what the client sends is whole by itself: datagrams, requests.
    """

    def __init__(
        self,
        faults: Iterable[ActiveFault],
        opened: float,
        now: float,
        tell: Tell,
        isStream: bool = True,
    ) -> None:
        self.opened = opened
        self._tell = tell
        self._isStream = isStream
        self._grips: list[FaultState] = []
        self.replace(faults, now)

    def __len__(self) -> int:
        return len(self._grips)

    @property
    def faults(self) -> set[ActiveFault]:
        """Those that concern it."""
        return {grip.fault for grip in self._grips}

    def replace(self, faults: Iterable[ActiveFault], now: float) -> None:
        """Others concern it from now on; those that stay remember what they did."""
        before = {id(grip.fault): grip for grip in self._grips}
        self._grips = [
            before.get(id(fault)) or FaultState(fault, self.opened, now, self._isStream)
            for fault in faults
        ]

    def steps(self, step: Action, direction: str = "") -> list[Action]:
        """What is to be done in place of this step."""
        ears = [grip.ear for grip in self._grips if grip.ear is not None]
        for ear in ears:
            if direction == "in":
                ear.hear(step.data)
        steps = [step]
        for grip in self._grips:
            steps = [
                after
                for before in steps
                for after in (
                    grip.apply(before, direction, self._tell)
                    if before.act in ("accept", "join", "pass", "fin", "close", "request")
                    else [before]
                )
            ]
        for ear in ears:
            if direction == "out":
                ear.answered()
        return steps


def told(before: Action, after: list[Action], rule: Rule) -> str:
    """What has become of a step by this rule, for people."""
    if before.act == "request":
        return f"{rule.kind.form.write(rule.values)} for {shown(before.data, 100)}"
    size = len(before.data)
    passed = b"".join(step.data for step in after if step.act in ("pass", "hold", "astray"))
    acts = [step.act for step in after if step.act not in ("pass", before.act)]
    did = []
    if before.act == "pass":
        if len(passed) > size:
            did.append(f"{len(passed)} B in place of {size}")
        elif len(passed) < size:
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
