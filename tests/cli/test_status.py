"""cli/run.py, cli/check.py: the exit status of a command."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.processes import PATIENCE, DaemonTests

COMMAND = [sys.executable, "-m", "twistednet.cli.main"]


class OutputTests(SynchronousTestCase):
    """Standard output that cannot be written."""

    def test_full(self) -> None:
        """On a full disk the command fails, because what it shows is lost (full(4))."""
        if not os.path.exists("/dev/full"):
            raise SkipTest("there is no /dev/full")
        with open("/dev/full", "w") as full:
            ended = subprocess.run(
                [*COMMAND, "listen", "tcp:0"],
                stdin=subprocess.DEVNULL,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=PATIENCE,
            )
        self.assertNotEqual(0, ended.returncode)
        self.assertIn("No space left on device", ended.stderr)


class CheckTests(DaemonTests):
    """A check that means nothing for the server."""

    flags = ("--only", "echo", "--echo", "unix:echo.sock")

    def test_notApplicable(self) -> None:
        """It is no failure of the server: the status is 0."""
        path = self.daemon.path / "echo.sock"
        ended = subprocess.run(
            [*COMMAND, "check", "--unix", str(path), "--as", "echo", "--only", "RST"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        self.assertIn("0 passed, 0 failed, 1 not applicable", ended.stdout)
        self.assertEqual((0, ""), (ended.returncode, ended.stderr))
