"""Kinds of faults: one class for each carrier, and what a kind remembers of a connection.

A kind is given one action that is about to happen, and returns those that happen in its
place. It knows no socket and no clock: the times of actions are the earliest ones, and
`inject` keeps their order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from twistednet.faults.actions import Action
from twistednet.faults.actiontypes import ActionType
from twistednet.faults.responseparts import ResponseParts
from twistednet.faults.values import BadWord, Form

#: What a fault can be carried by.
Carrier = Literal["stream", "listener", "datagram", "request"]

#: Called with an action, the `KindState` and the rule's values; returns what happens instead.
FaultFunction = Callable[..., list[Action]]
#: Called with the parts of a response and the rule's values; returns the edited parts.
ResponseEdit = Callable[..., ResponseParts]


@dataclass
class KindState:
    """What a fault remembers of one connection."""

    random: Random
    #: Bytes and chunks that have passed before, in the rule's direction.
    passedBytes: int = 0
    passedChunks: int = 0
    #: For the kind's function alone: a time (seconds), and whether it has done all it does.
    nextTime: float = 0.0
    isOver: bool = False


@dataclass(frozen=True)
class FaultKind(ABC):
    """What all kinds have: how rules write them, and which qualifiers fit.

    `syntax` is how a rule writes it, as in `latency TIME [jitter TIME]`: each capital word
    is a value of that type (see `values.TYPES`), and what is in brackets may be left out.
    A rule may also be written with one of the `aliases`. `name` is for the log and
    metrics; without one it is the first word of the syntax.
    """

    syntax: str
    name: str = field(default="", kw_only=True)
    aliases: tuple[str, ...] = field(default=(), kw_only=True)
    #: What "first 2" counts: connections, chunks (over UDP: datagrams), requests, listeners.
    counts: str = field(init=False)
    #: The direction of a rule that names none; "" if a rule cannot name one.
    direction: str = field(init=False)
    #: The actions that it is given.
    actsOn: tuple[ActionType, ...] = field(init=False)
    #: True if it does not apply to connections that were opened before the rule.
    newConnectionsOnly: bool = field(default=False, init=False)
    form: Form = field(init=False, compare=False, repr=False)
    #: The form, then those of the aliases.
    forms: tuple[Form, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        forms = tuple(Form(syntax) for syntax in (self.syntax, *self.aliases))
        object.__setattr__(self, "name", self.name or self.syntax.split()[0])
        object.__setattr__(self, "forms", forms)
        object.__setattr__(self, "form", forms[0])

    @property
    @abstractmethod
    def carriers(self) -> frozenset[Carrier]:
        """What it is carried by; a service needs one of these."""

    @abstractmethod
    def act(self, action: Action, state: KindState, values: tuple[object, ...]) -> list[Action]:
        """Return what happens in place of `action`."""

    def checkQualifiers(self, given: Mapping[str, object]) -> None:
        """Raise BadWord if a rule of this kind cannot have one of the qualifiers, by name."""
        if "direction" in given and not self.direction:
            raise BadWord(f"{self.form} has no direction: leave {given['direction']!r} out")


@dataclass(frozen=True)
class _DataFaultKind(FaultKind):
    """A kind whose function is given actions."""

    function: FaultFunction

    def act(self, action: Action, state: KindState, values: tuple[object, ...]) -> list[Action]:
        return self.function(action, state, *values)


@dataclass(frozen=True)
class StreamFaultKind(_DataFaultKind):
    """A kind of fault of connections over TCP, TLS or UNIX sockets.

    One that is `alsoForDatagrams` is given datagrams as chunks, too.
    """

    counts: Literal["connections", "chunks"] = field(default="connections", kw_only=True)
    direction: Literal["out", "in", ""] = field(default="out", kw_only=True)
    actsOn: tuple[ActionType, ...] = field(default=(ActionType.PASS,), kw_only=True)
    newConnectionsOnly: bool = field(default=False, kw_only=True)
    alsoForDatagrams: bool = field(default=False, kw_only=True)

    @property
    def carriers(self) -> frozenset[Carrier]:
        return frozenset({"stream", "datagram"} if self.alsoForDatagrams else {"stream"})

    def checkQualifiers(self, given: Mapping[str, object]) -> None:
        super().checkQualifiers(given)
        if self.actsOn == (ActionType.ACCEPT,) and {"afterBytes", "afterTime", "text"} & set(given):
            raise BadWord(f"{self.form} comes first: nothing can happen before it")


@dataclass(frozen=True)
class DatagramFaultKind(_DataFaultKind):
    """A kind of fault of datagrams alone."""

    counts: str = field(default="chunks", init=False)
    direction: str = field(default="out", init=False)
    actsOn: tuple[ActionType, ...] = field(default=(ActionType.PASS,), init=False)

    @property
    def carriers(self) -> frozenset[Carrier]:
        return frozenset({"datagram"})


@dataclass(frozen=True)
class ListenerFaultKind(FaultKind):
    """A kind of fault of a listening port. `inject.listeners` carries out its `effect`."""

    effect: Literal[ActionType.REFUSE, ActionType.STALL]
    counts: str = field(default="listeners", init=False)
    direction: str = field(default="", init=False)
    actsOn: tuple[ActionType, ...] = field(default=(ActionType.LISTEN,), init=False)

    @property
    def carriers(self) -> frozenset[Carrier]:
        return frozenset({"listener"})

    def act(self, action: Action, state: KindState, values: tuple[object, ...]) -> list[Action]:
        return [Action(action.at, self.effect)]

    def checkQualifiers(self, given: Mapping[str, object]) -> None:
        super().checkQualifiers(given)
        if set(given) - {"lasting", "seed"}:
            raise BadWord(
                f"{self.form} applies to every client that connects: "
                "the only qualifier is a time, as in for 10s"
            )


@dataclass(frozen=True)
class ResponseFaultKind(FaultKind):
    """A kind of fault of HTTP responses: `edit` is given the parts, and returns others.

    With `ends`, the response is the last one: our FIN, or a RST, comes after it. Requests
    whose target, a bytes, it does not apply to (`appliesTo`, given the rule's values, too)
    pass.
    """

    edit: ResponseEdit
    appliesTo: Callable[..., bool] = field(default=lambda *_: True, kw_only=True)
    ends: Literal[ActionType.END, ActionType.RESET, None] = field(default=None, kw_only=True)
    counts: str = field(default="requests", init=False)
    direction: str = field(default="", init=False)
    actsOn: tuple[ActionType, ...] = field(default=(ActionType.REQUEST,), init=False)

    @property
    def carriers(self) -> frozenset[Carrier]:
        return frozenset({"request"})

    def act(self, action: Action, state: KindState, values: tuple[object, ...]) -> list[Action]:
        if not self.appliesTo(action.data, *values):
            return [action]

        def edited(parts: ResponseParts) -> ResponseParts:
            if self.ends is not None and not parts.cut:
                parts = replace(parts, end=self.ends, faultName=self.name)
            return self.edit(parts, *values)

        return [replace(action, edits=(*action.edits, edited))]

    def checkQualifiers(self, given: Mapping[str, object]) -> None:
        super().checkQualifiers(given)
        if "afterBytes" in given:
            raise BadWord(f"{self.form} edits whole responses: leave 'after SIZE' out")
