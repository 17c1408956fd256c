"""daemon/watchdog.py: a daemon that cannot stop by itself is ended, and says where it was."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from twisted.trial.unittest import TestCase

from tests.support.processes import (
    PATIENCE,
    TWISTD,
    Running,
    environment,
    running,
    temporaryFolder,
)

#: The exit status of a daemon that was ended (EX_SOFTWARE of sysexits.h).
ENDED = 70

# Services that hang. What the client sends says how.
MODULE = """
import ctypes, re, threading, time
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twistednet import Echo

class Stuck(Echo):
    def reply(self, data):
        getattr(self, data.decode())()
        return data

    def never(self):
        reactor.addSystemEventTrigger("before", "shutdown", Deferred)

    def sleep(self):
        print("hanging")
        time.sleep(3600)

    def loop(self):
        print("hanging")
        while True:
            pass

    def deadlock(self):
        # Python's handlers of signals do not run meanwhile.
        print("hanging")
        mutex = ctypes.create_string_buffer(64)
        for _ in range(2):
            ctypes.CDLL(None).pthread_mutex_lock(mutex)

    def regex(self):
        print("hanging")
        re.match("(a|aa)+b", "a" * 60)

    def thread(self):
        reactor.callInThread(threading.Event().wait)
"""


class WatchdogTests(TestCase):
    """Whole daemons with a service that hangs."""

    def setUp(self) -> None:
        self.folder = temporaryFolder(self)
        (self.folder / "stuck.py").write_text(MODULE)

    def hanging(self, how: str, *flags: str) -> Running:
        """Return a daemon that hangs in this way."""
        daemon = Running(
            *("--only", "echo", "--echo", "tcp:0", "--echo-class", "stuck.Stuck"),
            *flags,
            env=environment(PYTHONPATH=str(self.folder)),
        )
        self.addCleanup(daemon.close)
        sock = daemon.connect("echo")
        self.addCleanup(sock.close)
        sock.sendall(how.encode())
        if how in ("never", "thread"):
            self.assertEqual(how.encode(), sock.recv(100))
            sock.close()
        else:
            daemon.waitFor("hanging$")
        return daemon

    def ends(self, daemon: Running, within: float) -> None:
        """Check that it ends by itself, with the status and a stack in the log."""
        begun = time.monotonic()
        self.assertEqual(ENDED, daemon.wait())
        # The machine may be busy; a daemon that hangs would do so for an hour.
        self.assertLess(time.monotonic() - begun, within + PATIENCE / 2)
        self.assertIn("the daemon did not stop", daemon.log)

    def test_hook(self) -> None:
        """A Deferred of a shutdown trigger that never fires: over 1 s after the drain."""
        daemon = self.hanging("never", "--drain-timeout", "0.1")
        daemon.signal(signal.SIGTERM)
        self.ends(daemon, 1.1)

    @pytest.mark.slow
    def test_callback(self) -> None:
        """A callback that never returns, in Python and in C: the stack names it."""
        for how in ("sleep", "loop", "deadlock", "regex"):
            daemon = self.hanging(how, "--drain-timeout", "0.1")
            daemon.signal(signal.SIGTERM)
            self.ends(daemon, 1.1)
            self.assertRegex(daemon.log, rf"stuck.py\", line \d+, in {how}\b", how)

    def test_thread(self) -> None:
        """A thread of the reactor's pool that never ends."""
        daemon = self.hanging("thread", "--drain-timeout", "0.1")
        daemon.signal(signal.SIGINT)
        self.ends(daemon, 1.1)

    @pytest.mark.slow
    def test_secondSignal(self) -> None:
        """A second signal does not wait for the drain, whichever it is and whatever blocks."""
        for how in ("never", "sleep", "deadlock"):
            daemon = self.hanging(how)
            daemon.signal(signal.SIGINT)
            if how == "never":
                daemon.waitFor("Received SIGINT")
            daemon.signal(signal.SIGTERM)
            self.ends(daemon, 1)

    def test_pidfile(self) -> None:
        """In the background, the pidfile is removed, and the log file has the stack."""
        flags = ["--only", "echo", "--echo", f"unix:{self.folder}/s", "--drain-timeout", "0.1"]
        env = environment(PYTHONPATH=str(self.folder))
        subprocess.run(
            [TWISTD, "netdemo", *flags, "--echo-class", "stuck.Stuck"],
            cwd=self.folder,
            env=env,
            timeout=PATIENCE,
            check=True,
        )
        pidfile = self.folder / "twistd.pid"
        handle = os.pidfd_open(int(pidfile.read_text()))
        self.addCleanup(os.close, handle)
        self.hang(self.folder / "s")
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        self.assertTrue(select.select([handle], [], [], PATIENCE)[0])
        self.assertFalse(pidfile.exists())
        self.assertIn("in sleep", (self.folder / "twistd.log").read_text())

    def hang(self, path: Path) -> None:
        """Let the service at this path hang, and wait until it does."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(str(path))
            sock.sendall(b"sleep")
            log = self.folder / "twistd.log"
            deadline = time.monotonic() + PATIENCE
            while "hanging" not in log.read_text():
                self.assertLess(time.monotonic(), deadline)

    def test_drain(self) -> None:
        """A daemon that drains as it should is left alone."""
        with running("--only", "echo", "--echo", "tcp:0") as daemon:
            sock = daemon.connect("echo")
            self.addCleanup(sock.close)
            sock.sendall(b"x")
            self.assertEqual(b"x", sock.recv(1))
            daemon.signal(signal.SIGTERM)
            daemon.waitFor("draining")
            sock.close()
            self.assertEqual(-signal.SIGTERM, daemon.wait())
            self.assertNotIn("did not stop", daemon.log)
