"""The commands of receiving ends, and of those about a running daemon."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from twistednet.cli.adminapi import URL, Site
from twistednet.cli.faults import added, begunAnew, listed, played, removed, replaced
from twistednet.cli.listen import listened, parsed
from twistednet.cli.process import run
from twistednet.cli.watch import watched
from twistednet.client.errors import BadTarget


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


_TOKEN = click.option(
    "--token",
    envvar="NETDEMO_ADMIN_TOKEN",
    default="",
    help="What the admin site wants to know, where its URL does not say it.",
)


def _site(url: str, token: str) -> Site:
    try:
        return Site.parse(url, token)
    except BadTarget as error:
        raise click.UsageError(str(error)) from None


@click.command()
@click.argument("url", default=URL)
@_TOKEN
@click.option("--no-follow", is_flag=True, help="Show who is connected now, and no more.")
def watch(url: str, token: str, no_follow: bool) -> None:
    """Follow who comes to a running daemon and who goes.

    URL is that of its admin site, as it is printed at its start [http://127.0.0.1:8800/].
    """
    site = _site(url, token)
    run(lambda reactor: watched(reactor, site, not no_follow))


@click.group(invoke_without_command=True)
@click.option("--url", default=URL, show_default=True, help="Where its admin site is.")
@_TOKEN
@click.pass_context
def fault(context: click.Context, url: str, token: str) -> None:
    """Show what a running daemon does wrong on purpose, or change it.

    A RULE is a service, a colon and a fault, as in 'echo: latency 100ms, first 2'.
    """
    context.obj = _site(url, token)
    if context.invoked_subcommand is None:
        run(lambda reactor: listed(reactor, context.obj))


@fault.command()
@click.argument("rules", nargs=-1, required=True, metavar="RULE...")
@click.pass_obj
def add(site: Site, rules: tuple[str, ...]) -> None:
    """Put each RULE in force, besides those that are."""
    run(lambda reactor: added(reactor, site, rules))


@fault.command()
@click.argument("rules", nargs=-1, metavar="RULE...")
@click.pass_obj
def only(site: Site, rules: tuple[str, ...]) -> None:
    """Put each RULE in force, and no others; without a RULE nothing goes wrong any more."""
    run(lambda reactor: replaced(reactor, site, rules))


@fault.command()
@click.argument("numbers", nargs=-1, required=True, type=int, metavar="ID...")
@click.pass_obj
def remove(site: Site, numbers: tuple[int, ...]) -> None:
    """Take the rules with these numbers out of force."""
    run(lambda reactor: removed(reactor, site, numbers))


@fault.command()
@click.argument("numbers", nargs=-1, required=True, type=int, metavar="ID...")
@click.pass_obj
def reset(site: Site, numbers: tuple[int, ...]) -> None:
    """Count and draw anew for the rules with these numbers."""
    run(lambda reactor: begunAnew(reactor, site, numbers))


@fault.command()
@click.argument("scenario")
@click.pass_obj
def play(site: Site, scenario: str) -> None:
    """Play a SCENARIO: by its name, or as in 'outage = 10s healthy | 5s echo: refuse'."""
    run(lambda reactor: played(reactor, site, scenario))


@fault.command()
@click.pass_obj
def stop(site: Site) -> None:
    """End the scenario that is played."""
    run(lambda reactor: played(reactor, site, None))


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
