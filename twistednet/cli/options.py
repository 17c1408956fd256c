"""The options that the commands share, and how they name a server."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from twistednet.client.errors import BadTarget, Unexpected
from twistednet.client.streams import TIMEOUT
from twistednet.client.targets import KINDS, Target
from twistednet.core.text import shown

_OPTIONS = {
    "bare": click.option("--bare", is_flag=True, help="Send without newlines, as tutorials do."),
    "tls": click.option("--tls", is_flag=True, help="Over TLS."),
    "ca": click.option("--ca", metavar="FILE", help="Trust this certificate (PEM); with --tls."),
    "unix": click.option("--unix", is_flag=True, help="TARGET is the path of a UNIX socket."),
    "udp": click.option("--udp", is_flag=True, help="In datagrams."),
    "ipv6": click.option("--ipv6", is_flag=True, help="Use an IPv6 address of the host."),
    "timeout": click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=TIMEOUT,
        show_default=True,
        metavar="SECONDS",
        help="How long a server may be silent.",
    ),
    "expect": click.option(
        "--expect", metavar="TEXT", help="Status 1 unless the last answer is TEXT."
    ),
}


def options(*names: str) -> Callable[[Any], Any]:
    """The options of these names, and the argument TARGET before all."""

    def add(command: Any) -> Any:
        for name in reversed(names):
            command = _OPTIONS[name](command)
        return click.argument("target")(command)

    return add


@dataclass(frozen=True)
class ClientOptions:
    """What the shared options say. Raises UsageError for two that exclude each other."""

    target: Target
    bare: bool = False
    timeout: float = TIMEOUT
    expect: str | None = None

    @classmethod
    def of(cls, target: str, default: str = "tcp", **flags: Any) -> ClientOptions:
        asked = [kind for kind in KINDS if flags.get(kind)]
        if len(asked) > 1:
            raise click.UsageError(f"--{asked[0]} and --{asked[1]} exclude each other: keep one")
        ca = flags.get("ca")
        if ca is not None and not Path(ca).is_file():
            raise click.UsageError(f"--ca {ca}: there is no such file")
        try:
            found = Target.parse(target, asked[0] if asked else default)
        except BadTarget as error:
            raise click.UsageError(str(error)) from None
        found = replace(found, ipv6=bool(flags.get("ipv6")), ca=ca)
        return cls(
            found, bool(flags.get("bare")), flags.get("timeout", TIMEOUT), flags.get("expect")
        )

    def check(self, answer: bytes | None) -> None:
        """Raises Unexpected where the last answer is not the expected one."""
        if self.expect is None or answer == os.fsencode(self.expect):
            return
        got = "nothing" if answer is None else f"'{shown(answer)}'"
        raise Unexpected(f"{self.target}: expected '{shown(self.expect)}', and got {got}")
