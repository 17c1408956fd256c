"""sinks/sinks.py: the files of settings that were read, and not taken."""

from __future__ import annotations

import errno
import os

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import temporaryFolder
from twistednet.settings.schema import OFF, Settings
from twistednet.sinks.sinks import EventSinks


class PreparedTests(SynchronousTestCase):
    """A reload that fails after its file of events was opened."""

    def setUp(self) -> None:
        self.path = str(temporaryFolder(self) / "pipe")
        os.mkfifo(self.path)
        self.sinks = EventSinks(Clock())
        self.addCleanup(self.sinks.close)

    def prepare(self, events: str) -> None:
        self.sinks.prepare(Settings(listen={}, protocols={}, events=events))

    def isOpen(self) -> bool:
        """True if somebody has the pipe open for reading, as a sink of events has (fifo(7))."""
        try:
            os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            self.assertEqual(errno.ENXIO, error.errno)
            return False
        return True

    def test_notTaken(self) -> None:
        """The next reload closes a file that no settings took."""
        self.prepare(self.path)
        self.assertTrue(self.isOpen())
        self.prepare(OFF)
        self.assertFalse(self.isOpen())

    def test_stopped(self) -> None:
        """So does the end of the daemon."""
        self.prepare(self.path)
        self.sinks.close()
        self.assertFalse(self.isOpen())
