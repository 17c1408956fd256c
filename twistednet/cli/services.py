"""The option --as: a service that `netdemo check` or `netdemo load` knows, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import click
from click.shell_completion import CompletionItem

from twistednet.core.plugins import BadPlugin
from twistednet.core.text import shown, suggestion

T = TypeVar("T")


# Older releases of click than 8.4 have no type parameter there.
class ServiceName(click.ParamType, Generic[T]):  # type: ignore[type-arg]
    """Turns a name into what `load` returns for it. Entry points are loaded on use only."""

    name = "service"

    def __init__(self, load: Callable[[], Mapping[str, T]]) -> None:
        self._load = load

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join(self._load())}]"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> T:
        services = self._load()
        name = str(value)
        if name not in services:
            hint = suggestion(name, services)
            self.fail(f"unknown service {shown(name)!r}{hint}", param, ctx)
        return services[name]

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            names = list(self._load())
        except BadPlugin:
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]
