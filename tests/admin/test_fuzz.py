"""The API against whatever can be made of its own document."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest
from twisted.trial.unittest import SkipTest

from tests.support.adminsite import AdminTests
from tests.support.processes import temporaryFolder
from twistednet.admin import control

#: Seconds that the run may take; without a limit it would take minutes.
LONGEST = 20


class FuzzTests(AdminTests):
    """A daemon that somebody throws everything at."""

    @pytest.mark.slow
    def test_schemathesis(self) -> None:
        """Whatever is sent, the answer is one that the document tells of, and none is ours to
        blame. (Streams do not end, a drain does, and who often has no right to ask is
        slowed down: those have tests of their own.)"""
        tool = Path(sys.executable).with_name("schemathesis")
        if not tool.exists():
            raise SkipTest("schemathesis is not installed: pip install -e '.[dev]'")
        for service in ("echo", "answer", "chat"):
            with self.connect(service) as sock:
                sock.sendall(b"how are u\n")
                sock.recv(100)
        document = Path(control.__file__).with_name("openapi.json")
        told = temporaryFolder(self) / "told"
        with told.open("w") as output:
            process = subprocess.Popen(
                [
                    *(str(tool), "run", str(document)),
                    *("--url", f"http://{self.admin.host}:{self.admin.port}"),
                    *("--header", f"Authorization: Bearer {self.admin.token}"),
                    *("--exclude-operation-id", "drain", "--exclude-operation-id", "events"),
                    *("--exclude-operation-id", "follow", "--checks", "all"),
                    *("--exclude-checks", "ignored_auth"),
                    *("--request-timeout", "10", "--max-time", str(LONGEST), "--seed", "1"),
                    *("--warnings", "off", "--continue-on-failure"),
                ],
                cwd=told.parent,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            self.addCleanup(process.kill)
            # A daemon whose log nobody reads stands still once the pipe is full.
            log = self.daemon.process.stdout
            assert log is not None
            while process.poll() is None:
                if select.select([log], [], [], 0.1)[0]:
                    self.daemon.log += os.read(log.fileno(), 65536).decode()
        self.assertEqual(0, process.returncode, told.read_text())
        self.assertIn("Operations:       24 selected / 27 total", told.read_text())
        self.assertEqual(200, self.admin.ask("/livez").status)
        self.assertNotIn("failed", self.daemon.log)
