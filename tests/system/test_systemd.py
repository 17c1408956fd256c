"""The units of packaging/systemd, and the daemon on sockets that it did not make itself."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.processes import PATIENCE, ROOT, TWISTD, Running, asked, line, readAll, run

UNITS = ROOT / "packaging" / "systemd"
#: Where the service unit expects the daemon; a machine that runs the tests has it elsewhere.
INSTALLED = "/opt/netdemo/bin/twistd"


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise SkipTest(f"{name} is not installed")
    return path


def _flags() -> list[str]:
    """What ExecStart gives to netdemo, %-specifiers and line ends resolved."""
    text = (UNITS / "netdemo.service").read_text().replace("\\\n", "")
    command = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert command is not None
    words = command[1].split()
    assert words[0] == INSTALLED
    return words[1:]


class UnitTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A copy of the units in which the daemon is where this test runs it from."""
        self._tool = _tool("systemd-analyze")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.units = [Path(folder.name) / name for name in ("netdemo.service", "netdemo.socket")]
        for unit in self.units:
            text = (UNITS / unit.name).read_text()
            unit.write_text(text.replace(INSTALLED, str(TWISTD)))

    def test_they_are_accepted(self) -> None:
        """systemd-analyze verify has nothing to say of either."""
        done = self._analyze("verify", *map(str, self.units))
        self.assertEqual((0, ""), (done.returncode, done.stdout + done.stderr))

    def test_the_service_is_confined(self) -> None:
        """systemd-analyze security puts its exposure under 2 of 10: what systemd calls OK."""
        done = self._analyze(
            "security", "--offline=true", "--threshold=20", "--no-pager", str(self.units[0])
        )
        if "unrecognized option" in done.stderr:
            raise SkipTest("this systemd-analyze security has no --offline")
        self.assertEqual(0, done.returncode, done.stdout[-400:] + done.stderr)

    def _analyze(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._tool, *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


class ActivationTests(SynchronousTestCase):
    """systemd-socket-activate does what the manager would: it makes the sockets, waits
    for the first client, and turns into the daemon."""

    def _activated(self, sockets: list[str], *flags: str, name: str = "netdemo.socket") -> Running:
        # It hands on nothing of its environment but this: the admin site has one port for all.
        command = [_tool("systemd-socket-activate"), "-E", "NETDEMO_ADMIN"]
        for address in sockets:
            command += ["-l", address]
        # The manager names each socket of a unit by the unit, unless the unit says otherwise.
        command += [f"--fdname={':'.join([name] * len(sockets))}"]
        running = Running(command=[*command, TWISTD, *flags])
        self.addCleanup(running.stop)
        running.waitFor(rf"^Listening on {re.escape(sockets[-1])} as")
        return running

    def _free(self, count: int = 1) -> list[int]:
        """Ports that are free now, all different."""
        probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        ports = [probe.getsockname()[1] for probe in probes]
        for probe in probes:
            probe.close()
        return ports

    def _connect(self, port: int) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def test_by_name(self) -> None:
        """The first client is served, and the table names the port that systemd bound."""
        [port] = self._free()
        running = self._activated(
            [f"127.0.0.1:{port}"],
            *("-n", "--pidfile=", "netdemo", "--only=echo"),
            *("--echo", "systemd:domain=INET:name=mine"),
            name="mine",
        )
        connection = self._connect(port)
        connection.sendall(b"This is a test message")
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(b"This is a test message", readAll(connection))
        self.assertEqual(port, running.address("echo")[1])
        self.assertEqual(-signal.SIGTERM, running.stop())

    def test_as_the_units_have_it(self) -> None:
        """With the unit's own flags each socket, in the unit's order, gets its service."""
        listen = re.findall(
            r"^ListenStream=127\.0\.0\.1:(\d+)$",
            (UNITS / "netdemo.socket").read_text(),
            re.MULTILINE,
        )
        ports = self._free(len(listen))
        flags = [flag.replace("udp:9090", "udp:0") for flag in _flags()]
        running = self._activated(
            [f"127.0.0.1:{port}" for port in ports], *flags, "--datagram", "udp:0"
        )
        echo, receive, answer, hello, chat = map(self._connect, ports)
        self.assertEqual(b"hello", asked(echo, b"hello"))
        receive.sendall(b"seen")
        running.waitFor(r"sent 4 B: seen$")
        self.assertEqual(b"fine", asked(answer, b"how are u"))
        self.assertEqual(
            b"HTTP/1.1 200 OK\r", asked(hello, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r")
        )
        self.assertTrue(line(chat).startswith(b"* you are "))

    def test_reload(self) -> None:
        """SIGHUP, which is the unit's ExecReload, leaves an inherited socket open."""
        self.assertIn("ExecReload=/bin/kill -HUP $MAINPID", (UNITS / "netdemo.service").read_text())
        [port] = self._free()
        running = self._activated(
            [f"127.0.0.1:{port}"],
            *("-n", "--pidfile=", "netdemo", "--only=echo"),
            *("--echo", "systemd:domain=INET:index=0"),
        )
        before = self._connect(port)
        self.assertEqual(b"one", asked(before, b"one"))
        running.signal(signal.SIGHUP)
        running.waitFor("settings read again")
        self.assertEqual(b"two", asked(before, b"two"))
        self.assertEqual(b"three", asked(self._connect(port), b"three"))

    def test_dropped_and_taken_again(self) -> None:
        """A reload may drop an inherited socket and a later one take it again, though the
        daemon has used other descriptors since."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        config = Path(folder.name) / "netdemo.toml"
        config.write_text('only = ["echo"]\necho = "systemd:domain=INET:index=0"\n')
        [port] = self._free()
        running = self._activated(
            [f"127.0.0.1:{port}"], "-n", "--pidfile=", "netdemo", "--config", str(config)
        )
        before = self._connect(port)
        self.assertEqual(b"one", asked(before, b"one"))
        config.write_text('only = ["answer"]\nanswer = "tcp:0"\n')
        running.signal(signal.SIGHUP)
        with running.connect("answer") as other:
            self.assertEqual(b"fine", asked(other, b"how are u"))
            config.write_text('only = ["echo"]\necho = "systemd:domain=INET:index=0"\n')
            running.signal(signal.SIGHUP)
            running.waitFor(r"settings read again\n(\t.*\n)*(.*\n)*.*settings read again")
            self.assertEqual(b"fine", asked(other, b"how are u"))
            self.assertEqual(b"two", asked(self._connect(port), b"two"))
        self.assertEqual(b"three", asked(before, b"three"))

    def test_a_unix_socket_stays_systemds(self) -> None:
        """Its mode is not changed, and its path is still there when the daemon is gone:
        the next activation needs it."""
        folder = tempfile.TemporaryDirectory()  # short: a socket's path has 107 bytes at most
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "echo.sock"
        running = self._activated(
            [str(path)],
            *("-n", "--pidfile=", "netdemo", "--only=echo"),
            *("--echo", "systemd:domain=UNIX:name=mine"),
            name="mine",
        )
        path.chmod(0o600)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(path))
            self.assertEqual(b"hello", asked(connection, b"hello"))
        running.stop()
        self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))

    def test_what_is_not_there(self) -> None:
        """A name that systemd did not hand over ends the start with a line that says so."""
        result = run("-n", "netdemo", "--only=echo", "--echo", "systemd:domain=INET:name=mine")
        self.assertEqual(1, result.returncode)
        self.assertIn(
            "twistd netdemo: echo: cannot listen on systemd:domain=INET:name=mine: "
            "systemd handed over no such socket (",
            result.stderr,
        )

    def test_another_domain(self) -> None:
        """A socket of another family than the endpoint says is refused, and which it is."""
        [port] = self._free()
        running = self._activated(
            [f"127.0.0.1:{port}"],
            *("-n", "--pidfile=", "netdemo", "--only=echo"),
            *("--echo", "systemd:domain=UNIX:index=0"),
        )
        self._connect(port)
        running.waitFor(r"index=0: that socket has domain=INET;")


if sys.platform != "linux":
    ActivationTests.skip = UnitTests.skip = "systemd is for Linux"  # type: ignore[attr-defined]
