"""transport/listening.py: UNIX sockets."""

from __future__ import annotations

import os
import stat

from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase

from tests.support.loops import Loop
from tests.support.processes import temporaryFolder
from twistednet.transport.listening import UNIXPort


class UmaskTests(SynchronousTestCase):
    """The mode of a socket's file, which only the umask of the process can set at its birth."""

    def setUp(self) -> None:
        self.addCleanup(os.umask, os.umask(0o027))
        self.folder = temporaryFolder(self)

    def port(self, path: str, mode: int) -> UNIXPort:
        factory = Factory()
        factory.noisy = False
        return UNIXPort(os.fsencode(path), factory, 5, mode, Loop())

    def umask(self) -> int:
        """Return the umask, which can be read only by setting it."""
        now = os.umask(0)
        os.umask(now)
        return now

    def test_kept(self) -> None:
        """The socket has the mode that was asked for; other files are made as before."""
        for mode in (0o600, 0o660, 0o666):
            path = str(self.folder / f"socket{mode:o}")
            port = self.port(path, mode)
            port.startListening()
            self.addCleanup(port.reactor.advance, 0)
            self.addCleanup(port.stopListening)
            self.assertEqual(mode, stat.S_IMODE(os.stat(path).st_mode))
            self.assertEqual(0o027, self.umask())

    def test_keptAfterFailure(self) -> None:
        """A socket that cannot be made changes nothing either."""
        port = self.port(str(self.folder / "missing" / "socket"), 0o600)
        self.assertRaises(CannotListenError, port.startListening)
        self.assertEqual(0o027, self.umask())
