"""What every server of connections must stand, whatever it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twistednet.check.kit import Checklist, NotApplicable, Probe
from twistednet.client.streams import Stream

#: One exchange by which a server shows that it serves this connection.
Serves = Callable[[Probe, Stream], Awaitable[None]]

MANY = 50
#: Seconds that an idle connection must be kept.
IDLE = 30.0


def addCommon(to: Checklist, serves: Serves, asks: bool = True) -> None:
    """Checks of the connections themselves. `asks`: the client speaks first."""

    @to.check("simultaneous connections", "RFC 1122, 4.2.2.18: connections are independent")
    async def simultaneous(probe: Probe) -> None:
        probe.sent = f"{MANY} connections at once, the last one served first"
        streams = await probe.connectMany(MANY)
        for stream in reversed(streams):
            await serves(probe, stream)
        probe.came = f"{MANY} connections were served"

    @to.check("RST survived", "RFC 9293, 3.5.2: a reset ends one connection")
    async def resetSurvived(probe: Probe) -> None:
        if probe.target.kind not in ("tcp", "tls"):
            raise NotApplicable("a UNIX socket has no RST")
        probe.sent = "5 connections, 64 KiB and RST on each; then a new connection"
        for stream in await probe.connectMany(5):
            stream.write(b"x" * 65536)
            await probe.pause()
            stream.transport.abortConnection()
        await serves(probe, await probe.connect())

    if not asks:
        # It speaks first, and hangs up: there is nothing to keep.
        return

    @to.check("idle connection kept", "wire.md: idle for 10 min", slow=True)
    async def idleKept(probe: Probe) -> None:
        probe.sent = f"an exchange, nothing for {IDLE:g} s, then another"
        stream = await probe.connect()
        # HTTP gives less time for the first words, lest it wait on a connection that
        # nobody means to use (RFC 9112, 9.5, leaves the rest to the server).
        await serves(probe, stream)
        await probe.silence(stream, IDLE)
        await serves(probe, stream)

    @to.check("no data before data", "the client speaks first: there is no banner")
    async def noBanner(probe: Probe) -> None:
        probe.sent = "nothing"
        await probe.silence(await probe.connect())
