"""A daemon to test a client against, in a process of its own.

    with twistednet.testing.serve("echo") as server:
        my_client(server.host, server.port)
        assert server.received() == b"hello"
        assert server.connections[0].closed == "client FIN"

It needs neither pytest nor a reactor, and gets in the way of none. Under pytest
the fixture `netdemo` does the same, and cleans up by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twistednet.testing.parent import CannotServe, ChildProcess, Connection

__all__ = ["CannotServe", "Connection", "Netdemo", "Server", "serve"]


class Server:
    """A daemon that listens at `host` and `port`, or at the UNIX socket `path`.

    What it tells is true of all that clients had sent when it was asked: no test
    needs to sleep. It keeps the first 64 MiB.
    """

    def __init__(self, process: ChildProcess, service: str, settings: dict[str, Any]) -> None:
        number, where = process.serve(service, settings)
        self.service = service
        self.host: str = where["host"]
        self.port: int = where["port"]
        self.path: str | None = where["path"]
        self._process = process
        self._number = number
        self._seen = process.seen[number]
        self._ownsProcess = False

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def received(self) -> bytes:
        """All bytes that have arrived, on every connection, in the order of arrival."""
        self._process.sync()
        return b"".join(self._seen.received)

    @property
    def datagrams(self) -> list[bytes]:
        """Each datagram that has arrived."""
        self._process.sync()
        return list(self._seen.datagrams)

    @property
    def connections(self) -> list[Connection]:
        """Every connection there was, in the order of their coming."""
        self._process.sync()
        return list(self._seen.connections.values())

    @property
    def refused(self) -> list[str]:
        """The limit that was reached, for each connection or datagram turned away."""
        self._process.sync()
        return list(self._seen.refused)

    def journal(self) -> str:
        """What happened, a line each."""
        self._process.sync()
        address = self.path or f"{self.host}:{self.port}"
        return "\n".join((f"{self.service} at {address}", *self._seen.journal))

    def misbehave(self, *rules: str) -> None:
        """From now on these faults are in force, and no others; without a rule, none.

        Their counts and draws begin anew. A rule need not name the service. Raises
        CannotServe if one is wrong.
        """
        self._process.misbehave(self._number, list(rules))

    def waitFor(self, condition: Callable[[Server], object], timeout: float = 5.0) -> None:
        """Until `condition(server)` is true, for a client in a thread or process of its own.

        Raises TimeoutError, with the journal.
        """
        if not self._process.waitFor(lambda: condition(self), timeout):
            raise TimeoutError(f"not within {timeout:g} s; the journal:\n{self.journal()}")

    def close(self) -> None:
        """Stop listening, and break off the connections that are open."""
        if self._number in self._process.open:
            self._process.stop(self._number)
        if self._ownsProcess:
            self._process.close()


class Netdemo:
    """What the fixture gives to one test."""

    def __init__(self, process: ChildProcess) -> None:
        self._process = process
        self._servers: list[Server] = []
        self._logged = len(process.log)

    def serve(self, service: str, **settings: Any) -> Server:
        """A fresh daemon at 127.0.0.1 and a port of its own, ready when this returns.

        `settings` are those of the daemon (idleTimeout=2, or idle_timeout=2), `listen`,
        an endpoint string, and `faults`, a list of rules, which need not name the
        service: ["reset at accept, first 2"]. Raises CannotServe.
        """
        server = Server(self._process, service, settings)
        self._servers.append(server)
        return server

    def journal(self) -> str:
        """What happened to this test's servers, and what they logged that is no event."""
        journals = [server.journal() for server in self._servers]
        return "\n\n".join((*journals, *self._process.log[self._logged :]))

    def close(self) -> None:
        """The end of the test: nothing listens any more."""
        for server in self._servers:
            server.close()


def serve(service: str, **settings: Any) -> Server:
    """A daemon in a process of its own, which ends with it. Raises CannotServe."""
    process = ChildProcess()
    try:
        server = Server(process, service, settings)
    except BaseException:
        process.close()
        raise
    server._ownsProcess = True
    return server
