"""Servers to test a client against, in a process of their own.

    with twistednet.testing.serve("echo") as server:
        my_client(server.host, server.port)
        assert server.received() == b"hello"
        assert server.connections[0].closed == "client FIN"

This needs neither pytest nor a reactor, and does not interfere with either. Under pytest the
fixture `netdemo` does the same, and cleans up by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twistednet.testing.parent import CannotServe, ChildProcess, Connection

__all__ = ["CannotServe", "Connection", "Netdemo", "Server", "serve"]


class Server:
    """A server at `host` and `port`, or at the UNIX socket `path`.

    What it reports covers everything that clients had sent before the call, so no test needs to
    sleep. It records the first 64 MiB.
    """

    def __init__(self, process: ChildProcess, service: str, settings: dict[str, object]) -> None:
        number, address = process.serve(service, settings)
        self.service = service
        # Both are None for a UNIX socket, whose users need the path only.
        self.host = cast(str, address["host"])
        self.port = cast(int, address["port"])
        self.path = address["path"]
        self._process = process
        self._number = number
        self._record = process.records[number]
        self._ownsProcess = False

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def received(self) -> bytes:
        """Return all bytes that have arrived, on every connection, in the order of arrival."""
        self._process.sync()
        return b"".join(self._record.received)

    @property
    def datagrams(self) -> list[bytes]:
        """The datagrams that have arrived."""
        self._process.sync()
        return list(self._record.datagrams)

    @property
    def connections(self) -> list[Connection]:
        """All connections, open and closed, in the order in which they were accepted."""
        self._process.sync()
        return list(self._record.connections.values())

    @property
    def refused(self) -> list[str]:
        """The limit that was reached, for each refused connection or datagram."""
        self._process.sync()
        return list(self._record.refused)

    def journal(self) -> str:
        """Return what happened, one line for each event."""
        self._process.sync()
        address = self.path or f"{self.host}:{self.port}"
        return "\n".join((f"{self.service} at {address}", *self._record.journal))

    def misbehave(self, *rules: str) -> None:
        """Replace the faults by these, with counts and draws reset; without a rule, remove all.

        A rule need not name the service. Raises CannotServe if one is wrong.
        """
        self._process.replaceFaults(self._number, list(rules))

    def waitFor(self, condition: Callable[[Server], object], timeout: float = 5.0) -> None:
        """Wait until `condition(server)` is true, for a client in another thread or process.

        Raises TimeoutError, with the journal, after `timeout` seconds.
        """
        if not self._process.waitFor(lambda: condition(self), timeout):
            raise TimeoutError(f"not within {timeout:g} s; the journal:\n{self.journal()}")

    def close(self) -> None:
        """Stop listening, and abort the open connections."""
        if self._number in self._process.open:
            self._process.stop(self._number)
        if self._ownsProcess:
            self._process.close()


class Netdemo:
    """The pytest fixture `netdemo`: the servers of one test."""

    def __init__(self, process: ChildProcess) -> None:
        self._process = process
        self._servers: list[Server] = []
        self._logged = len(process.log)

    def serve(self, service: str, **settings: object) -> Server:
        """Start a server at 127.0.0.1 and a free port, ready when this returns.

        `settings` are those of the daemon (idleTimeout=2 or idle_timeout=2), `listen`, an
        endpoint string, and `faults`, a list of rules, which need not name the service:
        ["reset at accept, first 2"]. Raises CannotServe.
        """
        try:
            server = Server(self._process, service, settings)
        except CannotServe as error:
            # pytest shows the line of the test alone, and the error.
            __tracebackhide__ = True
            raise error.with_traceback(None) from None
        self._servers.append(server)
        return server

    def journal(self) -> str:
        """Return what happened to this test's servers, and the warnings that were logged."""
        journals = [server.journal() for server in self._servers]
        return "\n\n".join((*journals, *self._process.log[self._logged :]))

    def close(self) -> None:
        """Stop all servers of the test."""
        for server in self._servers:
            server.close()


def serve(service: str, **settings: object) -> Server:
    """Start a server in a process of its own; closing it ends the process.

    The settings are those of `Netdemo.serve`. Raises CannotServe.
    """
    process = ChildProcess()
    try:
        server = Server(process, service, settings)
    except BaseException:
        process.close()
        raise
    server._ownsProcess = True
    return server
