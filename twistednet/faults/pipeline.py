"""Pipeline: passes each action of one connection through the faults that apply to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from twistednet.core.text import shown
from twistednet.faults.actions import Action
from twistednet.faults.actiontypes import ActionType
from twistednet.faults.active import ActiveFault
from twistednet.faults.model import KindState
from twistednet.faults.rules import Rule

#: Called each time a fault acts, with what it did.
Report = Callable[[ActiveFault, str], None]

_PASS = ActionType.PASS
#: The actions that faults are given. What a fault has added passes the faults after it.
_GIVEN = (
    ActionType.PASS,
    ActionType.ACCEPT,
    ActionType.ATTACH,
    ActionType.FIN,
    ActionType.CLOSE,
    ActionType.REQUEST,
)
_ENDS = (ActionType.END, ActionType.RESET)
_DATA = (ActionType.PASS, ActionType.HOLD, ActionType.OTHER_PORT)
#: Bytes of a request target that a report shows.
_MAX_TARGET_BYTES = 100


class TextMatcher:
    """Looks for a text in what the client sends.

    `isInChunk` says if it was in the newest chunk, `isPending` if it was sent since the
    service last sent something.
    """

    def __init__(self, text: str, isStream: bool) -> None:
        self._text = text.encode()
        #: Bytes to keep of a stream, where chunks may split the text.
        self._keptBytes = len(self._text) - 1 if isStream else 0
        self._tail = b""
        self.isInChunk = self.isPending = self._isAnswered = False

    def received(self, data: bytes) -> None:
        """Look at a chunk that the client has sent."""
        window = self._tail + data
        self._tail = window[-self._keptBytes :] if self._keptBytes else b""
        self.isInChunk = self._text in window
        self.isPending = self.isInChunk or (self.isPending and not self._isAnswered)
        self._isAnswered = False

    def answered(self) -> None:
        """The service has sent something."""
        self._isAnswered = True


class FaultState:
    """One fault and one connection that it applies to, opened at `opened` (seconds)."""

    def __init__(self, fault: ActiveFault, opened: float, now: float, isStream: bool) -> None:
        self.fault = fault
        self.matcher = None if fault.rule.text is None else TextMatcher(fault.rule.text, isStream)
        self._opened = opened
        self._state = KindState(fault.random)
        self._isStream = isStream
        self._countsConnections = fault.rule.kind.counts == "connections"
        choose = fault.choose if self._countsConnections else fault.chooseConnection
        self._isChosen = not fault.isOver(now) and choose()
        #: For kinds that count connections: the conditions held once; it has acted.
        self._isReached = self._hasActed = False

    def apply(self, action: Action, direction: str, report: Report) -> list[Action]:
        """Return what happens in place of the action."""
        rule, state = self.fault.rule, self._state
        if action.type is _PASS and rule.direction not in ("", direction):
            return [action]
        before = (rule.afterBytes or 0) - state.passedBytes
        if self._isStream and 0 < before < len(action.data):
            head = replace(action, data=action.data[:before])
            tail = replace(action, data=action.data[before:])
            state.passedBytes += before
            return [head, *self.apply(tail, direction, report)]
        actions = self._act(action, report) if self._isMeant(action, direction) else [action]
        state.passedBytes += len(action.data)
        state.passedChunks += action.type is _PASS
        return actions

    def _isMeant(self, action: Action, direction: str) -> bool:
        fault, kind = self.fault, self.fault.rule.kind
        if not self._isChosen or fault.isOver(action.at):
            return False
        if fault.isSpent and not self._hasActed:
            return False
        isReached = (self._countsConnections and self._isReached) or self._reaches(
            action, direction
        )
        if self._countsConnections:
            self._isReached = isReached
            return isReached and action.type in kind.actsOn
        return action.type in kind.actsOn and isReached and fault.choose()

    def _reaches(self, action: Action, direction: str) -> bool:
        """True if the conditions of the rule hold."""
        rule, matcher = self.fault.rule, self.matcher
        return (
            (rule.afterBytes is None or self._state.passedBytes >= rule.afterBytes)
            and (rule.afterTime is None or action.at - self._opened >= rule.afterTime)
            and (matcher is None or (matcher.isInChunk if direction == "in" else matcher.isPending))
        )

    def _act(self, action: Action, report: Report) -> list[Action]:
        rule = self.fault.rule
        actions = rule.kind.act(action, self._state, rule.values)
        if actions != [action] and not self._hasActed:
            self._hasActed = self._countsConnections
            self.fault.acted += 1
            report(self.fault, describe(action, actions, rule))
        return [
            replace(one, faultName=rule.kind.name, fault=self.fault) if one.type in _ENDS else one
            for one in actions
        ]


class Pipeline:
    """All faults that apply to one connection, in the order of their rules.

    Without `isStream`, each action of the client is whole: a datagram, or a request.
    """

    def __init__(
        self,
        faults: Iterable[ActiveFault],
        opened: float,
        now: float,
        report: Report,
        isStream: bool = True,
    ) -> None:
        self.opened = opened
        self._report = report
        self._isStream = isStream
        self._states: list[FaultState] = []
        self.replace(faults, now)

    def __len__(self) -> int:
        return len(self._states)

    @property
    def faults(self) -> set[ActiveFault]:
        """The faults that apply to the connection."""
        return {state.fault for state in self._states}

    def replace(self, faults: Iterable[ActiveFault], now: float) -> None:
        """Apply these faults from now on; those that stay keep what they remember."""
        before = {id(state.fault): state for state in self._states}
        self._states = [
            before.get(id(fault)) or FaultState(fault, self.opened, now, self._isStream)
            for fault in faults
        ]
        self._matchers = [state.matcher for state in self._states if state.matcher is not None]

    def apply(self, action: Action, direction: str = "") -> list[Action]:
        """Return what happens in place of the action."""
        for matcher in self._matchers:
            if direction == "in":
                matcher.received(action.data)
        actions = [action]
        for state in self._states:
            actions = [
                after
                for before in actions
                for after in (
                    state.apply(before, direction, self._report)
                    if before.type in _GIVEN
                    else [before]
                )
            ]
        for matcher in self._matchers:
            if direction == "out":
                matcher.answered()
        return actions


def describe(before: Action, after: list[Action], rule: Rule) -> str:
    """Return what the rule has done to an action, for people."""
    if before.type is ActionType.REQUEST:
        target = shown(before.data, _MAX_TARGET_BYTES)
        return f"{rule.kind.form.write(rule.values)} for {target}"
    types = [one.type.value for one in after if one.type not in (_PASS, before.type)]
    if before.type is _PASS:
        did = _describeData(before, after)
    else:
        did = [] if after else [f"no {before.type.value}"]
    return ", ".join(did + types) or f"{before.type.value} later"


def _describeData(before: Action, after: list[Action]) -> list[str]:
    """Return what has become of a chunk: its size, its bytes, its time, its pieces."""
    size = len(before.data)
    passed = b"".join(one.data for one in after if one.type in _DATA)
    did = []
    if len(passed) > size:
        did.append(f"{len(passed)} B in place of {size}")
    elif len(passed) < size:
        did.append(f"{len(passed)} of {size} B passed")
    elif passed != before.data:
        changed = sum(a != b for a, b in zip(passed, before.data, strict=True))
        did.append(f"{changed} of {size} B changed")
    wait = max((one.at - before.at for one in after), default=0.0)
    if wait:
        did.append(f"{size} B {wait:.3f} s later")
    pieces = sum(one.pieces for one in after if one.type is _PASS)
    if pieces > 1:
        did.append(f"in {pieces} pieces")
    return did
