"""What the machine does to the daemon: clocks that step, system calls that fail, lost hosts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.reliability.model import CannotRun, Conditions, Figure
from bench.reliability.target import Target, alive, target
from tests.support.processes import PATIENCE, readUntil

#: Steps of the wall clock, as libfaketime writes them.
STEPS = ("+11m", "-11m", "+1d", "-1d")
#: Which system calls fail, and with what.
FAILURES = {
    "accept4": ("EMFILE", "ENOBUFS", "ENOMEM", "EINTR", "ECONNABORTED"),
    "recvfrom": ("ENOBUFS", "ENOMEM", "EIO", "EINTR"),
    "sendto": ("ENOBUFS", "ENOMEM", "EIO", "EINTR"),
    "epoll_ctl": ("ENOMEM", "ENOSPC"),
    "write": ("ENOSPC", "EIO", "EINTR"),
}
CLIENTS = 30
LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


def clockSteps(conditions: Conditions) -> Iterator[Figure]:
    """Step the wall clock by minutes and by days while clients are connected."""
    library = next((str(one) for path in LIBRARIES for one in Path("/").glob(path[1:])), "")
    if not library:
        raise CannotRun("libfaketime is not installed (Debian package faketime)")
    with _steppedClock(library) as (clock, daemon):
        cut = uncut = 0
        for step in STEPS:
            clock.write_text(step)
            with daemon.connect("echo") as client:
                cut += not _echoes(client)
                clock.write_text("+0")
                cut += not _echoes(client)
                # The sweep comes every second: two of them see the step.
                time.sleep(2.5)
                cut += not _echoes(client)
                clock.write_text(step)
                time.sleep(2.5)
                cut += not _echoes(client)
                uncut += not _isClosedIdle(client)
        yield Figure("connections cut by a step", cut, most=0)
        yield Figure("idle connections that stay after a step", uncut, most=0)
        yield from alive(daemon)


@contextlib.contextmanager
def _steppedClock(library: str) -> Iterator[tuple[Path, Target]]:
    """Run a daemon whose wall clock follows a file."""
    clock = Path(f"/tmp/clock-{os.getpid()}")
    clock.write_text("+0")
    env = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    try:
        with target("--idle-timeout", "5", env=env) as daemon:
            yield clock, daemon
    finally:
        clock.unlink()


def _connected(daemon: Target) -> socket.socket:
    """Return a connection to echo that the daemon has accepted."""
    client = daemon.connect("echo")
    client.sendall(b"ping")
    client.recv(4)
    return client


def _echoes(client: socket.socket) -> bool:
    try:
        client.sendall(b"ping")
        return client.recv(4) == b"ping"
    except OSError:
        return False


def _isClosedIdle(client: socket.socket) -> bool:
    """True if the daemon ends the connection, within its idle timeout and some patience."""
    client.settimeout(PATIENCE)
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def failures(conditions: Conditions) -> Iterator[Figure]:
    """Let each fifth call of a system call fail, one kind of error after the other."""
    if not shutil.which("strace"):
        raise CannotRun("strace is not installed")
    raised = unserved = stuck = 0
    for call, errors in FAILURES.items():
        for error in errors:
            # While a connection is open, the reactor's own epoll does not change. (Twisted does
            # not survive an EPOLL_CTL_DEL that fails, and Linux does not let one fail.)
            with target() as daemon, _connected(daemon):
                before = daemon.descriptors
                with _failing(daemon, call, error):
                    for _ in range(CLIENTS):
                        _visit(daemon)
                unserved += not daemon.serves()
                stuck += daemon.settled(before)
                raised += daemon.tracebacks
    count = sum(map(len, FAILURES.values()))
    yield Figure("kinds of failure", count)
    yield Figure("daemons that do not serve afterwards", unserved, most=0)
    yield Figure("descriptors left over", stuck, most=0)
    yield Figure("tracebacks", raised, most=0)


@contextlib.contextmanager
def _failing(daemon: Target, call: str, error: str) -> Iterator[None]:
    """Attach strace, which lets each fifth `call` of the daemon fail."""
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    command += ["-e", f"inject={call}:error={error}:when=3+5", "-p", str(daemon.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        _waitTraced(daemon.pid, strace)
        try:
            yield
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(PATIENCE)


def _waitTraced(pid: int, strace: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while "TracerPid:\t0\n" in Path(f"/proc/{pid}/status").read_text():
        if strace.poll() is not None:
            assert strace.stderr is not None
            raise CannotRun(f"strace: {strace.stderr.read().strip()}")
        if time.monotonic() > deadline:
            raise CannotRun("strace does not attach")
        time.sleep(0.01)


def _visit(daemon: Target) -> None:
    """Have one message answered by each of two services, or be disconnected."""
    for service, message in (("echo", b"ping\n"), ("answer", b"how are u\n")):
        with contextlib.suppress(OSError), daemon.connect(service) as client:
            client.settimeout(5)
            client.sendall(message)
            readUntil(client, b"\n")


def lostHosts(conditions: Conditions) -> Iterator[Figure]:
    """Lose the clients' network, so that no FIN comes: they are disconnected as idle."""
    if os.geteuid() or not shutil.which("ip"):
        raise CannotRun("network namespaces need root and ip(8)")
    with _namespace() as name:
        inside = ("ip", "netns", "exec", name)
        with target("--idle-timeout", "3", wrapper=inside, isWarm=False) as daemon:
            command = [*inside, sys.executable, "-c", _HOLD, str(daemon.address("echo")[1])]
            subprocess.run([*command, "1", "0"], check=True, capture_output=True)
            daemon.waitFor(" closed ")
            before = daemon.descriptors
            command += [str(CLIENTS), "60"]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as clients:
                assert clients.stdout is not None
                clients.stdout.readline()
                held = daemon.descriptors - before
                _ip("-n", name, "link", "set", "lo", "down")
                clients.kill()
                yield Figure("clients without a connection", CLIENTS - held, most=0)
                yield Figure("descriptors left over", daemon.settled(before), most=0)
            yield Figure("tracebacks", daemon.tracebacks, most=0)


_HOLD = """
import socket, sys, time
port, count, seconds = map(int, sys.argv[1:])
held = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
for one in held:
    one.sendall(b"x")
    one.recv(1)
print("held", flush=True)
time.sleep(seconds)
"""


@contextlib.contextmanager
def _namespace() -> Iterator[str]:
    """Make a network namespace, and yield its name."""
    name = f"netdemo{os.getpid()}"
    try:
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
        yield name
    except subprocess.CalledProcessError as error:
        raise CannotRun(f"ip: {error.stderr.decode().strip()}") from None
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
