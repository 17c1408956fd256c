"""`netdemo fault`: what a running daemon does wrong on purpose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twistednet.cli.adminapi import Site
from twistednet.cli.process import show

_PATH = "/api/v1/faults"
_SCENARIO = "/api/v1/scenario"


async def listed(reactor: Any, site: Site) -> None:
    """Show all rules in force, and the scenario that is played."""
    _show((await site.ask(reactor, _PATH))["faults"])
    _showPlaying((await site.ask(reactor, _SCENARIO))["playing"])


async def added(reactor: Any, site: Site, rules: Iterable[str]) -> None:
    """All of them or, if one is wrong, none."""
    await site.ask(reactor, _PATH, "POST", {"rules": [*rules]})
    await listed(reactor, site)


async def replaced(reactor: Any, site: Site, rules: Iterable[str]) -> None:
    """These, and no others."""
    _show((await site.ask(reactor, _PATH, "PUT", {"rules": [*rules]}))["faults"])


async def removed(reactor: Any, site: Site, numbers: Iterable[int]) -> None:
    for number in numbers:
        await site.ask(reactor, f"{_PATH}/{number}", "DELETE")
    await listed(reactor, site)


async def begunAnew(reactor: Any, site: Site, numbers: Iterable[int]) -> None:
    for number in numbers:
        await site.ask(reactor, f"{_PATH}/{number}/reset", "POST")
    await listed(reactor, site)


async def played(reactor: Any, site: Site, scenario: str | None) -> None:
    """This one, by its name or as it is written; with None, no more."""
    await site.ask(reactor, _SCENARIO, "PUT", {"play": scenario})
    await listed(reactor, site)


def _showPlaying(playing: dict[str, Any] | None) -> None:
    if playing is not None:
        part, parts = playing["part"], playing["parts"]
        where = f"scenario {playing['name']}, part {part} of {len(parts)}"
        show(f"{where}, {playing['left']:.1f} s left: {parts[part - 1]}")


def _show(faults: list[dict[str, Any]]) -> None:
    for one in faults:
        over = ", over" if one["over"] else ""
        show(f"{one['id']}  {one['rule']}  (acted {one['acted']} of {one['seen']}{over})")
    if not faults:
        show("(nothing goes wrong)")
