"""One service, one conversation: say something, and get what it answers.

Every session ends what it says with a newline, for servers that read lines, unless
it is `bare`: then messages go as they are, as in the field's tutorials, and an
answer is whatever comes before a pause.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Protocol

from twistednet.client.connecting import connect
from twistednet.client.datagrams import Datagrams, openDatagrams
from twistednet.client.errors import Unexpected
from twistednet.client.http import greeted
from twistednet.client.reactors import theReactor
from twistednet.client.streams import TIMEOUT, Stream
from twistednet.client.targets import Target

#: Seconds without a byte that end an answer which has no newline.
PAUSE = 0.1
#: Bytes that one answer may have.
LONGEST = 65_536


class Session(Protocol):
    """What all conversations have in common. `word` is what ends one."""

    word: ClassVar[str]

    async def say(self, message: bytes) -> bytes | None:
        """The answer, without its newline; None where the service gives none."""

    async def close(self) -> None:
        """End it; what was said has been sent."""


class _StreamSession:
    word: ClassVar[str] = "exit"

    def __init__(self, stream: Stream, bare: bool = False) -> None:
        self.stream = stream
        self.bare = bare

    def _write(self, message: bytes) -> bytes:
        message = message if self.bare else message + b"\n"
        self.stream.write(message)
        return message

    async def close(self) -> None:
        await self.stream.close()


class EchoSession(_StreamSession):
    """Every byte must come back (RFC 862)."""

    async def say(self, message: bytes) -> bytes:
        sent = self._write(message)
        answer = await self.stream.readExactly(len(sent))
        if answer != sent:
            wrong = next(i for i in range(len(sent)) if answer[i] != sent[i])
            raise Unexpected(f"{self.stream.target}: byte {wrong + 1} came back changed: no echo")
        return message


class AskSession(_StreamSession):
    """A question, an answer; a server may hang up after the last one."""

    word = "bye"

    async def say(self, message: bytes) -> bytes:
        self._write(message)
        read = self.stream.readUntilQuiet(PAUSE) if self.bare else self.stream.readLine(LONGEST)
        answer = await read
        if not answer:
            raise Unexpected(f"{self.stream.target} hung up without an answer")
        return answer if self.bare else answer.rstrip(b"\r\n")


class SendSession(_StreamSession):
    """Said, and not answered."""

    async def say(self, message: bytes) -> None:
        self._write(message)

    async def close(self) -> None:
        """Our FIN, and the server's: then it has read all."""
        if self.stream.canHalfClose:
            self.stream.finish()
            await self.stream.readToEnd(LONGEST)
        await self.stream.close()


class DatagramSession:
    """Datagrams; `answered` says whether each one gets a reply."""

    word: ClassVar[str] = "bye"

    def __init__(self, datagrams: Datagrams, answered: bool = True) -> None:
        self.datagrams = datagrams
        self.answered = answered

    async def say(self, message: bytes) -> bytes | None:
        self.datagrams.send(message)
        if not self.answered:
            return None
        answer, _ = await self.datagrams.receive()
        return answer

    async def close(self) -> None:
        await self.datagrams.close()


class EchoDatagramSession(DatagramSession):
    """Every datagram must come back (RFC 862)."""

    word = "exit"

    async def say(self, message: bytes) -> bytes | None:
        answer = await super().say(message)
        if answer != message:
            raise Unexpected(f"{self.datagrams.target}: another datagram came back: no echo")
        return answer


class HelloSession:
    """Every name, a request of its own."""

    word: ClassVar[str] = "exit"

    def __init__(self, connected: Callable[[], Awaitable[Stream]]) -> None:
        self._connected = connected

    async def say(self, message: bytes) -> bytes:
        stream = await self._connected()
        try:
            return await greeted(stream, message)
        finally:
            await stream.close()

    async def close(self) -> None:
        """Nothing is open between two requests."""


@asynccontextmanager
async def opened(
    service: str,
    target: Target,
    *,
    bare: bool = False,
    timeout: float = TIMEOUT,
    reactor: Any = None,
) -> AsyncIterator[Session]:
    """A session with a service: echo, ask, send, datagram or hello."""
    reactor = reactor or theReactor()
    if service == "hello":
        yield HelloSession(lambda: connect(reactor, target, timeout))
        return
    session: Any
    if target.isDatagram:
        kind = EchoDatagramSession if service == "echo" else DatagramSession
        datagrams = await openDatagrams(reactor, target, timeout)
        session = kind(datagrams, answered=service != "send")
    else:
        stream = await connect(reactor, target, timeout)
        session = {"echo": EchoSession, "ask": AskSession, "send": SendSession}[service](
            stream, bare
        )
    try:
        yield session
    except BaseException:
        await _abandoned(session)
        raise
    await session.close()


async def _abandoned(session: Any) -> None:
    stream = getattr(session, "stream", None)
    if stream is None:
        await session.close()
    else:
        stream.transport.abortConnection()
        await stream.close()
