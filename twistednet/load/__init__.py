"""Load on a server, and how it bears it: rate, latency, errors, loss."""

from __future__ import annotations

import time
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from twisted.internet.task import LoopingCall, deferLater

from twistednet.client.connecting import connect, endpointOf
from twistednet.client.errors import CannotConnect, ClientError
from twistednet.client.http import authorityOf
from twistednet.client.streams import TIMEOUT
from twistednet.client.targets import Target, resolved
from twistednet.load.datagrams import LOST_AFTER, DatagramLoad
from twistednet.load.pacing import Schedule
from twistednet.load.streams import StreamLoadFactory, traffic
from twistednet.load.tally import LoadTally

#: Seconds between two looks at what is lost, and two pieces of progress.
LOOK = 0.1

Progress = Callable[[LoadTally, float], None]


async def load(
    reactor: Any,
    target: Target,
    service: str,
    *,
    connections: int = 10,
    seconds: float = 10.0,
    rate: float | None = None,
    size: int = 64,
    timeout: float = TIMEOUT,
    progress: Progress = lambda tally, elapsed: None,
) -> LoadTally:
    """Drive a server with `connections` for `seconds`, one message under way on each.

    `rate` is messages a second over all connections; None is as many as are
    answered. Raises CannotConnect or TimedOut if nobody is there at all.
    """
    tally = LoadTally(connections, rate=rate)
    schedule = Schedule(int(1e9 * connections / rate) if rate else 0)
    open_ = _openDatagrams if target.isDatagram else _openStreams
    clients, close = await open_(reactor, target, service, size, timeout, schedule, tally)
    _begin(clients(), schedule)
    began, cpu = time.monotonic(), time.process_time()

    def look() -> None:
        progress(tally, time.monotonic() - began)
        now = perf_counter_ns()
        for client in clients():
            if isinstance(client, DatagramLoad):
                client.giveUp(now)

    looking = LoopingCall(look)
    looking.clock = reactor
    looking.start(LOOK)
    await deferLater(reactor, seconds, lambda: None)
    schedule.running = False
    tally.seconds = time.monotonic() - began
    tally.cpu = time.process_time() - cpu
    await _lastAnswers(reactor, clients, LOST_AFTER if target.isDatagram else timeout)
    looking.stop()
    if not target.isDatagram and (unanswered := sum(client.waiting for client in clients())):
        tally.errors[f"no answer in {timeout:g} s"] = unanswered
    await close()
    return tally


def _begin(clients: list[Any], schedule: Schedule) -> None:
    """At a rate, the connections take turns; without one, all begin at once."""
    now = perf_counter_ns()
    for place, client in enumerate(clients):
        client.begin(now + schedule.interval * place // len(clients))


async def _lastAnswers(reactor: Any, clients: Callable[[], list[Any]], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(client.waiting for client in clients()):
        await deferLater(reactor, 0.01, lambda: None)


async def _openStreams(
    reactor: Any,
    target: Target,
    service: str,
    size: int,
    timeout: float,
    schedule: Schedule,
    tally: LoadTally,
) -> tuple[Callable[[], list[Any]], Callable[[], Any]]:
    # The first one tells what is wrong, in our own words.
    await (await connect(reactor, target, timeout)).close()
    address = await resolved(reactor, target, timeout)
    what = traffic(service, size, authorityOf(target))
    factory = StreamLoadFactory(reactor, what, schedule, tally)

    def endpoint() -> Any:
        return endpointOf(reactor, address, target.host, timeout)

    def again() -> None:
        making = endpoint().connect(factory)
        making.addCallback(lambda client: client.begin(perf_counter_ns()))
        making.addErrback(failed)

    def failed(failure: Any) -> None:
        tally.errors["could not connect again"] += 1
        factory.later()

    factory.again = again
    for _ in range(tally.connections):
        try:
            await endpoint().connect(factory)
        except Exception as error:
            raise CannotConnect(
                f"{target}: took {len(factory.open)} connections and no more: {error}"
            ) from None

    async def close() -> None:
        factory.stop()
        for client in list(factory.open):
            client.transport.abortConnection()
        while factory.open:
            await deferLater(reactor, 0, lambda: None)

    return lambda: list(factory.open), close


async def _openDatagrams(
    reactor: Any,
    target: Target,
    service: str,
    size: int,
    timeout: float,
    schedule: Schedule,
    tally: LoadTally,
) -> tuple[Callable[[], list[Any]], Callable[[], Any]]:
    address = await resolved(reactor, target, timeout)
    interface = "::" if ":" in address.host else ""
    where = (address.host, address.port)
    sockets = [
        DatagramLoad(reactor, where, size, schedule, tally) for _ in range(tally.connections)
    ]
    try:
        ports = [reactor.listenUDP(0, one, interface, 65_536) for one in sockets]
    except OSError as error:
        raise ClientError(f"no {tally.connections} sockets here: {error}") from None

    async def close() -> None:
        for port in ports:
            await port.stopListening()

    return lambda: list(sockets), close


__all__ = ["Tally", "load"]
