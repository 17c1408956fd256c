"""What a load run sends to a service, and what is right to come back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from twistednet.client.http import authorityOf, request
from twistednet.client.targets import Target
from twistednet.core.plugins import BadPlugin, plugins

#: The entry point group in which other packages name the `Traffic` of a service.
ENTRY_POINTS = "twistednet.loads"
#: Bytes of the number that a datagram begins with.
NUMBER_BYTES = 8

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Exchange:
    """A request on a connection, and how to judge what comes back.

    `judge` is called with all bytes since the request. It returns None while more must come,
    True for the right answer, and False for a wrong one.
    """

    request: bytes
    judge: Callable[[bytes], bool | None]

    @classmethod
    def of(cls, request: bytes, answer: bytes) -> Exchange:
        """Return an exchange whose right answer is always the same."""
        return cls(request, lambda came: came == answer if len(came) >= len(answer) else None)


@dataclass(frozen=True)
class Traffic:
    """What `netdemo load --as NAME` sends. None where the service is not served that way.

    `streams(target, size)` is called once for each run, and its exchange is repeated on every
    connection. `datagrams(number, size)` is called for each datagram, and returns it and the
    right reply; with the `number` in both, a late reply can be counted as late. `size` is that
    of --size, in bytes.
    """

    name: str
    streams: Callable[[Target, int], Exchange] | None = None
    datagrams: Callable[[int, int], tuple[bytes, bytes]] | None = None


def loadTraffic() -> dict[str, Traffic]:
    """Return the traffic of all services by name: ours first, then those of other packages.

    Raises BadPlugin for an entry point that does not load, is not a `Traffic`, or has a name
    that exists.
    """
    found = {traffic.name: traffic for traffic in TRAFFIC}
    for origin, traffic in plugins(ENTRY_POINTS, Traffic, "twistednet.load"):
        if traffic.name in found:
            raise BadPlugin(f"{origin} has a name that exists: {traffic.name}; choose another")
        found[traffic.name] = traffic
    return found


def _echo(target: Target, size: int) -> Exchange:
    return Exchange.of(b"x" * size, b"x" * size)


def _echoDatagram(number: int, size: int) -> tuple[bytes, bytes]:
    data = number.to_bytes(NUMBER_BYTES, "big") + b"x" * (size - NUMBER_BYTES)
    return data, data


def _answer(target: Target, size: int) -> Exchange:
    return Exchange.of(b"how are u\n", b"fine\n")


def _hello(target: Target, size: int) -> Exchange:
    return Exchange(request(authorityOf(target)), _GreetingJudge())


class _GreetingJudge:
    """Judges HTTP responses; knows a second one of the same size and body at a glance."""

    def __init__(self) -> None:
        self._size = 0
        self._body = b""

    def __call__(self, came: bytes) -> bool | None:
        isOK = came.startswith(b"HTTP/1.1 200")
        if len(came) == self._size and isOK and came.endswith(self._body):
            return True
        head = came.find(b"\r\n\r\n")
        if head < 0:
            return None
        length = _LENGTH.search(came, 0, head + 2)
        if length is None:
            return False
        size = head + 4 + int(length[1])
        if len(came) < size:
            return None
        if isOK:
            self._size, self._body = size, came[head:]
        return isOK


TRAFFIC = (
    Traffic("echo", _echo, _echoDatagram),
    Traffic("answer", _answer),
    Traffic("datagram", None, _echoDatagram),
    Traffic("hello", _hello),
)
