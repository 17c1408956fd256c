"""The commands of receiving ends and onlookers: listen, watch, completion."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from twistednet.client.errors import BadTarget
from twistednet.client.listen import listened, parsed
from twistednet.client.running import run
from twistednet.client.watch import URL, Site, watched


@click.command()
@click.argument("where")
@click.option("--until", metavar="WORD", help="Stop when somebody sends WORD.")
def listen(where: str, until: str | None) -> None:
    """Display what arrives at WHERE, and send nothing back.

    WHERE is tcp:PORT or udp:PORT, on loopback, or with an address: tcp:0.0.0.0:9090.
    """
    try:
        place = parsed(where)
    except BadTarget as error:
        raise click.UsageError(str(error)) from None
    run(lambda reactor: listened(reactor, place, until))


@click.command()
@click.argument("url", default=URL)
@click.option(
    "--token",
    envvar="NETDEMO_ADMIN_TOKEN",
    default="",
    help="What the admin site wants to know, where URL does not say it.",
)
@click.option("--no-follow", is_flag=True, help="Show who is connected now, and no more.")
def watch(url: str, token: str, no_follow: bool) -> None:
    """Follow who comes to a running daemon and who goes.

    URL is that of its admin site, as it is printed at its start [http://127.0.0.1:8800/].
    """
    try:
        site = Site.parse(url, token)
    except BadTarget as error:
        raise click.UsageError(str(error)) from None
    run(lambda reactor: watched(reactor, site, not no_follow))


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete netdemo's commands and options.

    In ~/.bashrc: eval "$(netdemo completion bash)"
    """
    root = click.get_current_context().find_root()
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(root.command, {}, "netdemo", "_NETDEMO_COMPLETE").source())
