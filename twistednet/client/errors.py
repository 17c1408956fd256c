"""Errors of the clients, each with the exit status of the `netdemo` command."""

from __future__ import annotations


class ClientError(Exception):
    """What went wrong and what to do, in one line."""

    status = 1


class Unexpected(ClientError):
    """The server did not answer, or close the connection, as it should."""


class BadTarget(ClientError):
    """The text does not name a server."""

    status = 2


class CannotConnect(ClientError):
    """There is no such host, or nothing listens on the port."""

    status = 3


class TimedOut(ClientError):
    """The server was silent for too long."""

    status = 4
