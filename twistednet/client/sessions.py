"""Sessions: one connection to a service, over which messages are sent and answered.

A session ends each message with a newline, for servers that read lines. A `bare` session sends
messages as they are, as the clients of tutorials do; an answer then ends with a pause.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import ClassVar, Protocol

from twistednet.client.connecting import connect
from twistednet.client.datagrams import Datagrams, openDatagrams
from twistednet.client.errors import Unexpected
from twistednet.client.http import greeted
from twistednet.client.reactors import Reactor, theReactor
from twistednet.client.streams import TIMEOUT_SECONDS, Stream
from twistednet.client.targets import Target

#: Seconds without data that end an answer without a newline.
PAUSE_SECONDS = 0.1
MAX_ANSWER_BYTES = 65_536


class Session(Protocol):
    """A session with a service. A user ends it with the message `word`."""

    word: ClassVar[str]

    async def say(self, message: bytes) -> bytes | None:
        """Send a message. Return the answer without its newline, None if the service sends none."""

    async def close(self) -> None:
        """Close the connection once all messages have been sent."""

    async def abort(self) -> None:
        """Close the connection now."""


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

    async def abort(self) -> None:
        self.stream.abort()
        await self.stream.close()


class EchoSession(_StreamSession):
    """A session in which every byte must come back (RFC 862)."""

    async def say(self, message: bytes) -> bytes:
        sent = self._write(message)
        answer = await self.stream.readExactly(len(sent))
        if answer != sent:
            wrong = next(i for i in range(len(sent)) if answer[i] != sent[i])
            raise Unexpected(
                f"{self.stream.target} is not an echo: byte {wrong + 1} came back changed"
            )
        return message


class AskSession(_StreamSession):
    """A session of questions and answers. The server may close after the last one."""

    word = "bye"

    async def say(self, message: bytes) -> bytes:
        self._write(message)
        if self.bare:
            answer = await self.stream.readUntilQuiet(PAUSE_SECONDS)
        else:
            answer = await self.stream.readLine(MAX_ANSWER_BYTES)
        if not answer:
            raise Unexpected(f"{self.stream.target} closed the connection without an answer")
        return answer if self.bare else answer.rstrip(b"\r\n")


class SendSession(_StreamSession):
    """A session of messages without answers."""

    async def say(self, message: bytes) -> None:
        self._write(message)

    async def close(self) -> None:
        """Send a FIN and wait for the server's: then it has read everything."""
        if self.stream.canHalfClose:
            self.stream.finish()
            await self.stream.readToEnd(MAX_ANSWER_BYTES)
        await self.stream.close()


class DatagramSession:
    """A session of datagrams, with a reply to each one unless it is not `answered`."""

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

    abort = close


class EchoDatagramSession(DatagramSession):
    """A session in which every datagram must come back (RFC 862)."""

    word = "exit"

    async def say(self, message: bytes) -> bytes | None:
        answer = await super().say(message)
        if answer != message:
            raise Unexpected(f"{self.datagrams.target} is not an echo: another datagram came back")
        return answer


class HelloSession:
    """A session of names, each greeted in an HTTP request of its own."""

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
        """Do nothing: no connection is open between two requests."""

    abort = close


class ChatSession:
    """A person in a chat room. Lines of others may come at any time."""

    word = "byebye"

    def __init__(self, stream: Stream, bare: bool = False) -> None:
        self.stream = stream
        self.bare = bare

    def say(self, text: str) -> None:
        """Send a line."""
        self.stream.write(text.encode(errors="surrogateescape") + b"\n" * (not self.bare))

    async def receive(self) -> list[str]:
        """Return the next line (`bare`: all lines until a pause), or [] once the server closed."""
        if self.bare:
            data = await self.stream.readUntilQuiet(PAUSE_SECONDS)
        else:
            data = await self.stream.readLine()
        return data.decode(errors="backslashreplace").splitlines()

    async def leave(self) -> None:
        """Close the connection."""
        await self.stream.close()


_STREAM_SESSIONS: dict[str, Callable[[Stream, bool], Session]] = {
    "echo": EchoSession,
    "ask": AskSession,
    "send": SendSession,
}


@asynccontextmanager
async def opened(
    service: str,
    target: Target,
    *,
    bare: bool = False,
    timeout: float = TIMEOUT_SECONDS,
    reactor: Reactor | None = None,
) -> AsyncIterator[Session]:
    """Open a session with echo, ask, send, datagram or hello, and close it at the end.

    `bare` sends messages without newlines; `timeout` is the seconds that the server may be
    silent; `reactor` is the installed one by default. Raises subclasses of ClientError.
    """
    session = await _open(service, target, bare, timeout, reactor or theReactor())
    try:
        yield session
    except BaseException:
        await session.abort()
        raise
    await session.close()


async def _open(
    service: str, target: Target, bare: bool, timeout: float, reactor: Reactor
) -> Session:
    if service == "hello":
        return HelloSession(lambda: connect(reactor, target, timeout))
    if target.isDatagram:
        kind = EchoDatagramSession if service == "echo" else DatagramSession
        datagrams = await openDatagrams(reactor, target, timeout)
        return kind(datagrams, answered=service != "send")
    return _STREAM_SESSIONS[service](await connect(reactor, target, timeout), bare)


async def joinChat(
    target: Target,
    *,
    bare: bool = False,
    timeout: float = TIMEOUT_SECONDS,
    reactor: Reactor | None = None,
) -> ChatSession:
    """Return a session with a chat server, in which nothing has been said yet."""
    return ChatSession(await connect(reactor or theReactor(), target, timeout), bare)
