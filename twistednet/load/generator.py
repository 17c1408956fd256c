"""The load generator: opens connections, keeps messages in flight, and counts the answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from time import perf_counter_ns

from twisted.internet.task import LoopingCall, deferLater

from twistednet.client.errors import ClientError
from twistednet.client.reactors import Reactor
from twistednet.client.streams import TIMEOUT_SECONDS
from twistednet.client.targets import Target
from twistednet.load.datagrams import openDatagrams
from twistednet.load.pacing import Schedule
from twistednet.load.run import LoadRun, Senders
from twistednet.load.streams import openStreams
from twistednet.load.tally import LoadTally
from twistednet.load.traffic import Traffic

#: Seconds between two calls of `progress`, and between two searches for lost datagrams.
PROGRESS_SECONDS = 0.1
#: Seconds between two looks at whether the last answers of a run have come.
POLL_SECONDS = 0.01

Progress = Callable[[LoadTally, float], None]


async def load(
    reactor: Reactor,
    target: Target,
    traffic: Traffic,
    *,
    connections: int = 10,
    seconds: float = 10.0,
    rate: float | None = None,
    size: int = 64,
    timeout: float = TIMEOUT_SECONDS,
    progress: Progress = lambda tally, elapsed: None,
) -> LoadTally:
    """Load a server with `connections` (sockets, over UDP) for `seconds`, and return the counts.

    Each connection has one message in flight. `rate` is messages a second over all
    connections; None is as many as are answered. `size` is the bytes of an echo or datagram;
    `timeout` the seconds that the server may be silent. `progress` is called every 0.1 s with
    the counts and the seconds since the start. Raises CannotConnect or TimedOut if the server
    cannot be reached, ClientError if it is not served over the target's transport.
    """
    tally = LoadTally(connections, rate=rate)
    schedule = Schedule(int(1e9 * connections / rate) if rate else 0)
    run = LoadRun(reactor, target, timeout, schedule, tally)
    senders = await _open(run, traffic, size)
    _begin(run, senders)
    start, cpu = time.monotonic(), time.process_time()

    def look() -> None:
        progress(tally, time.monotonic() - start)
        now = perf_counter_ns()
        for sender in senders.senders():
            sender.giveUp(now)

    looking = LoopingCall(look)
    looking.clock = reactor
    looking.start(PROGRESS_SECONDS)
    await deferLater(reactor, seconds, lambda: None)
    schedule.running = False
    tally.seconds = time.monotonic() - start
    tally.cpu = time.process_time() - cpu
    await _lastAnswers(run, senders)
    looking.stop()
    await senders.close()
    return tally


async def _open(run: LoadRun, traffic: Traffic, size: int) -> Senders:
    streams, datagrams = traffic.streams, traffic.datagrams
    if run.target.isDatagram and datagrams is not None:
        return await openDatagrams(run, lambda number: datagrams(number, size))
    if not run.target.isDatagram and streams is not None:
        return await openStreams(run, streams(run.target, size))
    raise ClientError(f"{run.target}: no traffic for {traffic.name} over this transport")


def _begin(run: LoadRun, senders: Senders) -> None:
    """Start all; at a rate they take turns, without one they start at once."""
    now = perf_counter_ns()
    for place, sender in enumerate(senders.senders()):
        sender.begin(now + run.schedule.interval * place // run.tally.connections)


async def _lastAnswers(run: LoadRun, senders: Senders) -> None:
    """Wait for the answers that are still missing, and count those that do not come."""
    end = time.monotonic() + senders.patience

    def missing() -> int:
        return sum(sender.waiting for sender in senders.senders())

    while time.monotonic() < end and missing():
        await deferLater(run.reactor, POLL_SECONDS, lambda: None)
    if not run.target.isDatagram and (count := missing()):
        run.tally.errors[f"no answer in {run.timeout:g} s"] = count
