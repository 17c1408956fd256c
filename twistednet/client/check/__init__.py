"""A conformance kit for any server, ours or not."""

from __future__ import annotations

from twistednet.client.check.answer import ANSWER
from twistednet.client.check.base import Check, Result, conform
from twistednet.client.check.datagram import DATAGRAM, ECHO_DATAGRAMS
from twistednet.client.check.echo import ECHO
from twistednet.client.check.hello import HELLO
from twistednet.client.check.small import (
    CHARGEN,
    CHARGEN_DATAGRAMS,
    DAYTIME,
    DAYTIME_DATAGRAMS,
    DISCARD,
    DISCARD_DATAGRAMS,
    QOTD,
    QOTD_DATAGRAMS,
    TIME,
    TIME_DATAGRAMS,
)

#: The checks of each service: over connections, and over datagrams.
CHECKS = {
    "echo": (ECHO, ECHO_DATAGRAMS),
    "answer": (ANSWER, None),
    "datagram": (None, DATAGRAM),
    "hello": (HELLO, None),
    "discard": (DISCARD, DISCARD_DATAGRAMS),
    "daytime": (DAYTIME, DAYTIME_DATAGRAMS),
    "time": (TIME, TIME_DATAGRAMS),
    "chargen": (CHARGEN, CHARGEN_DATAGRAMS),
    "qotd": (QOTD, QOTD_DATAGRAMS),
}


def checksOf(service: str, isDatagram: bool, slow: bool = False) -> list[Check]:
    """The checks that apply; none where the service is not served that way."""
    found = CHECKS[service][isDatagram]
    return [check for check in found.checks if slow or not check.slow] if found else []


__all__ = ["CHECKS", "Check", "Result", "checksOf", "conform"]
