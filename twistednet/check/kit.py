"""What a check is: one question to a server, the rule behind it, and a verdict."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import deferLater

from twistednet.client.connecting import connect
from twistednet.client.datagrams import Datagrams, openDatagrams
from twistednet.client.errors import ClientError, TimedOut
from twistednet.client.streams import Stream
from twistednet.client.targets import Target
from twistednet.core.text import shown

#: Seconds in which something would have come that must not come.
SILENCE = 0.3
#: Seconds that one check may take in all, and one silence more.
DEADLINE = 60.0

Run = Callable[["Probe"], Awaitable[None]]


class Failed(Exception):
    """The server broke the rule; the text says how."""


class NotApplicable(Exception):
    """The check means nothing here; the text says why."""


@dataclass(frozen=True)
class Check:
    """`slow` ones take half a minute, and run only when asked for."""

    name: str
    rule: str
    run: Run
    slow: bool = False


@dataclass(frozen=True)
class Result:
    """`verdict` is pass, fail or n/a; `why` says more of the last two."""

    name: str
    rule: str
    verdict: str
    sent: str
    came: str
    why: str
    seconds: float


@dataclass
class Checklist:
    """The checks of one service over connections, or over datagrams."""

    checks: list[Check] = field(default_factory=list)

    def check(self, name: str, rule: str, slow: bool = False) -> Callable[[Run], Run]:
        def add(run: Run) -> Run:
            self.checks.append(Check(name, rule, run, slow))
            return run

        return add


class Probe:
    """What one check sends through, and what it notes for the report."""

    def __init__(self, reactor: Any, target: Target, timeout: float) -> None:
        self.reactor = reactor
        self.target = target
        self.timeout = timeout
        self.sent = self.came = ""
        self._open: list[Stream | Datagrams] = []

    async def connect(self) -> Stream:
        stream = await connect(self.reactor, self.target, self.timeout)
        self._open.append(stream)
        return stream

    async def connectMany(self, count: int) -> list[Stream]:
        return [await self.connect() for _ in range(count)]

    async def datagrams(self) -> Datagrams:
        """A socket that hears everybody."""
        datagrams = await openDatagrams(self.reactor, self.target, self.timeout, refusals=False)
        self._open.append(datagrams)
        return datagrams

    async def close(self) -> None:
        for one in self._open:
            if isinstance(one, Stream):
                one.transport.abortConnection()
            await one.close()

    async def pause(self, seconds: float = 0.0) -> None:
        await deferLater(self.reactor, seconds, lambda: None)

    def meanwhile(self, work: Any) -> Deferred[Any]:
        """Start a coroutine beside this one; what it raises is raised by awaiting it."""
        return Deferred.fromCoroutine(work)

    # Verdicts

    def need(self, true: object, why: str) -> None:
        if not true:
            raise Failed(why)

    def same(self, came: bytes, expected: bytes) -> None:
        """Note what came; raises Failed if it is not what should have."""
        self.came = brief(came)
        if came == expected:
            return
        wrong = next((i for i, (a, b) in enumerate(zip(came, expected, strict=False)) if a != b), 0)
        if came[: len(expected)] == expected[: len(came)]:
            raise Failed(f"{len(came)} bytes came, not {len(expected)}")
        raise Failed(f"byte {wrong + 1} is wrong: expected {brief(expected)}")

    async def expect(self, stream: Stream, expected: bytes) -> None:
        """Exactly these bytes come next."""
        came = bytearray()
        try:
            while len(came) < len(expected) and (chunk := await stream.read()):
                came += chunk
        except TimedOut:
            pass
        self.same(bytes(came), expected)

    async def silence(self, stream: Stream, seconds: float = SILENCE) -> None:
        """Nothing comes, and the server does not hang up."""
        before, stream.timeout = stream.timeout, seconds
        try:
            came = await stream.read()
        except TimedOut:
            return
        finally:
            stream.timeout = before
        self.came = brief(came) if came else "FIN"
        raise Failed("something came that nobody asked for" if came else "the server hung up")

    async def end(self, stream: Stream) -> None:
        """The server's FIN comes next, and no RST."""
        rest = await stream.read()
        self.need(not rest, f"{brief(rest)} came where the end should have")

    def canHalfClose(self) -> None:
        if self.target.kind == "tls":
            raise NotApplicable("this client's TLS has no half-close")


def brief(data: bytes) -> str:
    """Data for a report: whole where it is short, by its size where it is not."""
    return f"'{shown(data)}'" if len(data) <= 48 else f"{len(data)} bytes '{shown(data[:24])}...'"


async def judge(check: Check, probe: Probe) -> Result:
    """Run one check; whatever it meets is a verdict."""
    began = time.monotonic()
    verdict, why = "pass", ""
    try:
        running = probe.meanwhile(check.run(probe))
        await running.addTimeout(DEADLINE + probe.timeout, probe.reactor)
    except NotApplicable as reason:
        verdict, why = "n/a", str(reason)
    except DeferredTimeout as late:
        verdict, why = "fail", f"not done after {late.args[0]:g} s"
    except (Failed, ClientError) as fault:
        verdict, why = "fail", str(fault)
    finally:
        await probe.close()
    seconds = time.monotonic() - began
    return Result(check.name, check.rule, verdict, probe.sent, probe.came, why, seconds)


async def conform(
    reactor: Any,
    target: Target,
    checks: Iterable[Check],
    timeout: float,
    each: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run checks one after another. Raises CannotConnect if nobody is there at all."""
    if not target.isDatagram:
        await (await connect(reactor, target, timeout)).close()
    results = []
    for check in checks:
        results.append(await judge(check, Probe(reactor, target, timeout)))
        each(results[-1])
    return results
