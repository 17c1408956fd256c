"""Standard input sent to a server while its answers are shown: both ways at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from twistednet.cli.options import ClientOptions
from twistednet.cli.stdio import StandardInput, oneMessage, passOn, show
from twistednet.client.connecting import connect
from twistednet.client.errors import TimedOut, Unexpected
from twistednet.client.reactors import Reactor
from twistednet.client.sessions import PAUSE_SECONDS, ChatSession, joinChat
from twistednet.client.streams import Stream

T = TypeVar("T")


class _Outgoing:
    """The sending half. It knows whether the server's silence is a timeout.

    `done` is true once everything is sent, `idle` while nothing is being sent, for want of
    input. `unreturned` is what was sent and has not come back.
    """

    def __init__(self) -> None:
        self.done = False
        self.idle = True
        self.unreturned = bytearray()

    def start(self, stream: Stream, sending: Coroutine[Deferred[Any], Any, None]) -> None:
        """Start to send; if that fails, the connection is aborted."""

        def failed(failure: Failure) -> None:
            stream.abort()
            failure.trap(Unexpected)

        Deferred.fromCoroutine(sending).addErrback(failed)

    async def during(self, read: Callable[[], Awaitable[T]]) -> T:
        """Return what `read` returns. A timeout counts only while the server owes an answer."""
        while True:
            try:
                return await read()
            except TimedOut:
                if self.done or not self.idle:
                    raise


async def pipe(reactor: Reactor, options: ClientOptions, returned: bool) -> None:
    """Send all of standard input, in constant memory.

    If all of it must be `returned` (RFC 862), check that and write it to standard output.
    """
    stream = await connect(reactor, options.target, options.timeout)
    out = _Outgoing()
    out.start(stream, _send(StandardInput(reactor), stream, out, returned))
    while data := await out.during(stream.read):
        if returned:
            passOn(data)
            _compare(options, out, data)
        if out.done and not out.unreturned and not stream.canHalfClose:
            break
    if not out.done or out.unreturned:
        raise Unexpected(f"{options.target} closed the connection before all had come back")
    await stream.close()


async def _send(source: StandardInput, stream: Stream, out: _Outgoing, returned: bool) -> None:
    while data := await source.read():
        out.idle = False
        if returned:
            out.unreturned += data
        await stream.writeAll(data)
        out.idle = True
    out.done = True
    if stream.canHalfClose:
        stream.finish()
    elif not out.unreturned:
        # No answer is missing, so that the reading half would wait for ever.
        # (TLS closes only after the producer is unregistered.)
        stream.transport.unregisterProducer()
        stream.transport.loseConnection()


def _compare(options: ClientOptions, out: _Outgoing, data: bytes) -> None:
    if not out.unreturned.startswith(data):
        raise Unexpected(f"{options.target} is not an echo: it returned other bytes")
    del out.unreturned[: len(data)]


async def chatOnce(reactor: Reactor, options: ClientOptions, text: str | None) -> None:
    """Say `text`, or each line of standard input; leave; show what was received until then."""
    messages = oneMessage(text) if text is not None else StandardInput(reactor).lines()
    session = await joinChat(
        options.target, bare=options.bare, timeout=options.timeout, reactor=reactor
    )
    out = _Outgoing()
    out.start(session.stream, _sayAll(reactor, session, messages, out))
    answered = False
    try:
        while lines := await out.during(session.receive):
            answered = True
            for line in lines:
                show(line)
    except TimedOut:
        # A tutorial's server does not know byebye, and leaves the connection open.
        if not (options.bare and answered):
            raise
    await session.leave()


async def _sayAll(
    reactor: Reactor, session: ChatSession, messages: AsyncIterator[bytes], out: _Outgoing
) -> None:
    async for message in messages:
        text = message.decode(errors="surrogateescape")
        if text.strip() == session.word:
            break
        session.say(text)
        if session.bare:
            # A longer pause than ends a message.
            await deferLater(reactor, 1.5 * PAUSE_SECONDS, lambda: None)
    session.say(session.word)
    out.done = True
