"""The daemon's life as its user sees it: starting, draining, the background."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import select
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from tests.support.processes import (
    ANYWHERE,
    PATIENCE,
    TWISTD,
    Running,
    environment,
    readAll,
    run,
    running,
    temporaryFolder,
)


class StartTests(TestCase):
    """From the command to the first answer."""

    def test_table(self) -> None:
        """The table has a row a port, with a command to try and the port that 0 became."""
        begun = time.monotonic()
        with running(*ANYWHERE) as daemon:
            for service, kind, command in (
                ("echo", "", "nc 127.0.0.1 {port}"),
                ("receive", "udp", "nc -u 127.0.0.1 {port}"),
                ("hello", "", "curl http://127.0.0.1:{port}/"),
            ):
                port = daemon.address(service, kind)[1]
                self.assertIn(command.format(port=port), daemon.log)
            sock = daemon.connect("answer")
            sock.sendall(b"how are u\n")
            self.assertEqual(sock.recv(100), b"fine\n")
            # The contract's 3 s, which a start that hangs or waits would miss.
            self.assertLess(time.monotonic() - begun, 3)
            sock.close()

    def test_onlyAndOff(self) -> None:
        """Only the services that are requested listen."""
        with running("--only", "echo,chat", "--echo", "tcp:0", "--chat", "off") as daemon:
            self.assertEqual(len(re.findall(r"\n\t\S+ +127.0.0.1:\d+ ", daemon.log)), 1)

    def test_subclass(self) -> None:
        """A subclass is served; if it raises, its connection ends and the service goes on."""
        path = temporaryFolder(self)
        (path / "loud.py").write_text(
            "from twistednet import Echo\n"
            "class Loud(Echo):\n"
            "    def reply(self, data):\n"
            "        return data.upper() if data != b'boom' else 1 / 0\n"
        )
        flags = ("--only", "echo", "--echo", "tcp:0", "--echo-class", "loud.Loud")
        env = environment(PYTHONPATH=str(path))
        with running(*flags, env=env) as daemon:
            sock = daemon.connect("echo")
            sock.sendall(b"hi")
            self.assertEqual(sock.recv(10), b"HI")
            # A hook that raises: its connection ends, the service lives, and of
            # twenty tracebacks from one place one is shown.
            for _ in range(20):
                broken = daemon.connect("echo")
                broken.sendall(b"boom")
                self.assertRaises(ConnectionResetError, broken.recv, 10)
                broken.close()
            sock.sendall(b"ho")
            self.assertEqual(sock.recv(10), b"HO")
            sock.close()
            daemon.signal(signal.SIGTERM)
            daemon.wait()
            self.assertEqual(daemon.log.count("ZeroDivisionError"), 1)
            self.assertIn("20 by error", daemon.log)

    def test_privileges(self) -> None:
        """With --uid it binds as root, and serves as another user."""
        if os.geteuid() != 0:
            raise SkipTest("this needs root")
        nobody = pwd.getpwnam("nobody")
        twistd = ("--uid", "nobody", "--gid", str(nobody.pw_gid))
        with running("--only", "echo", "--echo", "tcp:0", twistd=twistd) as daemon:
            status = Path(f"/proc/{daemon.process.pid}/status").read_text()
            self.assertIn(f"\nUid:\t{nobody.pw_uid}\t", status)
            self.assertNotIn("running as root", daemon.log)
            with daemon.connect("echo") as sock:
                sock.sendall(b"hi")
                self.assertEqual(sock.recv(10), b"hi")


class StopTests(TestCase):
    """Draining."""

    def refused(self, address: tuple[str, int]) -> None:
        """Check that this address refuses connections."""
        self.assertRaises(ConnectionRefusedError, socket.create_connection, address, PATIENCE)

    def test_drain(self) -> None:
        """New connections are refused at once, the present one is served until it ends."""
        for number in (signal.SIGTERM, signal.SIGINT):
            with running(*ANYWHERE) as daemon:
                sock = daemon.connect("echo")
                sock.sendall(b"before")
                self.assertEqual(sock.recv(10), b"before")
                daemon.signal(number)
                daemon.waitFor("draining; connections: 1; they have 30 s")
                for service in ("echo", "hello", "chat"):
                    self.refused(daemon.address(service))
                sock.sendall(b"after")
                self.assertEqual(sock.recv(10), b"after")
                sock.shutdown(socket.SHUT_WR)
                self.assertEqual(readAll(sock), b"")
                sock.close()
                self.assertEqual(daemon.wait(), -number)
                self.assertIn("stopped; connections: 1, 1 by client FIN", daemon.log)

    def test_ignored(self) -> None:
        """A daemon that was started with SIGINT ignored, as a script's background jobs are,
        ignores it, and goes on serving."""

        def ignore() -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

        with running("--only", "echo", "--echo", "tcp:0", preexec_fn=ignore) as daemon:
            sock = daemon.connect("echo")
            self.addCleanup(sock.close)
            for data in (b"before", b"after"):
                sock.sendall(data)
                self.assertEqual(data, sock.recv(10))
                daemon.signal(signal.SIGINT)
            sock.close()
            self.assertEqual(-signal.SIGTERM, daemon.stop())
            self.assertNotIn("Traceback", daemon.log)

    def test_deadline(self) -> None:
        """Connections that are open after the drain timeout are aborted, and counted."""
        with running(*ANYWHERE, "--drain-timeout", "0.2") as daemon:
            socks = [daemon.connect("echo") for _ in range(3)]
            for sock in socks:
                sock.sendall(b"x")
                sock.recv(1)
            daemon.signal(signal.SIGTERM)
            daemon.waitFor("aborting connections: 3")
            for sock in socks:
                self.assertRaises(ConnectionResetError, sock.recv, 10)
                sock.close()
            self.assertEqual(daemon.wait(), -signal.SIGTERM)
            self.assertIn("3 by shutdown", daemon.log)

    def test_secondSignal(self) -> None:
        """A second signal aborts the connections."""
        with running(*ANYWHERE) as daemon:
            sock = daemon.connect("chat")
            sock.recv(100)
            daemon.signal(signal.SIGTERM)
            daemon.waitFor("they have 30 s")
            daemon.signal(signal.SIGTERM)
            daemon.waitFor("aborting connections: 1")
            self.assertEqual(daemon.wait(), -signal.SIGTERM)
            sock.close()

    def test_twoSignalsAtOnce(self) -> None:
        """Two signals that arrive together count as two."""
        with running(*ANYWHERE) as daemon:
            sock = daemon.connect("chat")
            sock.recv(100)
            daemon.signal(signal.SIGSTOP)
            daemon.signal(signal.SIGINT)
            daemon.signal(signal.SIGTERM)
            daemon.signal(signal.SIGCONT)
            self.assertIn(daemon.wait(), (-signal.SIGTERM, -signal.SIGINT))
            self.assertIn("1 by shutdown", daemon.log)
            self.assertNotIn("Traceback", daemon.log)
            sock.close()

    def test_limitsHoldWhileDraining(self) -> None:
        """A client that reads nothing is aborted at its stall timeout during a drain too."""
        with running(*ANYWHERE, "--stall-timeout", "1") as daemon:
            sock = daemon.connect("echo")
            sock.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                while True:
                    sock.send(b"x" * 65536)
            daemon.signal(signal.SIGTERM)
            daemon.wait()
            self.assertIn("1 by write stall", daemon.log)
            sock.close()

    def test_noReloadWhileDraining(self) -> None:
        """SIGHUP during a drain opens no port again."""
        with running(*ANYWHERE) as daemon:
            sock = daemon.connect("echo")
            sock.sendall(b"x")
            sock.recv(1)
            daemon.signal(signal.SIGTERM)
            daemon.waitFor("draining")
            daemon.signal(signal.SIGHUP)
            daemon.waitFor("settings not changed: stopping")
            self.refused(daemon.address("answer"))
            sock.close()
            daemon.wait()

    def test_idleKeepAlive(self) -> None:
        """A keep-alive connection without a request is closed at once."""
        with running(*ANYWHERE) as daemon:
            sock = daemon.connect("hello")
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            while not sock.recv(4096).endswith(b"World!"):
                pass
            daemon.signal(signal.SIGTERM)
            self.assertEqual(readAll(sock), b"")
            sock.close()
            daemon.wait()

    def test_unixSocketIsRemoved(self) -> None:
        """Our socket is removed; a file that took its place is not."""
        folder = temporaryFolder(self)
        ours, theirs = folder / "a", folder / "b"
        with running(
            "--only", "echo", "--echo", f"unix:{ours}", "--echo", f"unix:{theirs}"
        ) as daemon:
            theirs.unlink()
            theirs.write_text("precious")
            daemon.signal(signal.SIGTERM)
            daemon.wait()
            self.assertNotIn("Traceback", daemon.log)
        self.assertEqual([path.name for path in folder.iterdir()], ["b"])
        self.assertEqual(theirs.read_text(), "precious")


class DaemonModeTests(TestCase):
    """`twistd netdemo`, without -n."""

    def test_daemon(self) -> None:
        """It runs in the background with a pid file and a log, and a stop cleans up."""
        folder = temporaryFolder(self)
        path = folder / "e.sock"
        flags = ["netdemo", "--only", "echo", "--echo", "tcp:0", "--echo", f"unix:{path}"]
        subprocess.run(
            [TWISTD, *flags], cwd=folder, env=environment(), timeout=PATIENCE, check=True
        )
        pid = int((folder / "twistd.pid").read_text())
        try:
            log = folder / "twistd.log"
            # The command ends before the daemon logs that it serves.
            deadline = time.monotonic() + PATIENCE
            while not re.search(r"echo +127.0.0.1:\d+ +nc 127", log.read_text()):
                self.assertLess(time.monotonic(), deadline, log.read_text())
            self.assertEqual(stat.S_IMODE(log.stat().st_mode) & 0o007, 0)
            sock = socket.socket(socket.AF_UNIX)
            self.addCleanup(sock.close)
            sock.settimeout(PATIENCE)
            sock.connect(str(path))
            sock.sendall(b"x")
            self.assertEqual(sock.recv(1), b"x")
        finally:
            handle = os.pidfd_open(pid)
            os.kill(pid, signal.SIGTERM)
        self.addCleanup(os.close, handle)
        # The open connection is served during the drain.
        sock.sendall(b"after")
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(sock), b"after")
        self.assertTrue(select.select([handle], [], [], PATIENCE)[0])
        self.assertEqual(sorted(path.name for path in folder.iterdir()), ["twistd.log"])
        self.assertIn("1 by client FIN", log.read_text())

    def test_logOfAnotherUser(self) -> None:
        """A daemon that sheds its privileges can still rotate its log."""
        if os.geteuid() != 0:
            raise SkipTest("this needs root")
        folder = temporaryFolder(self)
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        log = folder / "n.log"
        command = [TWISTD, "-n", "--pidfile=", f"--logfile={log}", "--uid", "nobody"]
        command += ["--gid", str(nobody.pw_gid), "netdemo", "--only", "echo", "--echo", "tcp:0"]
        daemon = Running(command=command)
        self.addCleanup(daemon.close)
        deadline = time.monotonic() + PATIENCE
        while not (log.exists() and "serving" in log.read_text()):
            self.assertLess(time.monotonic(), deadline)
        daemon.signal(signal.SIGUSR1)
        while not (folder / "n.log.1").exists():
            self.assertLess(time.monotonic(), deadline)

    def test_portTakenInDaemonMode(self) -> None:
        """The command itself fails, with one line on the terminal."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            flags = ("--only", "echo", "--echo", f"tcp:{taken.getsockname()[1]}")
            result = run("netdemo", *flags)
        self.assertEqual(result.returncode, 1)
        self.assertIn("echo: cannot listen on tcp:", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)
