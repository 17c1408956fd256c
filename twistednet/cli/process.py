"""A command as a process: the reactor, standard input and output, the exit status."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from queue import SimpleQueue
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twistednet.client.errors import ClientError
from twistednet.client.sessions import Session
from twistednet.core.text import readable

#: The status of what Ctrl-C ended, as shells have it.
INTERRUPTED = 130

Main = Callable[[Any], Awaitable[int | None]]


def run(main: Main, prompting: bool = False) -> NoReturn:
    """Run `main(reactor)` and exit with the status that it returns, 0 for None.

    A ClientError is one line on standard error, and its status. Ctrl-C ends with
    status 130, as in a shell; a reader that closes our standard output
    has had what it wanted, which is no error. A prompt lives in asyncio's loop.
    """
    if prompting:
        from twisted.internet import asyncioreactor

        asyncioreactor.install()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    ending = _Ending()
    try:
        react(lambda reactor: Deferred.fromCoroutine(ending.of(main, reactor)))
    except SystemExit as ended:
        raise SystemExit(INTERRUPTED if ending.interrupted else ended.code) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


class _Ending:
    """How a run ended: by itself, or because a signal stopped the reactor."""

    interrupted = False
    _finished = False

    async def of(self, main: Main, reactor: Any) -> None:
        """Run it; the status, if there is one, is raised as SystemExit."""
        reactor.addSystemEventTrigger("before", "shutdown", self._shutdown)
        try:
            status = await main(reactor)
            sys.stdout.flush()
        except ClientError as error:
            # A signal breaks our connections off too: nobody needs to hear of that.
            status = INTERRUPTED if self.interrupted else complain(str(error), error.status)
        except KeyboardInterrupt:
            # Before the reactor runs, a SIGINT is Python's own.
            status = INTERRUPTED
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            # What is still buffered would raise again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = 0
        finally:
            self._finished = True
        if status:
            raise SystemExit(status)

    def _shutdown(self) -> None:
        self.interrupted = not self._finished


def complain(text: str, status: int) -> int:
    print(f"netdemo: {text}", file=sys.stderr)
    return status


def show(data: bytes | str) -> None:
    """What a server sent, for a person: any script, but nothing that acts on a terminal."""
    text = data.decode(errors="backslashreplace") if isinstance(data, bytes) else data
    lines = text.removesuffix("\n").split("\n")
    print("\n".join(readable(line.removesuffix("\r")) for line in lines), flush=True)


async def say(session: Session, message: bytes) -> bytes | None:
    """Say it, and show what is answered."""
    answer = await session.say(message)
    if answer is not None:
        show(answer)
    return answer


def passOn(data: bytes) -> None:
    """What a server sent, as it is, for a program; for a person as in `show`."""
    if sys.stdout.isatty():
        show(data)
    else:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


class StandardInput:
    """Reads a chunk when it is asked to, in a thread: a file is never ready to epoll."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._asked: SimpleQueue[Deferred[bytes]] = SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    async def read(self) -> bytes:
        """The next bytes, and nothing at the end."""
        asked: Deferred[bytes] = Deferred()
        self._asked.put(asked)
        return await asked

    async def lines(self) -> AsyncIterator[bytes]:
        """Without their newlines."""
        rest = b""
        while data := await self.read():
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.removesuffix(b"\r")
        if rest:
            yield rest

    def _run(self) -> None:
        while True:
            asked = self._asked.get()
            try:
                data = os.read(0, 65536)
            except OSError:
                data = b""
            self._reactor.callFromThread(asked.callback, data)
