"""A conformance kit for any server, ours or not."""

from __future__ import annotations

from twistednet.check.answer import ANSWER
from twistednet.check.datagram import DATAGRAM, ECHO_DATAGRAMS
from twistednet.check.echo import ECHO
from twistednet.check.hello import HELLO
from twistednet.check.kit import Check, Result, conform
from twistednet.check.simple import (
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
