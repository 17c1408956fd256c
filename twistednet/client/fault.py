"""`netdemo fault`: what a running daemon does wrong on purpose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twistednet.client.adminsite import Site
from twistednet.client.running import show

_PATH = "/api/v1/faults"


async def listed(reactor: Any, site: Site) -> None:
    """Show all rules in force."""
    _show((await site.ask(reactor, _PATH))["faults"])


async def added(reactor: Any, site: Site, rules: Iterable[str]) -> None:
    """All of them or, if one is wrong, none."""
    before = [one["rule"] for one in (await site.ask(reactor, _PATH))["faults"]]
    await replaced(reactor, site, (*before, *rules))


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


def _show(faults: list[dict[str, Any]]) -> None:
    for one in faults:
        show(f"{one['id']}  {one['rule']}  (acted {one['acted']} of {one['seen']})")
    if not faults:
        show("(nothing goes wrong)")
