"""The daemon's life as its user sees it: starting, stopping, new settings, mistakes."""

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


class CommandLineTests(TestCase):
    """What `twistd netdemo` says before it serves."""

    def test_help(self) -> None:
        """Every flag on 80 columns, with its default."""
        result = run("netdemo", "--help")
        self.assertEqual(result.returncode, 0)
        self.assertLessEqual(max(map(len, result.stdout.splitlines())), 80)
        flat = " ".join(result.stdout.split())
        for text in (
            "--echo= where echo listens, or off: it returns every byte (RFC 862) [tcp:8888]",
            "--max-peer-connections= open connections from one address [20]",
            "--drain-timeout= seconds that open connections have to end when the daemon stops "
            "[30.0]",
            "--limit-loopback ",
            "--chat-class= a subclass of twistednet.services.chat.Chat to serve",
            "--only= ",
        ):
            self.assertIn(text, flat)

    def test_listed(self) -> None:
        """twistd knows the plugin, from any folder."""
        self.assertRegex(run("--help").stdout, r"netdemo +The basic network services")

    def test_mistakes(self) -> None:
        """One line that says what is wrong and what would be right; status 1, no traceback."""
        for flags, told in (
            (["--ecko", "tcp:1"], "option --ecko not recognized"),
            (["--echo"], "option --echo requires argument"),
            (["--echo", "tcp:http"], "--echo: 'http' is not a port: write a number from 0"),
            (["stray"], "'stray' is not a flag"),
            (["--config", "/no/such.toml"], "/no/such.toml: cannot be read"),
            (["--max-message", "x"], "--max-message: 'x' is not a whole number"),
            (["--echo", "nosuch:1"], "echo: cannot listen on nosuch:1"),
            (["--echo", "unix:/no/such/folder/x"], "no such file or directory"),
            (["--echo", "ssl:0:privateKey=/no/such"], "/no/such: no such file or directory"),
            (["--echo", "systemd:domain=INET:index=7"], "echo: cannot listen on systemd:"),
        ):
            result = run("-n", "--pidfile=", "netdemo", *ANYWHERE, *flags)
            self.assertEqual(result.returncode, 1, flags)
            lines = result.stderr.strip().splitlines()
            self.assertEqual(len(lines), 1, result.stderr)
            self.assertTrue(lines[0].startswith("twistd netdemo: "), lines)
            self.assertIn(told, lines[0])
            self.assertNotIn("Traceback", result.stdout)

    def test_portTaken(self) -> None:
        """It names the service, the port, who to ask and the flag; nothing stays open."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            folder = temporaryFolder(self)
            result = run(
                *("-n", "--pidfile=", "netdemo", *ANYWHERE),
                *("--echo", f"unix:{folder}/echo.sock", "--chat", f"tcp:{port}"),
            )
        self.assertEqual(result.returncode, 1)
        self.assertEqual(
            result.stderr,
            f"twistd netdemo: chat: cannot listen on tcp:{port}: address already in use "
            "(`ss -ltnp` shows by whom); --chat ENDPOINT moves it, --chat off drops it\n",
        )
        self.assertEqual(list(folder.iterdir()), [])

    def test_datagramPortTaken(self) -> None:
        """The same for a UDP port."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            result = run("-n", "--pidfile=", "netdemo", *ANYWHERE, "--datagram", f"udp:{port}")
        self.assertEqual(result.returncode, 1)
        self.assertIn("already in use (`ss -lunp` shows by whom)", result.stderr)

    def test_rootServesThisMachineOnly(self) -> None:
        """Root is warned on loopback, and refused on a public address unless it steps down."""
        if os.geteuid() != 0:
            raise SkipTest("only root can be told this")
        result = run("-n", "--pidfile=", "netdemo", "--echo", "tcp:0:interface=0.0.0.0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("echo: root may not serve other machines", result.stderr)
        with running("--only", "echo", "--echo", "tcp:0") as daemon:
            daemon.waitFor("running as root; use twistd --uid nobody")


class StartTests(TestCase):
    """From the command to the first answer."""

    def test_table(self) -> None:
        """One row a port, with the command to try; port 0 says which it became."""
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
        """What is not asked for does not listen."""
        with running("--only", "echo,chat", "--echo", "tcp:0", "--chat", "off") as daemon:
            self.assertEqual(len(re.findall(r"\n\t\S+ +127.0.0.1:\d+ ", daemon.log)), 1)

    def test_subclass(self) -> None:
        """A class of one's own takes the place of ours."""
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
        """With --uid it binds as root, and serves as somebody else."""
        if os.geteuid() != 0:
            raise SkipTest("only root can become somebody else")
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
        """Nobody is let in any more."""
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
        """Who was started with SIGINT ignored, as scripts start what runs in the background,
        ignores it, and nobody who is connected notices."""

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
        """Who has not ended by then is aborted, and counted."""
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
        """Somebody who asks twice does not want to wait."""
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
        """The second is a second one also when nothing has come of the first yet."""
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
        """A client that is stuck is cut off when its time is up, drain or no drain."""
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
        """A wish to read settings does not open what was just closed."""
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
        """A browser that only holds its connection open holds nobody up."""
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
        """Ours is; what somebody else has put in its place is not."""
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


class ReloadTests(TestCase):
    """SIGHUP."""

    def test_reload(self) -> None:
        """Settings and book are read again; nobody is cut off; a bad file changes nothing."""
        folder = temporaryFolder(self)
        config, book = folder / "netdemo.toml", folder / "book.toml"
        book.write_text('[answers]\n"a" = "1"\n')
        config.write_text(
            'only = ["answer", "echo"]\nanswer = "tcp:0"\necho = "tcp:0"\nanswers = "book.toml"\n'
        )
        with running("--config", str(config)) as daemon:
            sock = daemon.connect("answer")

            def ask(question: bytes) -> bytes:
                sock.sendall(question + b"\n")
                return sock.recv(100)

            self.assertEqual(ask(b"a"), b"1\n")
            echo = daemon.address("echo")
            book.write_text('[answers]\n"a" = "2"\n')
            config.write_text(
                'only = ["answer"]\nanswer = "tcp:0"\nanswers = "book.toml"\nmax-message = 8\n'
            )
            daemon.signal(signal.SIGHUP)
            daemon.waitFor("settings read again")
            self.assertEqual(ask(b"a"), b"2\n")
            self.assertRaises(ConnectionRefusedError, socket.create_connection, echo, PATIENCE)
            for bad, told in (
                ('[answers]\n"a" = 3\n', "book.toml: the answer to 'a' must be"),
                ("nonsense", "book.toml is not TOML"),
            ):
                book.write_text(bad)
                since = len(daemon.log)
                daemon.signal(signal.SIGHUP)
                daemon.waitFor(f"settings not changed: .*{told}", since)
                self.assertEqual(ask(b"a"), b"2\n")
            book.write_text('[answers]\n"a" = "4"\n')
            with socket.create_server(("127.0.0.1", 0)) as taken:
                config.write_text(
                    'only = ["answer", "chat"]\nanswer = "tcp:0"\n'
                    f'chat = "tcp:{taken.getsockname()[1]}"\n'
                )
                since = len(daemon.log)
                daemon.signal(signal.SIGHUP)
                daemon.waitFor("settings not changed: chat: cannot listen", since)
            self.assertEqual(ask(b"a"), b"2\n")
            with daemon.connect("answer") as late:
                late.sendall(b"x" * 9)
                self.assertEqual(readAll(late), b"message too long: 8 bytes at most\n")
            sock.close()
            self.assertNotIn("Traceback", daemon.log)


class ReopenTests(TestCase):
    """SIGHUP and the sockets."""

    def setUp(self) -> None:
        self.folder = temporaryFolder(self)
        self.config = self.folder / "netdemo.toml"

    def reload(self, daemon: Running, settings: str, told: str = "settings read again") -> None:
        """Give the daemon these settings, and wait for what it says of them."""
        self.config.write_text(settings)
        since = len(daemon.log)
        daemon.signal(signal.SIGHUP)
        daemon.waitFor(told, since)

    def echoes(self, address: tuple[str, int] | str) -> bool:
        """Is there an echo?"""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        with socket.socket(family) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(address)
            sock.sendall(b"x")
            return sock.recv(1) == b"x"

    def test_otherWords(self) -> None:
        """A socket that is asked for in other words stays open, and the log says how it is."""
        path = self.folder / "e.sock"
        self.config.write_text(f'only = ["echo"]\necho = ["tcp:0", "unix:{path}"]\n')
        with running("--config", str(self.config)) as daemon:
            address = daemon.address("echo")
            self.reload(
                daemon, f'only = ["echo"]\necho = ["tcp:0:backlog=9", "unix:{path}:mode=600"]\n'
            )
            self.assertIn(
                f"unix:{path}:mode=600 is open already: it changes at the next start", daemon.log
            )
            self.assertIn(
                "tcp:0:backlog=9 is open already: it changes at the next start", daemon.log
            )
            self.assertTrue(self.echoes(address) and self.echoes(str(path)))

    def test_classThatCannotBeMade(self) -> None:
        """All of a reload or nothing: one service's class undoes the others' ports."""
        (self.folder / "broken.py").write_text(
            "from twistednet import Hello\n"
            "class Broken(Hello):\n"
            "    def __init__(self, needed):\n"
            "        super().__init__()\n"
        )
        self.config.write_text('only = ["echo"]\necho = "tcp:0"\n')
        env = environment(PYTHONPATH=str(self.folder))
        with running("--config", str(self.config), env=env) as daemon:
            before = daemon.address("echo")
            self.reload(
                daemon,
                'only = ["answer", "hello"]\nanswer = "tcp:0"\nhello = "tcp:0"\n'
                'hello-class = "broken.Broken"\n',
                "settings not changed: hello: broken.Broken cannot be made: TypeError",
            )
            self.assertTrue(self.echoes(before))
            # And the class that could not be made is forgotten with the rest.
            self.reload(daemon, 'only = ["hello"]\nhello = "tcp:0"\n')
            self.assertNotIn("Traceback", daemon.log)

    def test_ownDatagramPorts(self) -> None:
        """A port number stays our own as long as one of our sockets has it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        endpoints = [f"udp:{port}", f"udp:{port}:interface=127.0.0.3", "udp:0"]
        self.config.write_text(f'only = ["datagram"]\ndatagram = {endpoints}\n')
        with running("--config", str(self.config)) as daemon:
            daemon.address("datagram", "udp")
            last = re.findall(r"udp 127.0.0.1:(\d+) ", daemon.log)[-1]
            del endpoints[1]
            self.reload(daemon, f'only = ["datagram"]\ndatagram = {endpoints}\n')
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind(("127.0.0.2", port))
                other.sendto(b"x", ("127.0.0.1", int(last)))
                daemon.waitFor(f"refused 127.0.0.2:{port}: source is our own port")

    def test_twice(self) -> None:
        """Port 0 twice is two ports."""
        with running("--only", "echo", "--echo", "tcp:0", "--echo", "tcp:0") as daemon:
            daemon.address("echo")
            ports = set(re.findall(r"^\techo +127.0.0.1:(\d+) ", daemon.log, re.MULTILINE))
            self.assertEqual(len(ports), 2)

    def test_staleSocket(self) -> None:
        """The socket of a daemon that was killed is no obstacle; that of one that lives is."""
        path = self.folder / "e.sock"
        flags = ("--only", "echo", "--echo", f"unix:{path}")
        with running(*flags) as killed:
            killed.signal(signal.SIGKILL)
            killed.wait()
        self.assertTrue(path.exists())
        with running(*flags):
            self.assertTrue(self.echoes(str(path)))
            result = run("-n", "--pidfile=", "netdemo", *flags)
            self.assertEqual(result.returncode, 1)
            self.assertIn("address already in use (`ss -lxnp` shows by whom)", result.stderr)
            self.assertTrue(self.echoes(str(path)))


class DaemonModeTests(TestCase):
    """`twistd netdemo`, without -n."""

    def test_daemon(self) -> None:
        """It goes to the background with a pid file and a log, and a stop cleans up."""
        folder = temporaryFolder(self)
        path = folder / "e.sock"
        flags = ["netdemo", "--only", "echo", "--echo", "tcp:0", "--echo", f"unix:{path}"]
        subprocess.run(
            [TWISTD, *flags], cwd=folder, env=environment(), timeout=PATIENCE, check=True
        )
        pid = int((folder / "twistd.pid").read_text())
        try:
            log = folder / "twistd.log"
            # The command is over before the daemon has said that it serves.
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
        # It is served on, and what it still sends comes back.
        sock.sendall(b"after")
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(sock), b"after")
        self.assertTrue(select.select([handle], [], [], PATIENCE)[0])
        self.assertEqual(sorted(path.name for path in folder.iterdir()), ["twistd.log"])
        self.assertIn("1 by client FIN", log.read_text())

    def test_logOfAnotherUser(self) -> None:
        """A daemon that sheds its privileges may still rotate its log."""
        if os.geteuid() != 0:
            raise SkipTest("only root can become somebody else")
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
        """Whoever typed the command is told, in the terminal."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            flags = ("--only", "echo", "--echo", f"tcp:{taken.getsockname()[1]}")
            result = run("netdemo", *flags)
        self.assertEqual(result.returncode, 1)
        self.assertIn("echo: cannot listen on tcp:", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)
