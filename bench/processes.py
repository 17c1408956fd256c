"""Processes on a core of their own, which end with the block that started them."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

#: Seconds that each step but the load itself may take.
PATIENCE = 20.0

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Broken(Exception):
    """Why a run failed, on one line."""


def cores() -> tuple[int, int]:
    """Return a core for the server and one for the client, or the only one twice."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@contextmanager
def started(command: Sequence[str], core: int, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a process on `core`. It is killed at the end of the block, and if we are killed."""

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, {core})

    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
        **{"stdin": subprocess.DEVNULL, **more},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lineOf(process: subprocess.Popen[str], seconds: float = PATIENCE) -> str:
    """Return the next line that it prints. Raises Broken with its last error message."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        _, complaint = process.communicate()
        last = complaint.strip().splitlines()[-1:] or ["it printed nothing"]
        raise Broken(last[0])
    return line.rstrip("\n")


def until(condition: Any, what: str) -> Any:
    """Return the value of `condition()` once that is true. Raises Broken."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Broken(f"{what}: not within {PATIENCE:g} s")
        time.sleep(0.01)
    return found


def spent(pid: int) -> tuple[float, float]:
    """Return the user and system CPU seconds of all threads of a process."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) / _TICKS, int(fields[12]) / _TICKS


def resident(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * _PAGE


class Others:
    """CPU use of all processes but our own, from its creation on."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._busy = busy() - own()

    def cores(self) -> float:
        """Return the cores that others kept busy. Our children count once they are reaped."""
        return (busy() - own() - self._busy) / (time.monotonic() - self._begun)


def busy() -> float:
    """Return the seconds that all cores together were not idle (proc(5): user to steal)."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _io, *interrupts = map(int, file.readline().split()[1:9])
    return (user + nice + system + sum(interrupts)) / _TICKS


def own() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    return sum(sum(os.times()[part : part + 2]) for part in (0, 2))
