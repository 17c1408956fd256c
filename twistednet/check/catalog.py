"""The services that `netdemo check` knows: ours, and those that other packages add."""

from __future__ import annotations

from twistednet.check.answer import ANSWER
from twistednet.check.datagram import DATAGRAM, ECHO_DATAGRAMS
from twistednet.check.echo import ECHO
from twistednet.check.hello import HELLO
from twistednet.check.model import ServiceChecks
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
from twistednet.core.plugins import byName

#: The entry point group in which other packages name the `ServiceChecks` of a service.
ENTRY_POINTS = "twistednet.checks"

SERVICE_CHECKS = (
    ServiceChecks("echo", ECHO, ECHO_DATAGRAMS),
    ServiceChecks("answer", ANSWER),
    ServiceChecks("datagram", None, DATAGRAM),
    ServiceChecks("hello", HELLO),
    ServiceChecks("discard", DISCARD, DISCARD_DATAGRAMS),
    ServiceChecks("daytime", DAYTIME, DAYTIME_DATAGRAMS),
    ServiceChecks("time", TIME, TIME_DATAGRAMS),
    ServiceChecks("chargen", CHARGEN, CHARGEN_DATAGRAMS),
    ServiceChecks("qotd", QOTD, QOTD_DATAGRAMS),
)


def loadChecks() -> dict[str, ServiceChecks]:
    """Return the checks of all services by name: ours first, then those of other packages.

    Raises BadPlugin for an entry point that does not load, is not a `ServiceChecks`, or has
    a name that exists.
    """
    return byName(SERVICE_CHECKS, ENTRY_POINTS, ServiceChecks, "twistednet.check")
