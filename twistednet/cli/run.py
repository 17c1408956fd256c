"""Running a command: its coroutine in the reactor, and the exit status of the process."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twistednet.client.errors import ClientError
from twistednet.client.reactors import Reactor

#: The exit status after Ctrl-C, as in a shell.
INTERRUPTED = 130

Main = Callable[[Reactor], Awaitable[int | None]]


def run(main: Main, prompting: bool = False) -> NoReturn:
    """Run `main(reactor)` and exit with the status that it returns, 0 for None.

    A ClientError becomes one line on standard error, and its status. Ctrl-C gives status 130.
    It is not an error if the reader of standard output closes it. A `prompting` command runs
    in asyncio's event loop.
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

    async def of(self, main: Main, reactor: Reactor) -> None:
        """Run it. Raises SystemExit with its status, if that is not 0."""
        reactor.addSystemEventTrigger("before", "shutdown", self._shutdown)
        try:
            status = await main(reactor)
            sys.stdout.flush()
        except ClientError as error:
            # A signal breaks our connections off, too: those errors are not reported.
            status = INTERRUPTED if self.interrupted else complain(str(error), error.status)
        except KeyboardInterrupt:
            # Before the reactor runs, Python itself handles SIGINT.
            status = INTERRUPTED
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            # What is still buffered would raise again when Python exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = 0
        finally:
            self._finished = True
        if status:
            raise SystemExit(status)

    def _shutdown(self) -> None:
        self.interrupted = not self._finished


def complain(text: str, status: int) -> int:
    """Print an error message, and return the status."""
    print(f"netdemo: {text}", file=sys.stderr)
    return status
