"""Runner of checks: runs them against a server, one after another, in bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twisted.internet.defer import TimeoutError as DeferredTimeout

from twistednet.check.model import Check, Result
from twistednet.check.probe import Failed, NotApplicable, Probe
from twistednet.client.connecting import connect
from twistednet.client.datagrams import openDatagrams
from twistednet.client.errors import ClientError, TimedOut
from twistednet.client.reactors import Reactor
from twistednet.client.streams import TIMEOUT_SECONDS
from twistednet.client.targets import Target

#: Seconds that one check may take, and all of them together, by default.
MAX_CHECK_SECONDS, MAX_RUN_SECONDS = 10.0, 60.0
#: Seconds that a slow check may take besides, and the run for each of them.
SLOW_SECONDS = 35.0

#: Seconds within which the kernel reports that a UDP port is closed.
REFUSAL_SECONDS = 0.3


@dataclass(frozen=True)
class TimeLimits:
    """How many seconds the server may be silent, one check may take, and the whole run.

    Each slow check has SLOW_SECONDS more, and so has the run.
    """

    silence: float = TIMEOUT_SECONDS
    check: float = MAX_CHECK_SECONDS
    run: float = MAX_RUN_SECONDS


async def conform(
    reactor: Reactor,
    target: Target,
    checks: Iterable[Check],
    limits: TimeLimits = TimeLimits(),
    each: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run the checks and return their results; call `each` with every result as it comes.

    A check that does not end in time fails. Checks that the run has no time for get the
    verdict "skip". Raises CannotConnect or TimedOut if the server cannot be reached at all
    (over UDP: if the port is closed).
    """
    checks = list(checks)
    seconds = limits.run + SLOW_SECONDS * sum(check.slow for check in checks)
    deadline = time.monotonic() + seconds
    await _reach(reactor, target, limits.silence)
    results = []
    for check in checks:
        left = deadline - time.monotonic()
        result = await _run(check, Probe(reactor, target, limits.silence), limits, left)
        results.append(result)
        each(result)
    return results


async def _reach(reactor: Reactor, target: Target, timeout: float) -> None:
    if not target.isDatagram:
        await (await connect(reactor, target, timeout)).close()
        return
    datagrams = await openDatagrams(reactor, target, timeout)
    try:
        datagrams.send(b"")
        await datagrams.receive(min(REFUSAL_SECONDS, timeout))
    except TimedOut:
        # There need not be a reply; the checks show whether one comes.
        pass
    finally:
        await datagrams.close()


async def _run(check: Check, probe: Probe, limits: TimeLimits, left: float) -> Result:
    """Run one check, if the run has time left. What it raises about the server is its verdict."""
    start = time.monotonic()
    verdict, why = "pass", ""
    longest = limits.check + SLOW_SECONDS * check.slow
    try:
        if left <= 0:
            raise DeferredTimeout
        running = probe.start(check.run(probe))
        await running.addTimeout(min(longest, left), probe.reactor)
    except NotApplicable as reason:
        verdict, why = "n/a", str(reason)
    except DeferredTimeout:
        # A check that the end of the run has cut says nothing about the server.
        verdict, why = _late(longest) if longest <= left else _skipped(left, limits.run)
    except (Failed, ClientError) as fault:
        verdict, why = "fail", str(fault)
    finally:
        await probe.close()
    seconds = time.monotonic() - start
    return Result(check.name, check.rule, verdict, probe.sent, probe.came, why, seconds)


def _late(seconds: float) -> tuple[str, str]:
    return "fail", f"not done after {seconds:g} s; --check-timeout SECONDS allows more"


def _skipped(left: float, seconds: float) -> tuple[str, str]:
    begun = "not finished" if left > 0 else "not run"
    return "skip", f"{begun}: the run took {seconds:g} s; --run-timeout SECONDS allows more"
