"""The services as functions: connect, ask, hang up, and return a plain value.

`target` is a `Target`, or text as `Target.parse` takes it. Every function may be
given `timeout` (seconds of silence), `bare` (no newlines) and a `reactor`, and
raises a `ClientError`.
"""

from __future__ import annotations

from typing import Any

from twistednet.client.connecting import connect
from twistednet.client.reactors import theReactor
from twistednet.client.sessions import PAUSE, opened
from twistednet.client.streams import TIMEOUT, Stream
from twistednet.client.targets import Target


def _target(target: Target | str, kind: str = "tcp") -> Target:
    return Target.parse(target, kind) if isinstance(target, str) else target


async def _said(service: str, target: Target, message: bytes, how: dict[str, Any]) -> bytes:
    async with opened(service, target, **how) as session:
        return await session.say(message) or b""


async def echo(target: Target | str, data: bytes, **how: Any) -> bytes:
    """What came back, which is `data` or an Unexpected."""
    return await _said("echo", _target(target), data, {"bare": True, **how})


async def ask(target: Target | str, question: str, **how: Any) -> str:
    """The answer to a question."""
    return (await _said("ask", _target(target), question.encode(), how)).decode(errors="replace")


async def send(target: Target | str, data: bytes, **how: Any) -> None:
    """Returns once the server has taken all of it, and hung up."""
    await _said("send", _target(target), data, {"bare": True, **how})


async def datagram(target: Target | str, data: bytes, **how: Any) -> bytes:
    """The reply to one datagram."""
    return await _said("datagram", _target(target, "udp"), data, how)


async def hello(target: Target | str, name: str = "", **how: Any) -> str:
    """The greeting that an HTTP server answers with."""
    return (await _said("hello", _target(target), name.encode(), how)).decode(errors="replace")


async def chat(target: Target | str, *lines: str, **how: Any) -> list[str]:
    """Say these lines, then byebye; all that was heard from the first line to the end."""
    talk = await joined(_target(target), **how)
    heard: list[str] = []
    try:
        for line in lines:
            talk.say(line)
            if talk.bare:
                heard += await talk.heard()
        talk.say(talk.word)
        while some := await talk.heard():
            heard += some
    finally:
        await talk.leave()
    return heard


class Talk:
    """A person in a chat room, who may hear something at any time."""

    word = "byebye"

    def __init__(self, stream: Stream, bare: bool = False) -> None:
        self.stream = stream
        self.bare = bare

    def say(self, text: str) -> None:
        self.stream.write(text.encode(errors="surrogateescape") + b"\n" * (not self.bare))

    async def heard(self) -> list[str]:
        """The next line, or (bare) what comes until a pause; nothing at the end."""
        read = self.stream.readUntilQuiet(PAUSE) if self.bare else self.stream.readLine()
        return (await read).decode(errors="backslashreplace").splitlines()

    async def leave(self) -> None:
        await self.stream.close()


async def joined(
    target: Target, *, bare: bool = False, timeout: float = TIMEOUT, reactor: Any = None
) -> Talk:
    """In the room, and nothing said yet."""
    return Talk(await connect(reactor or theReactor(), target, timeout), bare)
