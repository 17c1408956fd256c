"""The servers to compare: how each is built and started, and what it serves."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from bench.processes import Broken, lineOf, started, until

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Server:
    """A server that runs, and the port of each part of its service."""

    pid: int
    ports: tuple[int, ...]


@dataclass(frozen=True)
class Peer:
    """A server to compare with; `commands` has one command for each of its services.

    In a command, {built} is the folder of the built programs, {here} that of this file.
    The command prints its port, or its ports on one line.
    """

    name: str
    commands: Mapping[str, str]
    #: A program or a Python module that the server needs.
    needs: str
    build: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Takes part only in a workload that names it.
    isVariant: bool = False

    def missing(self) -> str:
        """Return why it cannot run here, or an empty string."""
        if shutil.which(self.needs) or importlib.util.find_spec(self.needs):
            return ""
        return f"{self.needs} is not installed"

    def make(self, built: Path) -> None:
        """Build the server if necessary. Raises Broken."""
        if self.build:
            build(self.build, built)

    @contextmanager
    def serving(self, service: str, built: Path, core: int) -> Iterator[Server]:
        """Run the server while the block runs. Raises Broken."""
        with tempfile.TemporaryDirectory() as folder:
            command = _filled(self.commands[service], built)
            environment = {**_clean(), **self.environment}
            with started(command, core, cwd=folder, env=environment) as process:
                yield Server(process.pid, self._ports(process, service, Path(folder)))

    def _ports(self, process: Popen[str], service: str, folder: Path) -> tuple[int, ...]:
        return tuple(map(int, lineOf(process).split()))


class Netdemo(Peer):
    """The daemon as a user starts it, with all services and the log; only the ports differ."""

    def _ports(self, process: Popen[str], service: str, folder: Path) -> tuple[int, ...]:
        def listed() -> dict[str, str]:
            if process.poll() is not None:
                lineOf(process)
            log = folder / "netdemo.log"
            # The first row of each service has its TCP port, or its only one.
            return dict(reversed(_ROW.findall(log.read_text() if log.exists() else "")))

        table = until(listed, "no table in its log")
        return tuple(int(table[row]) for row in _ROWS[service])


def build(command: str, built: Path) -> None:
    """Run a compiler. Raises Broken with its first error."""
    words = _filled(command, built)
    if not shutil.which(words[0]):
        raise Broken(f"{words[0]} is not installed")
    done = subprocess.run(words, capture_output=True, text=True, cwd=built)
    if done.returncode:
        raise Broken(f"{command}: {(done.stderr.strip().splitlines() or ['?'])[0]}")


def _filled(command: str, built: Path) -> list[str]:
    places = {"built": built, "here": HERE, "python": sys.executable, "twistd": _TWISTD}
    return [word.format(**places) for word in command.split()]


def _clean() -> dict[str, str]:
    """Return our environment without the daemon's settings."""
    return {key: value for key, value in os.environ.items() if not key.startswith("NETDEMO_")}


_TWISTD = Path(sys.executable).with_name("twistd")
_ROW = re.compile(r"^\t(\w+) +(?:udp )?[\d.]+:(\d+) ", re.MULTILINE)
#: The rows of the start-up table for each service under load.
_ROWS = {
    **{name: (name,) for name in ("echo", "answer", "datagram", "hello")},
    "bulk": ("echo",),
    "flood": ("echo", "datagram"),
}
_NETDEMO = (
    "-n --pidfile= --logfile=netdemo.log netdemo --echo tcp:0 --receive tcp:0 "
    "--receive udp:0 --answer tcp:0 --datagram udp:0 --hello tcp:0 --chat tcp:0 --admin tcp:0"
)


def _each(command: str) -> dict[str, str]:
    """Return the command of each service, for a program that takes its name."""
    names = {"echo": "echo", "bulk": "echo", "datagram": "datagram", "hello": "hello"}
    return {service: f"{command} {name}" for service, name in names.items()}


#: In the order of their runs, with ours between the others.
PEERS = (
    Peer(
        "C",
        {
            "echo": "{built}/echo",
            "bulk": "{built}/echo 65536",
            "datagram": "{built}/echo udp",
        },
        needs="cc",
        build="cc -O2 -o {built}/echo {here}/servers/echo.c",
    ),
    Peer(
        "Go",
        {**_each("{built}/peer"), "bulk": "{built}/peer bulk"},
        needs="go",
        build="go build -o {built}/peer {here}/servers/peer.go",
        environment={"GOMAXPROCS": "1"},
    ),
    Netdemo(
        "netdemo",
        dict.fromkeys(_ROWS, f"{{twistd}} {_NETDEMO}"),
        needs="twisted",
    ),
    Netdemo(
        "netdemo, no journal",
        dict.fromkeys(_ROWS, f"{{twistd}} {_NETDEMO} --journal 0"),
        needs="twisted",
        isVariant=True,
    ),
    Netdemo(
        "netdemo, no taps",
        dict.fromkeys(_ROWS, f"{{python}} {{here}}/servers/blind.py {_NETDEMO} --journal 0"),
        needs="twisted",
        isVariant=True,
    ),
    Peer("uvloop", _each("{python} {here}/servers/loops.py uvloop"), needs="uvloop"),
    Peer("Node", _each("node {here}/servers/peer.js"), needs="node"),
    Peer(
        "Twisted",
        {
            **_each("{python} {here}/servers/stock.py"),
            "flood": "{python} {here}/servers/stock.py echo datagram",
        },
        needs="twisted",
    ),
    Peer("asyncio", _each("{python} {here}/servers/loops.py asyncio"), needs="asyncio"),
)
