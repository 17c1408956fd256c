"""Standard input without blocking, and peers' data on standard output."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import AsyncIterator
from queue import SimpleQueue

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads

from twistednet.client.sessions import Session
from twistednet.core.text import readable

MAX_READ_BYTES = 65_536


def show(data: bytes | str) -> None:
    """Print what a server sent, for people: any script, but nothing that acts on a terminal."""
    text = data.decode(errors="backslashreplace") if isinstance(data, bytes) else data
    lines = text.removesuffix("\n").split("\n")
    print("\n".join(readable(line.removesuffix("\r")) for line in lines), flush=True)


def passOn(data: bytes) -> None:
    """Write what a server sent unchanged, for programs; on a terminal, as `show` does."""
    if sys.stdout.isatty():
        show(data)
    else:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


async def say(session: Session, message: bytes) -> bytes | None:
    """Send a message, and show and return the answer."""
    answer = await session.say(message)
    if answer is not None:
        show(answer)
    return answer


async def oneMessage(text: str) -> AsyncIterator[bytes]:
    """Yield an argument of the command line as a message."""
    yield os.fsencode(text)


class StandardInput:
    """Reads chunks on request, in a thread: epoll does not support files."""

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._requests: SimpleQueue[Deferred[bytes]] = SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    async def read(self) -> bytes:
        """Return the next bytes, b"" at the end."""
        request: Deferred[bytes] = Deferred()
        self._requests.put(request)
        return await request

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines without their newlines."""
        rest = b""
        while data := await self.read():
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.removesuffix(b"\r")
        if rest:
            yield rest

    def _run(self) -> None:
        while True:
            request = self._requests.get()
            try:
                data = os.read(0, MAX_READ_BYTES)
            except OSError:
                data = b""
            self._reactor.callFromThread(request.callback, data)
