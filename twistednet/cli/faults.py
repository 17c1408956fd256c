"""`netdemo fault`: the faults of a running daemon, shown and changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict, cast

import click

from twistednet.cli.adminapi import URL, Site, tokenOption
from twistednet.cli.run import run
from twistednet.cli.stdio import show
from twistednet.client.reactors import Reactor

_FAULTS = "/api/v1/faults"
_SCENARIO = "/api/v1/scenario"


class RuleState(TypedDict):
    """A fault rule in the admin API. It acted on `acted` of the `seen` that it applies to."""

    id: int
    rule: str
    acted: int
    seen: int
    over: bool


class PlayedScenario(TypedDict):
    """The scenario that is being played: `part` of `parts`, with `left` seconds of it."""

    name: str
    part: int
    parts: list[str]
    left: float


@click.group(invoke_without_command=True)
@click.option("--url", default=URL, show_default=True, help="The URL of the admin site.")
@tokenOption
@click.pass_context
def fault(context: click.Context, url: str, token: str) -> None:
    """Show the faults of a running daemon, or change them.

    A RULE is a service, a colon and a fault, as in 'echo: latency 100ms, first 2'.
    """
    site = context.obj = Site.parse(url, token)
    if context.invoked_subcommand is None:
        run(lambda reactor: _showAll(reactor, site))


@fault.command()
@click.argument("rules", nargs=-1, required=True, metavar="RULE...")
@click.pass_obj
def add(site: Site, rules: tuple[str, ...]) -> None:
    """Add each RULE to the active rules. If one is wrong, none is added."""
    run(lambda reactor: _change(reactor, site, [_FAULTS], "POST", {"rules": rules}))


@fault.command()
@click.argument("rules", nargs=-1, metavar="RULE...")
@click.pass_obj
def only(site: Site, rules: tuple[str, ...]) -> None:
    """Replace all active rules by each RULE. Without a RULE, remove all."""
    run(lambda reactor: _replace(reactor, site, rules))


@fault.command()
@click.argument("numbers", nargs=-1, required=True, type=int, metavar="ID...")
@click.pass_obj
def remove(site: Site, numbers: tuple[int, ...]) -> None:
    """Remove the rules with these numbers."""
    paths = [f"{_FAULTS}/{number}" for number in numbers]
    run(lambda reactor: _change(reactor, site, paths, "DELETE"))


@fault.command()
@click.argument("numbers", nargs=-1, required=True, type=int, metavar="ID...")
@click.pass_obj
def reset(site: Site, numbers: tuple[int, ...]) -> None:
    """Reset the counts and random numbers of the rules with these numbers."""
    paths = [f"{_FAULTS}/{number}/reset" for number in numbers]
    run(lambda reactor: _change(reactor, site, paths, "POST"))


@fault.command()
@click.argument("scenario")
@click.pass_obj
def play(site: Site, scenario: str) -> None:
    """Play a SCENARIO.

    SCENARIO is a name, or a definition such as 'outage = 10s healthy | 5s echo: refuse'.
    """
    run(lambda reactor: _change(reactor, site, [_SCENARIO], "PUT", {"play": scenario}))


@fault.command()
@click.pass_obj
def stop(site: Site) -> None:
    """Stop the scenario that is playing."""
    run(lambda reactor: _change(reactor, site, [_SCENARIO], "PUT", {"play": None}))


async def _change(
    reactor: Reactor, site: Site, paths: Iterable[str], method: str, content: object = None
) -> None:
    for path in paths:
        await site.ask(reactor, path, method, content)
    await _showAll(reactor, site)


async def _replace(reactor: Reactor, site: Site, rules: tuple[str, ...]) -> None:
    _showRules(await site.ask(reactor, _FAULTS, "PUT", {"rules": rules}))


async def _showAll(reactor: Reactor, site: Site) -> None:
    """Show all rules, and the scenario that is being played."""
    _showRules(await site.ask(reactor, _FAULTS))
    answer = cast(dict[str, PlayedScenario | None], await site.ask(reactor, _SCENARIO))
    playing = answer["playing"]
    if playing is not None:
        part, parts = playing["part"], playing["parts"]
        where = f"scenario {playing['name']}, part {part} of {len(parts)}"
        show(f"{where}, {playing['left']:.1f} s left: {parts[part - 1]}")


def _showRules(answer: object) -> None:
    rules = cast(dict[str, list[RuleState]], answer)["faults"]
    for rule in rules:
        over = ", over" if rule["over"] else ""
        show(f"{rule['id']}  {rule['rule']}  (acted {rule['acted']} of {rule['seen']}{over})")
    if not rules:
        show("(no faults)")
