"""Steps: what is done to a connection, and what a fault makes of it.

A kind of fault is given one step that is about to be taken, and returns those that are to be
taken in its place. It knows no socket and no clock: times are those at which a step may be
taken at the earliest, and whoever takes the steps keeps their order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from twistednet.faults.values import Form


@dataclass(frozen=True, slots=True)
class Action:
    """What is done to a connection, not before `at` (seconds).

    `act` is one of: accept, join (the rule met a connection that was there), pass (`data`),
    fin and close (the service's own), end (our FIN, in the fault's name), reset, stop
    (read no more), hold (pass `data` after the next datagram), astray (pass `data`, from
    another port), request (HTTP, for `data`; `edits` is what its reply is to go through);
    of a listener: listen, refuse, stall. `by` names the fault that ends the connection, and
    `of` is that fault.

    With a `piece`, so many bytes of the data pass at once, and the next ones `gap` seconds
    after them. One that `isEndless` passes again and again.
    """

    at: float
    act: str
    data: bytes = b""
    by: str = ""
    piece: int = 0
    gap: float = 0.0
    edits: tuple[Callable[[Any], Any], ...] = ()
    isEndless: bool = False
    of: Any = field(default=None, compare=False, repr=False)

    @property
    def pieces(self) -> int:
        """Of how many pieces it is."""
        return math.ceil(len(self.data) / self.piece) if self.piece else 1


@dataclass
class KindState:
    """What a fault remembers of one connection."""

    draw: Random
    #: Bytes and chunks that have passed before, in the rule's direction.
    passed: int = 0
    chunks: int = 0
    #: When the next bytes may leave.
    free: float = 0.0
    #: Has it let pass all that is to pass?
    isOver: bool = False


Act = Callable[..., list[Action]]


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault. `act(step, memory, *values)` is given steps whose act is in `on`.

    `counts` is what "first 2" counts: connections, chunks (over UDP: datagrams), or requests.
    Of listeners nothing is counted.
    `direction` is the one that is meant if none is given; with "" none can be. One that
    `isForNew` concerns no connection that was there before the rule.
    """

    form: Form
    act: Act
    counts: str = "connections"
    direction: str = "out"
    on: frozenset[str] = frozenset({"pass"})
    carriers: frozenset[str] = frozenset({"stream"})
    given: str = ""
    isForNew: bool = False

    @classmethod
    def of(cls, form: str, act: Act, counts: str = "connections", **rest: Any) -> FaultKind:
        """The kind that is written so, as in `latency TIME [jitter TIME]`: a capital word is a
        value of that type (see faultwords), and `act` is given it."""
        return cls(Form(form), act, counts, **rest)

    @property
    def name(self) -> str:
        return self.given or self.form.text.split()[0]
