"""A wall clock that is set while the daemon runs: no limit notices."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from twisted.trial.unittest import SkipTest, TestCase

from tests.support.processes import (
    ANYWHERE,
    PATIENCE,
    Running,
    asked,
    environment,
    running,
    temporaryFolder,
)

#: Seconds by which the clock is set, one after the other: +-11 min, +-1 day.
STEPS = (660, -660, 86_400, -86_400)


def library() -> str:
    """Return the path of libfaketime, which gives a process a wall clock of its own."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise SkipTest("libfaketime is not installed")
    return str(found[0])


class ClockTests(TestCase):
    """Limits, faults and the drain run on monotonic time."""

    def setUp(self) -> None:
        self.clock = temporaryFolder(self) / "clock"
        self.set(0)

    def set(self, ahead: int) -> None:
        """Set the daemon's wall clock ahead of ours by this many seconds."""
        written = self.clock.with_suffix(".new")
        written.write_text(f"{ahead:+d}\n")
        os.replace(written, self.clock)

    @contextmanager
    def stepping(self, *flags: str) -> Iterator[Running]:
        """Run a daemon whose wall clock `set` sets; its monotonic time is real."""
        faked = environment(
            LD_PRELOAD=library(),
            FAKETIME_TIMESTAMP_FILE=str(self.clock),
            FAKETIME_NO_CACHE="1",
            DONT_FAKE_MONOTONIC="1",
        )
        with running(*ANYWHERE, *flags, env=faked) as daemon:
            yield daemon

    @pytest.mark.slow
    def test_idle(self) -> None:
        """A connection is idle after the time of the limit, wherever the clock was set."""
        with self.stepping("--idle-timeout", "1.5") as daemon, daemon.connect("answer") as busy:
            ahead = 0
            for step in STEPS:
                begun = time.monotonic()
                with daemon.connect("echo") as silent:
                    asked(busy, b"how are u")
                    ahead += step
                    self.set(ahead)
                    silent.settimeout(0.05)
                    while not self.ended(silent):
                        self.assertEqual(asked(busy, b"how are u"), b"fine", step)
                        self.assertLess(time.monotonic() - begun, PATIENCE, step)
                    self.assertGreater(time.monotonic() - begun, 1.4, step)
                    host, port = silent.getsockname()
                    daemon.waitFor(f"{host}:{port} closed .*: idle; ")

    def ended(self, silent: socket.socket) -> bool:
        """True once the daemon has cut the connection; waits for that a moment."""
        try:
            return not silent.recv(1)
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def test_timers(self) -> None:
        """After each step a pause ends a message, a late answer comes in time, and it drains."""
        flags = ("--fault", "echo: latency 200ms", "--drain-timeout", "0.5")
        with self.stepping(*flags) as daemon:
            ahead = 0
            with daemon.connect("answer") as bare, daemon.connect("echo") as late:
                for step in STEPS:
                    ahead += step
                    late.sendall(b"x")
                    self.set(ahead)
                    bare.sendall(b"how are u")
                    self.assertEqual(bare.recv(100), b"fine", step)
                    sent = time.monotonic()
                    self.assertEqual(late.recv(1), b"x", step)
                    late.sendall(b"y")
                    self.assertEqual(late.recv(1), b"y", step)
                    self.assertGreater(time.monotonic() - sent, 0.19, step)
                daemon.signal(signal.SIGTERM)
                daemon.waitFor("draining; connections: 2")
                self.set(ahead - 660)
                self.assertEqual(daemon.wait(), -signal.SIGTERM)
                self.assertIn("aborting connections: 2", daemon.log)
