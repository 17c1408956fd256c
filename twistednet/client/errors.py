"""What can go wrong for a client, and the exit status that tells it to a script."""

from __future__ import annotations


class ClientError(Exception):
    """One line that says what happened and what to do; `status` is for scripts."""

    status = 1


class Unexpected(ClientError):
    """The server did answer, or hang up, but not as it should."""


class BadTarget(ClientError):
    """What was given as a server is none."""

    status = 2


class CannotConnect(ClientError):
    """Nothing to talk to: no such host, or nobody listens."""

    status = 3


class TimedOut(ClientError):
    """The server was silent for too long."""

    status = 4
