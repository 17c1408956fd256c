"""The machine and the versions that a measurement belongs to."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PROGRAMS = {"cc": "--version", "go": "version", "node": "--version", "wrk": "-v"}


def described() -> dict[str, str]:
    """Return CPU, cores, kernel, and the version of everything that takes part."""
    cpu = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    found = {
        "CPU": cpu[0] if cpu else platform.machine(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "Python": platform.python_version(),
    }
    for package in ("Twisted", "uvloop"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    for program, option in _PROGRAMS.items():
        try:
            said = subprocess.run([program, option], capture_output=True, text=True).stdout
        except OSError:
            continue
        found[program] = (re.findall(r"\d+\.\d+[\d.]*", said) or ["?"])[0]
    return found
