"""Standard input to a server while what it says comes out: both ways at once."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from twistednet.cli.options import ClientOptions
from twistednet.cli.process import StandardInput, passOn, show
from twistednet.client.connecting import connect
from twistednet.client.errors import TimedOut, Unexpected
from twistednet.client.sessions import PAUSE
from twistednet.client.streams import Stream
from twistednet.client.talk import Talk, joined


class _Outgoing:
    """What is being sent, and whether the server's silence means anything meanwhile."""

    def __init__(self) -> None:
        self.done = False
        self.idle = True
        #: Sent, and not yet returned.
        self.unreturned = bytearray()

    def start(self, stream: Stream, sending: Coroutine[Any, Any, None]) -> None:
        def failed(failure: Any) -> None:
            stream.transport.abortConnection()
            failure.trap(Unexpected)

        Deferred.fromCoroutine(sending).addErrback(failed)

    async def during(self, read: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """A read, again and again while it is we who keep the server waiting."""
        while True:
            try:
                return await read()
            except TimedOut:
                if self.done or not self.idle:
                    raise


async def poured(reactor: Any, how: ClientOptions, returned: bool) -> None:
    """All of standard input to the server, in constant memory.

    `returned` says that all must come back (RFC 862): it is passed on, and checked.
    """
    stream = await connect(reactor, how.target, how.timeout)
    out = _Outgoing()
    out.start(stream, _pour(StandardInput(reactor), stream, out, returned))
    while data := await out.during(stream.read):
        if returned:
            passOn(data)
            _compare(how, out, data)
        if out.done and not out.unreturned and not stream.canHalfClose:
            break
    if not out.done or out.unreturned:
        raise Unexpected(f"{how.target} hung up before it had returned all")
    await stream.close()


async def _pour(source: StandardInput, stream: Stream, out: _Outgoing, returned: bool) -> None:
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
        # All is back already, or nothing is awaited: nobody else would end it.
        # (TLS waits for a producer to have finished.)
        stream.transport.unregisterProducer()
        stream.transport.loseConnection()


def _compare(how: ClientOptions, out: _Outgoing, data: bytes) -> None:
    if not out.unreturned.startswith(data):
        raise Unexpected(f"{how.target} returned other bytes than were sent: no echo")
    del out.unreturned[: len(data)]


async def talkedOnce(reactor: Any, how: ClientOptions, text: str | None) -> None:
    """Say one thing, or each line of standard input; leave, and show what was heard."""
    said = _one(text) if text is not None else StandardInput(reactor).lines()
    talk = await joined(how.target, bare=how.bare, timeout=how.timeout, reactor=reactor)
    out = _Outgoing()
    out.start(talk.stream, _sayAll(reactor, talk, said, out))
    heardAny = False
    try:
        while heard := await out.during(talk.heard):
            heardAny = True
            for line in heard:
                show(line)
    except TimedOut:
        # A tutorial's server does not know that it should hang up.
        if not (how.bare and heardAny):
            raise
    await talk.leave()


async def _sayAll(reactor: Any, talk: Talk, said: AsyncIterator[bytes], out: _Outgoing) -> None:
    async for message in said:
        text = message.decode(errors="surrogateescape")
        if text.strip() == talk.word:
            break
        talk.say(text)
        if talk.bare:
            await deferLater(reactor, 1.5 * PAUSE, lambda: None)
    talk.say(talk.word)
    out.done = True


async def _one(text: str) -> AsyncIterator[bytes]:
    yield os.fsencode(text)
