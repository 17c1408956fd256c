"""SIGHUP: settings, answer book and ports change while connections stay."""

from __future__ import annotations

import re
import signal
import socket

from twisted.trial.unittest import TestCase

from tests.support.processes import (
    PATIENCE,
    Running,
    environment,
    readAll,
    run,
    running,
    temporaryFolder,
)


class ReloadTests(TestCase):
    """SIGHUP and the settings."""

    def test_reload(self) -> None:
        """Settings and answer book are loaded again; a bad file changes nothing; connections
        stay open."""
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
            for bad, why in (
                ('[answers]\n"a" = 3\n', "book.toml: the answer to 'a' must be"),
                ("nonsense", "book.toml is not TOML"),
            ):
                book.write_text(bad)
                since = len(daemon.log)
                daemon.signal(signal.SIGHUP)
                daemon.waitFor(f"settings not changed: .*{why}", since)
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

    def reload(self, daemon: Running, settings: str, logged: str = "settings read again") -> None:
        """Give the daemon these settings, and wait for the line that it logs."""
        self.config.write_text(settings)
        since = len(daemon.log)
        daemon.signal(signal.SIGHUP)
        daemon.waitFor(logged, since)

    def echoes(self, address: tuple[str, int] | str) -> bool:
        """True if an echo service listens there."""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        with socket.socket(family) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(address)
            sock.sendall(b"x")
            return sock.recv(1) == b"x"

    def test_otherArguments(self) -> None:
        """A socket that is wanted with other arguments stays as it is, and a line says so."""
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

    def test_otherClass(self) -> None:
        """Another class of a service is not served before the next start; a line says so."""
        (self.folder / "loud.py").write_text(
            "from twistednet import Echo\n"
            "class Loud(Echo):\n"
            "    def reply(self, data):\n"
            "        return data.upper()\n"
        )
        self.config.write_text('only = ["echo"]\necho = "tcp:0"\n')
        env = environment(PYTHONPATH=str(self.folder))
        with running("--config", str(self.config), env=env) as daemon:
            self.reload(daemon, 'only = ["echo"]\necho = "tcp:0"\necho-class = "loud.Loud"\n')
            self.assertIn("the class of a service changes at the next start", daemon.log)
            self.assertTrue(self.echoes(daemon.address("echo")))

    def test_classThatCannotBeMade(self) -> None:
        """All of a reload is applied or nothing: one bad class undoes the others' ports."""
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
            # The class that could not be made is forgotten as well.
            self.reload(daemon, 'only = ["hello"]\nhello = "tcp:0"\n')
            self.assertNotIn("Traceback", daemon.log)

    def test_ownDatagramPorts(self) -> None:
        """A port number counts as our own as long as one of our sockets has it."""
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
        """Port 0 twice makes two ports."""
        with running("--only", "echo", "--echo", "tcp:0", "--echo", "tcp:0") as daemon:
            daemon.address("echo")
            ports = set(re.findall(r"^\techo +127.0.0.1:(\d+) ", daemon.log, re.MULTILINE))
            self.assertEqual(len(ports), 2)

    def test_staleSocket(self) -> None:
        """The socket of a killed daemon is replaced; that of a running one is not."""
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
