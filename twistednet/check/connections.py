"""Checks that every server of connections must pass, whatever its service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twistednet.check.model import Checklist
from twistednet.check.probe import NotApplicable, Probe
from twistednet.client.streams import Stream

#: Makes one exchange, which shows that the server serves this connection.
ExchangeFunction = Callable[[Probe, Stream], Awaitable[None]]

SIMULTANEOUS_CONNECTIONS = 50
#: Seconds between two messages that no server takes for the end.
PAUSE_SECONDS = 2.0
#: Seconds that an idle connection must be kept.
IDLE_SECONDS = 30.0


def addConnectionChecks(
    checklist: Checklist, serves: ExchangeFunction, clientFirst: bool = True
) -> None:
    """Add the checks that every server of connections must pass, whatever its service.

    `serves(probe, stream)` makes one exchange on a connection, and raises Failed or
    Unexpected unless the server serves it. Without `clientFirst` the server sends first and
    then closes, as a daytime server does: then idle connections are not checked.
    """

    @checklist.check("simultaneous connections", "RFC 1122, 4.2.2.18: connections are independent")
    async def simultaneous(probe: Probe) -> None:
        probe.sent = f"{SIMULTANEOUS_CONNECTIONS} connections at once, the last one served first"
        streams = await probe.connectMany(SIMULTANEOUS_CONNECTIONS)
        for stream in reversed(streams):
            await serves(probe, stream)
        probe.came = f"{SIMULTANEOUS_CONNECTIONS} connections were served"

    @checklist.check(
        "a RST ends only its connection", "RFC 9293, 3.5.2: a reset ends one connection"
    )
    async def reset(probe: Probe) -> None:
        if probe.target.kind not in ("tcp", "tls"):
            raise NotApplicable("a UNIX socket has no RST")
        probe.sent = "5 connections, 64 KiB and RST on each; then a new connection"
        for stream in await probe.connectMany(5):
            stream.write(b"x" * 65536)
            await probe.pause()
            stream.abort()
        await serves(probe, await probe.connect())

    if not clientFirst:
        return

    @checklist.check("a pause does not end a connection", "wire.md: idle for 10 min")
    async def pauseKept(probe: Probe) -> None:
        await _keepIdle(probe, serves, PAUSE_SECONDS)

    @checklist.check("an idle connection is kept", "wire.md: idle for 10 min", slow=True)
    async def idleKept(probe: Probe) -> None:
        await _keepIdle(probe, serves, IDLE_SECONDS)

    @checklist.check("no data before the client's", "the client sends first: there is no banner")
    async def noBanner(probe: Probe) -> None:
        probe.sent = "nothing"
        await probe.expectSilence(await probe.connect())


async def _keepIdle(probe: Probe, serves: ExchangeFunction, seconds: float) -> None:
    """Require that a connection without data for `seconds` is kept."""
    stream = await probe.connect()
    # After an exchange, as HTTP servers give a new connection less time
    # (RFC 9112, 9.5, leaves the limit to the server).
    await serves(probe, stream)
    probe.sent = f"an exchange, then nothing for {seconds:g} s"
    await probe.expectSilence(stream, seconds)
    await serves(probe, stream)
    probe.sent = f"an exchange, nothing for {seconds:g} s, another exchange"
