"""`netdemo`: the clients on the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import click

from twistednet.cli.admincommands import completion, fault, listen, watch
from twistednet.cli.check import check
from twistednet.cli.load import load
from twistednet.cli.options import ClientOptions, options
from twistednet.cli.pipe import poured, talkedOnce
from twistednet.cli.process import StandardInput, run, say
from twistednet.client.sessions import opened

_STATUSES = """
Give TEXT to say one thing; pipe standard input to say every line of it; or type,
and end with Ctrl-D or the service's own word.

Exit status: 0 done, 1 not the expected answer, 2 usage, 3 could not connect,
4 timed out.
"""


@click.group(epilog=_STATUSES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="twistednet")
def netdemo() -> None:
    """Talk to the basic network services, measure them and check them.

    TARGET is HOST:PORT, or an endpoint string such as unix:/run/echo.sock.
    """


_STREAM = ("bare", "tls", "ca", "unix", "ipv6", "timeout", "expect")


@netdemo.command()
@options("udp", *_STREAM)
@click.argument("text", required=False)
def echo(target: str, text: str | None, **flags: Any) -> None:
    """Send TEXT, and check that it comes back (RFC 862). `exit` ends.

    A pipe goes through as it is, byte by byte: netdemo echo TARGET <file | cmp - file
    """
    how = ClientOptions.of(target, **flags)
    _serve("echo", how, text, pours=not how.target.isDatagram)


@netdemo.command()
@options(*_STREAM)
@click.argument("text", required=False)
def ask(target: str, text: str | None, **flags: Any) -> None:
    """Ask a question, and show the answer. `bye` ends."""
    _serve("ask", ClientOptions.of(target, **flags), text)


@netdemo.command()
@options("udp", "bare", "tls", "ca", "unix", "ipv6", "timeout")
@click.argument("text", required=False)
def send(target: str, text: str | None, **flags: Any) -> None:
    """Send TEXT to a server that displays it. `exit` ends."""
    how = ClientOptions.of(target, **flags)
    _serve("send", how, text, pours=not how.target.isDatagram)


@netdemo.command()
@options("ipv6", "timeout", "expect")
@click.argument("text", required=False)
def datagram(target: str, text: str | None, **flags: Any) -> None:
    """Send a datagram, and show the reply. `bye` ends."""
    _serve("datagram", ClientOptions.of(target, "udp", **flags), text)


@netdemo.command()
@options("tls", "ca", "unix", "ipv6", "timeout", "expect")
@click.argument("name", required=False)
def hello(target: str, name: str | None, **flags: Any) -> None:
    """Be greeted by an HTTP server, by NAME if there is one. `exit` ends."""
    _serve("hello", ClientOptions.of(target, **flags), name)


@netdemo.command()
@options(*_STREAM[:-1])
@click.argument("text", required=False)
def chat(target: str, text: str | None, **flags: Any) -> None:
    """Talk with the people in a room. `byebye` ends.

    With TEXT or a pipe: say it, leave, and show what was heard.
    """
    how = ClientOptions.of(target, **flags)
    if text is None and sys.stdin.isatty():
        from twistednet.cli.prompt import talked

        run(lambda reactor: talked(reactor, how), prompting=True)
    run(lambda reactor: talkedOnce(reactor, how, text))


def _serve(service: str, how: ClientOptions, text: str | None, pours: bool = False) -> None:
    """Say one thing, or what is piped in, or what is typed."""
    if text is not None:
        run(lambda reactor: _converse(reactor, service, how, _one(text)))
    elif sys.stdin.isatty():
        from twistednet.cli.prompt import prompted

        run(lambda reactor: prompted(reactor, service, how), prompting=True)
    elif pours:
        if how.expect is not None:
            raise click.UsageError("--expect needs TEXT: a pipe goes through as it is")
        run(lambda reactor: poured(reactor, how, returned=service == "echo"))
    else:
        run(lambda r: _converse(r, service, how, StandardInput(r).lines()))


async def _one(text: str) -> AsyncIterator[bytes]:
    yield os.fsencode(text)


async def _converse(
    reactor: Any, service: str, how: ClientOptions, said: AsyncIterator[bytes]
) -> None:
    answer = None
    async with opened(
        service, how.target, bare=how.bare, timeout=how.timeout, reactor=reactor
    ) as session:
        async for message in said:
            answer = await say(session, message)
            if message.strip() == session.word.encode():
                break
        if answer is None and service == "hello":
            # No name was piped in, as under cron: nobody is greeted all the same.
            answer = await say(session, b"")
    how.check(answer)


for command in (check, load, listen, watch, fault, completion):
    netdemo.add_command(command)
