"""The reactor that the clients run in."""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import (
    IReactorCore,
    IReactorTCP,
    IReactorThreads,
    IReactorTime,
    IReactorUDP,
    IReactorUNIX,
)


class Reactor(IReactorCore, IReactorTCP, IReactorThreads, IReactorTime, IReactorUDP, IReactorUNIX):
    """What the clients use of a reactor. Every POSIX reactor of Twisted has it."""


def theReactor() -> Reactor:
    """Return the reactor of this process; the first import of it installs one."""
    from twisted.internet import reactor

    return cast(Reactor, reactor)
