"""The messages between a test and the process of its servers: JSON objects, one on each line.

The test writes requests to the standard input of the process. The process answers each one, and
reports what happens to the servers, on its standard output. Servers are identified by a number
that the test chooses.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class ServeRequest(TypedDict):
    """Start a server. The answer has its address."""

    id: int
    do: Literal["serve"]
    server: int
    service: str
    settings: dict[str, object]


class FaultsRequest(TypedDict):
    """Replace the faults of a server by these rules, with counts and draws reset."""

    id: int
    do: Literal["faults"]
    server: int
    rules: list[str]


class StopRequest(TypedDict):
    """Stop a server and abort its connections."""

    id: int
    do: Literal["stop"]
    server: int


class SyncRequest(TypedDict):
    """Answer once everything that clients have sent until now is reported."""

    id: int
    do: Literal["sync"]


Request = ServeRequest | FaultsRequest | StopRequest | SyncRequest


class Address(TypedDict):
    """Where a server listens: a host and a port, or the path of a UNIX socket."""

    host: str | None
    port: int | None
    path: str | None


class ChildAnswer(TypedDict):
    """The answer to the request with this id. `error` says why it failed."""

    type: Literal["answer"]
    id: int
    address: NotRequired[Address]
    error: NotRequired[str]


class LogMessage(TypedDict):
    """A warning or an error from the log of the process."""

    type: Literal["log"]
    text: str


class OpenedMessage(TypedDict):
    """A connection was accepted."""

    type: Literal["opened"]
    server: int
    connection: int
    peer: str


class ReceivedMessage(TypedDict):
    """A chunk or, with 0 for its connection, a datagram arrived. `data` is in Base64."""

    type: Literal["received"]
    server: int
    connection: int
    peer: str
    data: str


class ClosedMessage(TypedDict):
    """A connection ended."""

    type: Literal["closed"]
    server: int
    connection: int
    reason: str
    bytesOut: int


class RefusedMessage(TypedDict):
    """A connection or datagram was refused."""

    type: Literal["refused"]
    server: int
    peer: str
    limit: str


class FaultedMessage(TypedDict):
    """A fault acted. `connection` is 0 for a datagram."""

    type: Literal["faulted"]
    server: int
    connection: int
    peer: str
    fault: str
    rule: str
    did: str


EventMessage = OpenedMessage | ReceivedMessage | ClosedMessage | RefusedMessage | FaultedMessage
Message = ChildAnswer | LogMessage | EventMessage
