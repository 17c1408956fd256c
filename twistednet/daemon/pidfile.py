"""The pidfile of twistd: what twistd does not check before it trusts one, or writes one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class BadPidfile(Exception):
    """The daemon may not start with this pidfile; the message says why, and what to do."""


def prepare(path: str) -> None:
    """Remove a stale pidfile, so that twistd starts. Raises BadPidfile for a symbolic link.

    twistd refuses to start if the pidfile names any process that lives. After a crash, or in a
    container that was started again, this is often another program, or our own process.
    It also writes through a symbolic link, to wherever that points.
    """
    if os.path.islink(path):
        raise BadPidfile(f"--pidfile: {path} is a symbolic link; remove it, or name another file")
    with suppress(OSError, ValueError):
        pid = int(Path(path).read_text())
        if pid == os.getpid() or not _isTwistd(pid):
            os.unlink(path)


def _isTwistd(pid: int) -> bool:
    """True if it runs a program of Twisted, or if the system does not show what it runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # It belongs to another user.
        pass
    try:
        return b"twist" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
