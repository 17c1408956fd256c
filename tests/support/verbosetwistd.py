"""twistd, with a log that leaves out no line of a test: run as a program, in place of twistd."""

from __future__ import annotations

import sys

# The folder of this file is no place for modules of a service.
del sys.path[0]

from twisted.scripts.twistd import run  # noqa: E402

from twistednet.sinks.log import LogSink  # noqa: E402

#: Tests share a daemon, and wait for a line about each of their connections.
LogSink.BURST = 300

run()
