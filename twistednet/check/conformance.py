"""Runner of checks: runs them against a server, one after another, and returns the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from twisted.internet.defer import TimeoutError as DeferredTimeout

from twistednet.check.model import Check, Result
from twistednet.check.probe import Failed, NotApplicable, Probe
from twistednet.client.connecting import connect
from twistednet.client.errors import ClientError
from twistednet.client.reactors import Reactor
from twistednet.client.streams import TIMEOUT_SECONDS
from twistednet.client.targets import Target

#: Seconds that one check may take, besides the server's `timeout`.
MAX_CHECK_SECONDS = 60.0


async def conform(
    reactor: Reactor,
    target: Target,
    checks: Iterable[Check],
    timeout: float = TIMEOUT_SECONDS,
    each: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run the checks and return their results; call `each` with every result as it comes.

    `timeout` is how many seconds the server may be silent. Raises CannotConnect or TimedOut
    if the server cannot be reached at all (over UDP, only the checks show that).
    """
    if not target.isDatagram:
        await (await connect(reactor, target, timeout)).close()
    results = []
    for check in checks:
        result = await _run(check, Probe(reactor, target, timeout))
        results.append(result)
        each(result)
    return results


async def _run(check: Check, probe: Probe) -> Result:
    """Run one check. What it raises about the server is its verdict."""
    start = time.monotonic()
    verdict, why = "pass", ""
    try:
        running = probe.start(check.run(probe))
        await running.addTimeout(MAX_CHECK_SECONDS + probe.timeout, probe.reactor)
    except NotApplicable as reason:
        verdict, why = "n/a", str(reason)
    except DeferredTimeout as late:
        verdict, why = "fail", f"not done after {late.args[0]:g} s"
    except (Failed, ClientError) as fault:
        verdict, why = "fail", str(fault)
    finally:
        await probe.close()
    seconds = time.monotonic() - start
    return Result(check.name, check.rule, verdict, probe.sent, probe.came, why, seconds)
