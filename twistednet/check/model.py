"""What a check is: a name, the rule behind it, and a coroutine that questions a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from twistednet.check.probe import Probe

#: What runs a check. It returns if the server passed, and raises Failed or NotApplicable.
CheckFunction = Callable[[Probe], Awaitable[None]]


@dataclass(frozen=True)
class Check:
    """One check. A `slow` one takes half a minute, and runs only on request."""

    name: str
    #: The rule and its source, as in "RFC 862, TCP: any data received is sent back".
    rule: str
    run: CheckFunction
    slow: bool = False


@dataclass(frozen=True)
class Result:
    """What came of one check.

    `verdict` is "pass", "fail", "n/a" (not applicable) or "skip" (no time was left to run it);
    `why` explains the last three.
    `sent` and `came` describe the data, for people. The check took `seconds`.
    """

    name: str
    rule: str
    verdict: str
    sent: str
    came: str
    why: str
    seconds: float


@dataclass
class Checklist:
    """The checks of one service over connections, or over datagrams, in their order."""

    checks: list[Check] = field(default_factory=list)

    def check(
        self, name: str, rule: str, slow: bool = False
    ) -> Callable[[CheckFunction], CheckFunction]:
        """Return a decorator that adds a coroutine function to the list.

        `name` is unique in the list. `rule` says what must hold, and where that is written.
        A `slow` check runs only with --slow, or by its name with --only.
        """

        def add(function: CheckFunction) -> CheckFunction:
            self.checks.append(Check(name, rule, function, slow))
            return function

        return add


@dataclass(frozen=True)
class ServiceChecks:
    """The checks of one service, which `netdemo check --as NAME` runs.

    `streams` are those over connections, `datagrams` those over UDP; None where the service
    is not served that way.
    """

    name: str
    streams: Checklist | None = None
    datagrams: Checklist | None = None

    def checks(self, isDatagram: bool, slow: bool = False) -> list[Check]:
        """Return the checks over that transport, the `slow` ones only if they are wanted."""
        checklist = self.datagrams if isDatagram else self.streams
        return [check for check in checklist.checks if slow or not check.slow] if checklist else []
