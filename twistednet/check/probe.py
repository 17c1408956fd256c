"""The client that a check questions a server with."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from twistednet.client.connecting import connect
from twistednet.client.datagrams import Datagrams, openDatagrams
from twistednet.client.errors import TimedOut, Unexpected
from twistednet.client.reactors import Reactor
from twistednet.client.streams import Stream
from twistednet.client.targets import Target
from twistednet.core.text import shown

#: Seconds without data after which none is expected to come.
SILENCE_SECONDS = 0.3
#: Times that a datagram is sent before it counts as not answered.
DATAGRAM_TRIES = 3
#: Bytes of data that a report shows whole, and bytes that it shows of longer data.
MAX_WHOLE, SHOWN_BYTES = 48, 24

T = TypeVar("T")


class Failed(Exception):
    """The server broke the rule; the text says how."""


class NotApplicable(Exception):
    """The check means nothing for this server; the text says why."""


class Probe:
    """A client for one check. It closes what the check opened, and describes it for the report.

    `target` is the server, `timeout` the seconds that it may be silent. Set `sent` to a text
    that describes what was sent; `came` describes what was received, and most methods set it.
    """

    def __init__(self, reactor: Reactor, target: Target, timeout: float) -> None:
        self.reactor = reactor
        self.target = target
        self.timeout = timeout
        self.sent = self.came = ""
        self._opened: list[Stream | Datagrams] = []

    # Connections and sockets

    async def connect(self) -> Stream:
        """Return a new connection. Raises CannotConnect or TimedOut."""
        stream = await connect(self.reactor, self.target, self.timeout)
        self._opened.append(stream)
        return stream

    async def connectMany(self, count: int) -> list[Stream]:
        """Return `count` new connections, all open."""
        return [await self.connect() for _ in range(count)]

    async def openDatagrams(self) -> Datagrams:
        """Return a new UDP socket, which receives from every sender."""
        datagrams = await openDatagrams(self.reactor, self.target, self.timeout, refusals=False)
        self._opened.append(datagrams)
        return datagrams

    async def exchange(self, datagrams: Datagrams, data: bytes) -> bytes:
        """Send a datagram and return the reply; send it again where the network loses one.

        Raises Failed if no reply comes within `timeout`.
        """
        self.sent = brief(data)
        for _ in range(DATAGRAM_TRIES):
            datagrams.send(data)
            try:
                reply, sender = await datagrams.receive(self.timeout / DATAGRAM_TRIES)
            except TimedOut:
                continue
            self.came = f"{brief(reply)} from port {sender[1]}"
            return reply
        self.came = "nothing"
        raise Failed(f"no reply to {DATAGRAM_TRIES} datagrams in {self.timeout:g} s")

    async def close(self) -> None:
        """Abort the connections and close the sockets of this check."""
        for opened in self._opened:
            if isinstance(opened, Stream):
                opened.abort()
            await opened.close()

    # Time

    async def pause(self, seconds: float = 0.0) -> None:
        """Wait; 0 is one turn of the reactor."""
        await deferLater(self.reactor, seconds, lambda: None)

    def start(self, work: Awaitable[T]) -> Deferred[T]:
        """Run a coroutine beside this one. Await the result: it raises what that raises."""

        async def run() -> T:
            return await work

        return Deferred.fromCoroutine(run())

    # Verdicts

    def require(self, condition: object, why: str) -> None:
        """Raise Failed(why) unless the condition is true."""
        if not condition:
            raise Failed(why)

    def requireSame(self, received: bytes, expected: bytes, end: str = "") -> None:
        """Describe what was received. Raises Failed if it is not what was expected.

        `end` is what came after too few bytes, as in "FIN".
        """
        self.came = brief(received)
        if received == expected:
            return
        if received[: len(expected)] == expected[: len(received)]:
            what = f"{brief(received)}, then {end}" if received and end else end
            self.came = what or self.came
            raise Failed(f"{len(received)} bytes came, not {len(expected)}")
        pairs = enumerate(zip(received, expected, strict=False), start=1)
        wrong = next(place for place, (one, other) in pairs if one != other)
        raise Failed(f"byte {wrong} is wrong: expected {brief(expected)}")

    def requireHalfClose(self) -> None:
        """Raise NotApplicable where `Stream.finish` cannot send a FIN alone: over TLS."""
        if self.target.kind == "tls":
            raise NotApplicable("this client's TLS has no half-close")

    async def expect(self, stream: Stream, expected: bytes) -> None:
        """Receive as many bytes. Raises Failed unless they are the expected ones."""
        received, end = bytearray(), ""
        try:
            while len(received) < len(expected) and (chunk := await stream.read()):
                received += chunk
            end = "FIN" if len(received) < len(expected) else ""
        except TimedOut:
            end = f"nothing for {stream.timeout:g} s"
        except Unexpected:
            end = "RST"
        self.requireSame(bytes(received), expected, end)

    async def expectSilence(self, stream: Stream, seconds: float = SILENCE_SECONDS) -> None:
        """Wait. Raises Failed if the server sends something, or closes the connection."""
        before, stream.timeout = stream.timeout, seconds
        try:
            received = await stream.read()
        except TimedOut:
            return
        finally:
            stream.timeout = before
        self.came = brief(received) if received else "FIN"
        raise Failed(
            "the server sent data unasked" if received else "the server closed the connection"
        )

    async def expectEnd(self, stream: Stream) -> None:
        """Wait for the server's FIN. Raises Failed if something else comes, or nothing."""
        try:
            rest = await stream.read()
        except TimedOut:
            raise Failed(f"no FIN came in {stream.timeout:g} s") from None
        except Unexpected:
            raise Failed("a RST came instead of the FIN") from None
        self.require(not rest, f"{brief(rest)} came instead of the FIN")


def brief(data: bytes) -> str:
    """Return data for a report: whole if it is short, else its size and its beginning."""
    if len(data) <= MAX_WHOLE:
        return f"'{shown(data)}'"
    return f"{len(data)} bytes '{shown(data[:SHOWN_BYTES])}...'"
