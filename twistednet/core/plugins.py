"""Plugins: services, kinds of faults, checks and loads that other packages add."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from typing import Protocol, TypeVar

T = TypeVar("T")
N = TypeVar("N", bound="Named")


class BadPlugin(Exception):
    """A plugin cannot be used; the message names its entry point and says why."""


def plugins(group: str, kind: type[T], package: str = "twistednet") -> Iterator[tuple[str, T]]:
    """Yield the origin and the object of each entry point in `group`.

    Raises BadPlugin for one that does not load or is not a `kind`, which people import
    from `package`.
    """
    for point in entry_points(group=group):
        origin = f"the entry point {point.name} = {point.value} ({group})"
        try:
            found = point.load()
        except Exception as error:
            raise BadPlugin(f"{origin} does not load: {error}") from error
        if not isinstance(found, kind):
            raise BadPlugin(f"{origin} is not a {package}.{kind.__name__}: {found!r}")
        yield origin, found


class Named(Protocol):
    """An object that users choose by its name."""

    @property
    def name(self) -> str: ...


def byName(own: Iterable[N], group: str, kind: type[N], package: str) -> dict[str, N]:
    """Return our own objects by name, and after them those of the entry points in `group`.

    Raises BadPlugin as `plugins` does, and for a name that exists.
    """
    found = {one.name: one for one in own}
    for origin, one in plugins(group, kind, package):
        if one.name in found:
            raise BadPlugin(f"{origin} has a name that exists: {one.name}; choose another")
        found[one.name] = one
    return found
