"""Options that the client commands share, and the server that they name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict, TypeVar, Unpack

import click

from twistednet.client.errors import BadTarget, Unexpected
from twistednet.client.streams import TIMEOUT_SECONDS
from twistednet.client.targets import KINDS, Target
from twistednet.core.text import shown

Command = TypeVar("Command", bound=Callable[..., object])

_OPTIONS = {
    "bare": click.option("--bare", is_flag=True, help="Send without newlines, as tutorials do."),
    "tls": click.option("--tls", is_flag=True, help="Use TLS."),
    "ca": click.option("--ca", metavar="FILE", help="Trust this certificate (PEM); with --tls."),
    "unix": click.option("--unix", is_flag=True, help="TARGET is the path of a UNIX socket."),
    "udp": click.option("--udp", is_flag=True, help="Use UDP."),
    "ipv6": click.option("--ipv6", is_flag=True, help="Use an IPv6 address of the host."),
    "timeout": click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=TIMEOUT_SECONDS,
        show_default=True,
        metavar="SECONDS",
        help="How long the server may be silent.",
    ),
    "expect": click.option(
        "--expect", metavar="TEXT", help="Exit with status 1 unless the last answer is TEXT."
    ),
}


class Flags(TypedDict, total=False):
    """The values of the shared options, as click passes them to a command."""

    bare: bool
    tls: bool
    ca: str | None
    unix: bool
    udp: bool
    ipv6: bool
    timeout: float
    expect: str | None


def options(*names: str) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of these names, and the argument TARGET."""

    def add(command: Command) -> Command:
        for name in reversed(names):
            command = _OPTIONS[name](command)
        return click.argument("target")(command)

    return add


@dataclass(frozen=True)
class ClientOptions:
    """The server, and how to talk to it."""

    target: Target
    bare: bool = False
    timeout: float = TIMEOUT_SECONDS
    expect: str | None = None

    @classmethod
    def of(cls, target: str, default: str = "tcp", **flags: Unpack[Flags]) -> ClientOptions:
        """Return the options for TARGET, whose kind is `default` if nothing else says it.

        Raises UsageError for options that exclude each other, and for a bad TARGET.
        """
        kinds = [kind for kind in KINDS if flags.get(kind)]
        if len(kinds) > 1:
            raise click.UsageError(f"--{kinds[0]} and --{kinds[1]} exclude each other: keep one")
        ca = flags.get("ca")
        if ca is not None and not Path(ca).is_file():
            raise click.UsageError(f"--ca {ca}: there is no such file")
        try:
            found = Target.parse(target, kinds[0] if kinds else default)
        except BadTarget as error:
            raise click.UsageError(str(error)) from None
        return cls(
            replace(found, ipv6=flags.get("ipv6", False), ca=ca),
            flags.get("bare", False),
            flags.get("timeout", TIMEOUT_SECONDS),
            flags.get("expect"),
        )

    def check(self, answer: bytes | None) -> None:
        """Raise Unexpected if the last answer is not the expected one."""
        if self.expect is None or answer == os.fsencode(self.expect):
            return
        got = "nothing" if answer is None else f"'{shown(answer)}'"
        raise Unexpected(f"{self.target}: expected '{shown(self.expect)}', got {got}")
