"""A prompt with history, above which the answers appear.

prompt_toolkit needs asyncio's event loop, so the reactor must be Twisted's asyncio reactor.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout
from twisted.internet.defer import Deferred

from twistednet.cli.options import ClientOptions
from twistednet.cli.run import INTERRUPTED
from twistednet.cli.stdio import say, show
from twistednet.client.errors import Unexpected
from twistednet.client.reactors import Reactor
from twistednet.client.sessions import ChatSession, joinChat, opened

#: Seconds for a chat server to close the connection after byebye.
LEAVE_SECONDS = 1.0


class _Interrupted(Exception):
    """Ctrl-C was pressed; a KeyboardInterrupt would go through the event loop."""


class Prompt:
    """Reads typed lines until Ctrl-D or `close`. Ctrl-C ends the program."""

    def __init__(self, service: str) -> None:
        self._session: PromptSession[str] = PromptSession(
            history=_history(service), interrupt_exception=_Interrupted
        )
        self.closed = False

    async def line(self) -> str | None:
        """Return the next line, None at the end."""
        if self.closed:
            return None
        prompt = self._session.prompt_async("> ", handle_sigint=False)
        try:
            return await Deferred.fromFuture(asyncio.ensure_future(prompt))
        except EOFError:
            return None
        except _Interrupted:
            raise SystemExit(INTERRUPTED) from None

    def close(self) -> None:
        """End the prompt, and drop a half-typed line."""
        self.closed = True
        if self._session.app.is_running:
            self._session.app.exit(exception=EOFError())


def _history(service: str) -> History:
    """Return the history of earlier runs, in a file for its owner only; else of this run."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    path = Path(state) / "netdemo" / f"history-{service}"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)


async def talkAtPrompt(reactor: Reactor, service: str, options: ClientOptions) -> None:
    """Send each typed line, and show its answer."""
    answer = None
    async with opened(
        service, options.target, bare=options.bare, timeout=options.timeout, reactor=reactor
    ) as session:
        prompt = Prompt(service)
        while (line := await prompt.line()) is not None:
            over = line.strip() == session.word
            if not (over and session.word == "exit"):
                answer = await say(session, line.encode(errors="surrogateescape"))
            if over:
                break
    options.check(answer)


async def chatAtPrompt(reactor: Reactor, options: ClientOptions) -> None:
    """Say each typed line. Lines of others appear above the one that is being typed."""
    session = await joinChat(
        options.target, bare=options.bare, timeout=options.timeout, reactor=reactor
    )
    session.stream.timeout = None
    prompt = Prompt("chat")
    with patch_stdout():
        receiving = Deferred.fromCoroutine(_receive(session, prompt))
        try:
            left = await _say(session, prompt)
        except SystemExit:
            # After Ctrl-C the server's last lines are not awaited.
            receiving.addErrback(lambda _: None)
            raise
        # The server may have no last lines, and leave the connection open.
        await receiving.addTimeout(LEAVE_SECONDS, reactor, lambda *_: None)
    await session.leave()
    if not left:
        raise Unexpected(f"{options.target} closed the connection")


async def _say(session: ChatSession, prompt: Prompt) -> bool:
    """Say what is typed, to its end. Return whether the user left, and not the server."""
    while (line := await prompt.line()) is not None:
        session.say(line)
        if line.strip() == session.word:
            return True
    if prompt.closed:
        return False
    session.say(session.word)
    return True


async def _receive(session: ChatSession, prompt: Prompt) -> None:
    try:
        while lines := await session.receive():
            for line in lines:
                show(line)
    finally:
        prompt.close()
