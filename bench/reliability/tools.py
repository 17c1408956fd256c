"""Tools that others wrote to attack servers."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator

from bench.reliability.model import CannotRun, Conditions, Figure
from bench.reliability.target import alive, allowDescriptors, target
from tests.support.adminsite import Admin

#: slowhttptest's ways: slow headers, slow bodies, slow readers, and the range attack.
WAYS = {"H": "slow headers", "B": "slow bodies", "X": "slow readers", "R": "ranges"}
CONNECTIONS = 1000


def slowHTTP(conditions: Conditions) -> Iterator[Figure]:
    """Let slowhttptest hold as many connections as it can, and see who is still served."""
    if not shutil.which("slowhttptest"):
        raise CannotRun("slowhttptest is not installed")
    allowDescriptors(4 * CONNECTIONS)
    flags = ("--admin", "tcp:0", "--handshake-timeout", "2", "--stall-timeout", "3")
    for way, what in WAYS.items():
        with target(*flags) as daemon:
            host, port = daemon.address("hello")
            admin = Admin(daemon)
            before = daemon.descriptors
            command = ["slowhttptest", f"-{way}", "-c", str(CONNECTIONS), "-r", "500", "-l", "12"]
            command += ["-i", "1", "-u", f"http://{host}:{port}/"]
            with subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=daemon.path
            ) as tool:
                slowest = 0.0
                while tool.poll() is None:
                    slowest = max(slowest, _probed(admin))
                    time.sleep(0.2)
            yield Figure(f"{what}: slowest probe", slowest * 1000, "ms", 100, isTime=True)
            yield Figure(f"{what}: descriptors left over", daemon.settled(before), most=0)
            yield from alive(daemon)


def _probed(admin: Admin) -> float:
    """Return the seconds that a probe of the daemon's health took. Raises AssertionError."""
    begun = time.monotonic()
    if admin.ask("/livez", token=None).status != 200:
        raise AssertionError("/livez has failed")
    return time.monotonic() - begun
