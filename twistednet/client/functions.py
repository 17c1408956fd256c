"""The services as functions: connect, exchange one message, close, return a plain value.

`target` is a `Target`, or text that `Target.parse` takes. The options of every function are
those of `SessionOptions`. Every function raises subclasses of `ClientError`.
"""

from __future__ import annotations

from typing import TypedDict, Unpack

from twistednet.client.reactors import Reactor
from twistednet.client.sessions import joinChat, opened
from twistednet.client.targets import Target


class SessionOptions(TypedDict, total=False):
    """Options of a session: see `opened`."""

    bare: bool
    timeout: float
    reactor: Reactor


async def echo(target: Target | str, data: bytes, **options: Unpack[SessionOptions]) -> bytes:
    """Return what came back, which is `data`. Raises Unexpected for anything else."""
    return await _answer("echo", _target(target), data, {"bare": True, **options})


async def ask(target: Target | str, question: str, **options: Unpack[SessionOptions]) -> str:
    """Return the answer to a question."""
    answer = await _answer("ask", _target(target), question.encode(), options)
    return answer.decode(errors="replace")


async def send(target: Target | str, data: bytes, **options: Unpack[SessionOptions]) -> None:
    """Send data, and return once the server has read all of it and closed."""
    await _answer("send", _target(target), data, {"bare": True, **options})


async def datagram(target: Target | str, data: bytes, **options: Unpack[SessionOptions]) -> bytes:
    """Return the reply to one datagram."""
    return await _answer("datagram", _target(target, "udp"), data, options)


async def hello(target: Target | str, name: str = "", **options: Unpack[SessionOptions]) -> str:
    """Return the greeting of an HTTP server."""
    answer = await _answer("hello", _target(target), name.encode(), options)
    return answer.decode(errors="replace")


async def chat(target: Target | str, *lines: str, **options: Unpack[SessionOptions]) -> list[str]:
    """Say these lines and then byebye; return all lines received until the server closes."""
    session = await joinChat(_target(target), **options)
    received: list[str] = []
    try:
        for line in lines:
            session.say(line)
            if session.bare:
                received += await session.receive()
        session.say(session.word)
        while some := await session.receive():
            received += some
    finally:
        await session.leave()
    return received


async def _answer(service: str, target: Target, message: bytes, options: SessionOptions) -> bytes:
    async with opened(service, target, **options) as session:
        return await session.say(message) or b""


def _target(target: Target | str, kind: str = "tcp") -> Target:
    return Target.parse(target, kind) if isinstance(target, str) else target
