"""The command `netdemo`: its subcommands, and those that talk to one service."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Unpack

import click
from click.shell_completion import get_completion_class

from twistednet.cli.check import check
from twistednet.cli.faults import fault
from twistednet.cli.listen import listen
from twistednet.cli.load import load
from twistednet.cli.options import ClientOptions, Flags, options
from twistednet.cli.pipe import chatOnce, pipe
from twistednet.cli.run import run
from twistednet.cli.stdio import StandardInput, oneMessage, say
from twistednet.cli.watch import watch
from twistednet.client.reactors import Reactor
from twistednet.client.sessions import opened

_EPILOG = """
Give TEXT to send one message, pipe standard input to send each line of it, or type lines
at the prompt. To end, press Ctrl-D or type the command's word: exit, bye or byebye.

Exit status: 0 success, 1 not the expected answer, 2 wrong usage, 3 could not connect,
4 timed out.
"""


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="twistednet")
def netdemo() -> None:
    """Talk to network services, check them and measure them.

    TARGET is HOST:PORT, or an endpoint string such as unix:/run/echo.sock.
    """


_STREAM = ("bare", "tls", "ca", "unix", "ipv6", "timeout", "expect")


@netdemo.command()
@options("udp", *_STREAM)
@click.argument("text", required=False)
def echo(target: str, text: str | None, **flags: Unpack[Flags]) -> None:
    """Send TEXT and check that it comes back (RFC 862). `exit` ends.

    A pipe is sent unchanged, byte by byte: netdemo echo TARGET <file | cmp - file
    """
    chosen = ClientOptions.of(target, **flags)
    _talk("echo", chosen, text, pipes=not chosen.target.isDatagram)


@netdemo.command()
@options(*_STREAM)
@click.argument("text", required=False)
def ask(target: str, text: str | None, **flags: Unpack[Flags]) -> None:
    """Ask a question and show the answer. `bye` ends."""
    _talk("ask", ClientOptions.of(target, **flags), text)


@netdemo.command()
@options("udp", "bare", "tls", "ca", "unix", "ipv6", "timeout")
@click.argument("text", required=False)
def send(target: str, text: str | None, **flags: Unpack[Flags]) -> None:
    """Send TEXT to a server that sends nothing back. `exit` ends."""
    chosen = ClientOptions.of(target, **flags)
    _talk("send", chosen, text, pipes=not chosen.target.isDatagram)


@netdemo.command()
@options("ipv6", "timeout", "expect")
@click.argument("text", required=False)
def datagram(target: str, text: str | None, **flags: Unpack[Flags]) -> None:
    """Send a datagram and show the reply. `bye` ends."""
    _talk("datagram", ClientOptions.of(target, "udp", **flags), text)


@netdemo.command()
@options("tls", "ca", "unix", "ipv6", "timeout", "expect")
@click.argument("name", required=False)
def hello(target: str, name: str | None, **flags: Unpack[Flags]) -> None:
    """Show the greeting of an HTTP server, for NAME if given. `exit` ends."""
    _talk("hello", ClientOptions.of(target, **flags), name)


@netdemo.command()
@options(*_STREAM[:-1])
@click.argument("text", required=False)
def chat(target: str, text: str | None, **flags: Unpack[Flags]) -> None:
    """Chat with the people in a room. `byebye` ends.

    With TEXT or a pipe: say it, leave, and show what was received.
    """
    chosen = ClientOptions.of(target, **flags)
    if text is None and sys.stdin.isatty():
        from twistednet.cli.prompt import chatAtPrompt

        run(lambda reactor: chatAtPrompt(reactor, chosen), prompting=True)
    run(lambda reactor: chatOnce(reactor, chosen, text))


@netdemo.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that makes SHELL complete netdemo's commands and options.

    In ~/.bashrc: eval "$(netdemo completion bash)"
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(netdemo, {}, "netdemo", "_NETDEMO_COMPLETE").source())


def _talk(service: str, chosen: ClientOptions, text: str | None, pipes: bool = False) -> None:
    """Send `text`, or standard input, or what is typed. `pipes`: standard input is not lines."""
    if text is not None:
        run(lambda reactor: _sayAll(reactor, service, chosen, oneMessage(text)))
    elif sys.stdin.isatty():
        from twistednet.cli.prompt import talkAtPrompt

        run(lambda reactor: talkAtPrompt(reactor, service, chosen), prompting=True)
    elif pipes:
        if chosen.expect is not None:
            raise click.UsageError("--expect needs TEXT: a pipe is sent unchanged")
        run(lambda reactor: pipe(reactor, chosen, returned=service == "echo"))
    else:
        run(lambda r: _sayAll(r, service, chosen, StandardInput(r).lines()))


async def _sayAll(
    reactor: Reactor, service: str, chosen: ClientOptions, messages: AsyncIterator[bytes]
) -> None:
    answer = None
    async with opened(
        service, chosen.target, bare=chosen.bare, timeout=chosen.timeout, reactor=reactor
    ) as session:
        async for message in messages:
            answer = await say(session, message)
            if message.strip() == session.word.encode():
                break
        if answer is None and service == "hello":
            # Standard input was empty, as under cron: get the greeting without a name.
            answer = await say(session, b"")
    chosen.check(answer)


for command in (check, load, listen, watch, fault):
    netdemo.add_command(command)
