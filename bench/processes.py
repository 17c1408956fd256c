"""Processes on a core of their own, that are gone when they are no longer needed."""

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

#: Seconds that anything but the load itself may take.
PATIENCE = 20.0

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Broken(Exception):
    """What went wrong with one run, on one line."""


def cores() -> tuple[int, int]:
    """One for the server and one for the client; the same one where there is one only."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@contextmanager
def started(command: Sequence[str], core: int, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A process on `core`. It dies with this block, or with us, however we end."""

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
    """The next line that it prints. Raises Broken with what it said instead."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        _, complaint = process.communicate()
        last = complaint.strip().splitlines()[-1:] or ["it says nothing"]
        raise Broken(last[0])
    return line.rstrip("\n")


def until(condition: Any, what: str) -> Any:
    """What `condition()` returns, once that is true. Raises Broken."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Broken(f"{what}: not within {PATIENCE:g} s")
        time.sleep(0.01)
    return found


def spent(pid: int) -> tuple[float, float]:
    """Seconds of CPU, user and system, that all threads of a process have spent."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) / _TICKS, int(fields[12]) / _TICKS


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * _PAGE


class Others:
    """What all processes but our own take of the machine, from here on."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._busy = busy() - own()

    def cores(self) -> float:
        """How many cores they have kept busy. Ours count once they have been waited for."""
        return (busy() - own() - self._busy) / (time.monotonic() - self._begun)


def busy() -> float:
    """Seconds that all cores together have not been idle (proc(5): user to steal)."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _io, *interrupts = map(int, file.readline().split()[1:9])
    return (user + nice + system + sum(interrupts)) / _TICKS


def own() -> float:
    """Seconds of CPU that we, and our children that are gone, have spent."""
    return sum(sum(os.times()[part : part + 2]) for part in (0, 2))
