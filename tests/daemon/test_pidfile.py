"""daemon/pidfile.py: which pidfiles a daemon may start with, and its version."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.metadata import version

from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import PATIENCE, TWISTD, run, running, temporaryFolder


class PidfileTests(SynchronousTestCase):
    """`twistd --pidfile`, with something there already."""

    def setUp(self) -> None:
        self.folder = temporaryFolder(self)
        self.path = self.folder / "twistd.pid"

    def starts(self) -> None:
        """Check that a daemon starts, writes its own pid, and removes the file at its end."""
        flags = ("--only", "echo", "--echo", "tcp:0")
        with running(*flags, twistd=(f"--pidfile={self.path}",)) as daemon:
            self.assertEqual(str(daemon.process.pid), self.path.read_text())
            self.assertEqual(-signal.SIGTERM, daemon.stop())
        self.assertFalse(self.path.exists())

    def fails(self) -> str:
        """Return the error of a daemon that does not start."""
        result = run(f"--pidfile={self.path}", "-n", "netdemo", "--only", "echo", "--echo", "tcp:0")
        self.assertEqual(1, result.returncode)
        return result.stderr

    def test_stale(self) -> None:
        """A process that is gone, or another program, does not stop the start."""
        gone = subprocess.Popen(["true"])
        gone.wait(PATIENCE)
        sleep = subprocess.Popen(["sleep", "100"])
        self.addCleanup(sleep.wait)
        self.addCleanup(sleep.kill)
        for pid in (gone.pid, sleep.pid):
            self.path.write_text(f"{pid}\n")
            self.starts()

    def test_ownNumber(self) -> None:
        """A container that is started again gives the same number to the same program."""
        program = (
            "import os, sys; "
            "open(sys.argv[1], 'w').write(str(os.getpid())); "
            "os.execv(sys.argv[2], sys.argv[2:])"
        )
        command = [sys.executable, "-c", program, str(self.path), TWISTD]
        command += ["-n", f"--pidfile={self.path}", "netdemo", "--only", "echo", "--echo", "tcp:0"]
        with running(command=[*command]) as daemon:
            daemon.waitFor("serving")

    def test_running(self) -> None:
        """A twistd that runs is not disturbed."""
        with running("--only", "echo", "--echo", "tcp:0") as daemon:
            self.path.write_text(str(daemon.process.pid))
            self.assertIn("Another twistd server is running", self.fails())
        self.assertTrue(self.path.exists())

    def test_link(self) -> None:
        """A symbolic link, dangling or not, is not followed."""
        target = self.folder / "target"
        self.path.symlink_to(target)
        for content in (None, "1"):
            if content is not None:
                target.write_text(content)
            self.assertEqual(
                f"twistd netdemo: --pidfile: {self.path} is a symbolic link; "
                "remove it, or name another file\n",
                self.fails(),
            )
        self.assertEqual("1", target.read_text())

    def test_nonsense(self) -> None:
        """A file that is not a pidfile stays as it is."""
        self.path.write_text("precious")
        self.assertIn("non-numeric", self.fails())
        self.assertEqual("precious", self.path.read_text())


class VersionTests(SynchronousTestCase):
    """`twistd netdemo --version`."""

    def test_version(self) -> None:
        """It is ours, and not that of Twisted."""
        result = run("netdemo", "--version")
        self.assertEqual(
            (0, f"twistednet {version('twistednet')}\n"), (result.returncode, result.stdout)
        )
