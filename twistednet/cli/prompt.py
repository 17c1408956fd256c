"""The clients at a terminal: a prompt with history, and what is said above it.

It lives in asyncio's loop, where prompt_toolkit is at home: the reactor must be
Twisted's asyncio reactor.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout
from twisted.internet.defer import Deferred

from twistednet.cli.options import ClientOptions
from twistednet.cli.process import INTERRUPTED, say, show
from twistednet.client.errors import Unexpected
from twistednet.client.sessions import opened
from twistednet.client.talk import Talk, joined

#: Seconds that a chat server has for its last words.
FAREWELL = 1.0


class _Interrupted(Exception):
    """Ctrl-C was pressed; a KeyboardInterrupt would go through the event loop."""


class Prompt:
    """Reads lines as they are typed, until Ctrl-D or `close`; Ctrl-C ends the program."""

    def __init__(self, service: str) -> None:
        self._session: PromptSession[str] = PromptSession(
            history=_history(service), interrupt_exception=_Interrupted
        )
        self.closed = False

    async def line(self) -> str | None:
        """The next line; None at the end."""
        if self.closed:
            return None
        asking: Any = asyncio.ensure_future(self._session.prompt_async("> ", handle_sigint=False))
        try:
            return str(await Deferred.fromFuture(asking))
        except EOFError:
            return None
        except _Interrupted:
            raise SystemExit(INTERRUPTED) from None

    def close(self) -> None:
        """The conversation is over, whatever is half typed."""
        self.closed = True
        if self._session.app.is_running:
            self._session.app.exit(exception=EOFError())


def _history(service: str) -> History:
    """Kept between two runs where there is a place for it, readable by its owner only."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    path = Path(state) / "netdemo" / f"history-{service}"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)


async def prompted(reactor: Any, service: str, how: ClientOptions) -> None:
    """Say each line that is typed, and show what is answered."""
    answer = None
    async with opened(
        service, how.target, bare=how.bare, timeout=how.timeout, reactor=reactor
    ) as session:
        prompt = Prompt(service)
        while (line := await prompt.line()) is not None:
            over = line.strip() == session.word
            if not (over and session.word == "exit"):
                answer = await say(session, line.encode(errors="surrogateescape"))
            if over:
                break
    how.check(answer)


async def talked(reactor: Any, how: ClientOptions) -> None:
    """Chat: what others say appears above the line that is being typed."""
    talk = await joined(how.target, bare=how.bare, timeout=how.timeout, reactor=reactor)
    talk.stream.timeout = None
    prompt = Prompt("chat")
    with patch_stdout():
        hearing = Deferred.fromCoroutine(_hear(talk, prompt))
        try:
            left = await _say(talk, prompt)
        except SystemExit:
            # Whoever goes by Ctrl-C does not wait for what is said to that.
            hearing.addErrback(lambda _: None)
            raise
        # The last that is said to us, of which a server may have nothing to say.
        await hearing.addTimeout(FAREWELL, reactor, lambda *_: None)
    await talk.leave()
    if not left:
        raise Unexpected(f"{how.target} hung up")


async def _say(talk: Talk, prompt: Prompt) -> bool:
    """What is typed, to its end; was it we who left?"""
    while (line := await prompt.line()) is not None:
        talk.say(line)
        if line.strip() == talk.word:
            return True
    if prompt.closed:
        return False
    talk.say(talk.word)
    return True


async def _hear(talk: Talk, prompt: Prompt) -> None:
    try:
        while heard := await talk.heard():
            for line in heard:
                show(line)
    finally:
        prompt.close()
