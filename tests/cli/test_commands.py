"""The command `netdemo`: every client, against right and wrong servers."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import trustme
from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import PATIENCE, Running
from tests.support.servers import serve
from twistednet.cli import commands
from twistednet.cli.adminapi import Site
from twistednet.testing import CannotServe

COMMAND = [sys.executable, "-m", "twistednet.cli.main"]

#: Twisted's own echo, in a process of its own.
STOCK = """
from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.protocols.wire import Echo
print(reactor.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1").getHost().port)
import sys; sys.stdout.flush()
reactor.run()
"""


class CommandCase(SynchronousTestCase):
    """Runs the command, and servers for it."""

    def netdemo(self, *arguments: str, input: bytes = b"") -> tuple[int, bytes, str]:
        """Return its status, standard output and standard error, which is one line at most."""
        done = subprocess.run([*COMMAND, *arguments], input=input, capture_output=True, timeout=30)
        error = done.stderr.decode()
        self.assertLessEqual(len(error.splitlines()), 1, error)
        return done.returncode, done.stdout, error

    def gives(self, out: bytes, *arguments: str, input: bytes = b"") -> None:
        """Assert status 0, exactly this output, and no error."""
        self.assertEqual(self.netdemo(*arguments, input=input), (0, out, ""))

    def serve(self, service: str, **settings: Any) -> str:
        server = serve(self, service, **settings)
        return server.path or f"{server.host}:{server.port}"

    def folder(self) -> Path:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name)

    def tutorial(self, serve: Callable[[socket.socket], None]) -> str:
        """A server as tutorials write it: accept one, and serve it."""
        listener = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            with listener:
                client, _ = listener.accept()
                with client:
                    serve(client)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 5)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def start(self, *command: str) -> subprocess.Popen[str]:
        if shutil.which(command[0]) is None:
            self.skipTest(f"{command[0]} is not installed")
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        self.addCleanup(self.end, process)
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        """Kill it with its children, one for each connection."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class DaemonTests(CommandCase):
    """Against our own daemon: with an argument, and through a pipe."""

    def test_echo(self) -> None:
        """Text comes back; a pipe comes back byte by byte, whatever it contains."""
        target = self.serve("echo")
        self.gives("héllo\n".encode(), "echo", target, "héllo")
        self.gives(b"hello\n", "echo", "--bare", target, "hello")
        data = os.urandom(3_000_000)
        self.gives(data, "echo", target, input=data)

    def test_ask(self) -> None:
        """It asks one question, bare or not, or the questions of a pipe until bye."""
        target = self.serve("answer")
        self.gives(b"fine\n", "ask", target, "how are u")
        self.gives(b"fine\n", "ask", "--bare", target, "how are u")
        script = b"how are u\nhow old are u\nbye\nhow are u\n"
        self.gives(b"fine\nnicai\nBye\n", "ask", target, input=script)

    def test_send(self) -> None:
        """Everything sent has arrived when the command ends."""
        with serve(self, "receive") as server:
            self.gives(b"", "send", f"{server.host}:{server.port}", "one")
            self.gives(b"", "send", f"{server.host}:{server.port}", input=b"two" * 100_000)
            self.assertEqual(server.received(), b"one\n" + b"two" * 100_000)
        with serve(self, "receive", listen="udp:0") as server:
            self.gives(b"", "send", "--udp", f"{server.host}:{server.port}", "one")
            self.assertEqual(server.datagrams, [b"one"])

    def test_datagram(self) -> None:
        """Each line becomes a datagram, an empty one too; echo --udp does the same."""
        target = self.serve("datagram")
        self.gives(b"hi\n", "datagram", target, "hi")
        self.gives(b"hi\n", "echo", "--udp", target, "hi")
        self.gives(b"one\n\nbye\n", "datagram", target, input=b"one\n\nbye\nmore\n")

    def test_hello(self) -> None:
        """It shows the greeting without a name, with one, and for each line of a pipe."""
        target = self.serve("hello")
        self.gives(b"Hello World!\n", "hello", target)
        self.gives("Hello World, Zoë & Co!\n".encode(), "hello", target, "Zoë & Co")
        expected = b"Hello World, a!\nHello World, b!\n"
        self.gives(expected, "hello", target, input=b"a\nb\n")

    def test_chat(self) -> None:
        """It says a text and shows all lines received until it has left."""
        target = self.serve("chat")
        entry = b"* you are guest-1 in lobby; /help tells what you can do\n"
        alone = b"* nobody else is in lobby\nbyebye\n"
        self.gives(entry + alone, "chat", target, "anybody here?")
        entry = entry.replace(b"guest-1", b"guest-2")
        self.gives(entry + alone, "chat", "--bare", target, "anybody here?")
        entry = entry.replace(b"guest-2", b"guest-3")
        self.gives(entry + b"* in lobby: guest-3\nbyebye\n", "chat", target, input=b"/who\n")

    def test_unixSocket(self) -> None:
        """--unix and an endpoint string connect to a UNIX socket."""
        path = self.serve("echo", listen=f"unix:{self.folder()}/socket")
        self.gives(b"hi\n", "echo", "--unix", path, "hi")
        self.gives(b"hi\n", "echo", f"unix:{path}", "hi")

    def test_tls(self) -> None:
        """--tls needs a trusted certificate for the host's name; without one, the status is 3."""
        folder = self.folder()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        for name in ("127.0.0.1", "other.example"):
            issued = authority.issue_cert(name)
            issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
            target = self.serve("echo", listen=f"ssl:0:privateKey={folder}/server.pem")
            trusting = ("echo", "--tls", "--ca", str(folder / "ca.pem"), target)
            if name == "127.0.0.1":
                self.gives(b"hi\n", *trusting, "hi")
                self.gives(b"hi\nthere\n", *trusting, input=b"hi\nthere\n")
                status, _, error = self.netdemo("echo", "--tls", target, "hi")
            else:
                status, _, error = self.netdemo(*trusting, "hi")
            self.assertEqual((status, "no TLS" in error), (3, True), error)

    def test_ipv6(self) -> None:
        """An IPv6 address stands in brackets; --ipv6 selects one of a name."""
        try:
            target = self.serve("echo", listen="tcp:0:interface=::1")
        except CannotServe:
            self.skipTest("no IPv6 here")
        port = target.rpartition(":")[2]
        self.gives(b"hi\n", "echo", f"[::1]:{port}", "hi")
        status, _, error = self.netdemo("echo", "--ipv6", f"localhost:{port}", "hi")
        self.assertTrue(status == 0 or "has no IPv6 address" in error, error)

    def test_expect(self) -> None:
        """With --expect another answer gives status 1, and the error names both."""
        target = self.serve("answer")
        self.gives(b"fine\n", "ask", target, "how are u", "--expect", "fine")
        status, out, error = self.netdemo("ask", target, "what", "--expect", "fine")
        self.assertEqual((status, out), (1, b"Nothing\n"))
        self.assertIn("expected 'fine', got 'Nothing'", error)


class OthersTests(CommandCase):
    """Against servers of others."""

    def test_stockTwisted(self) -> None:
        """Twisted's wire.Echo."""
        process = self.start(sys.executable, "-c", STOCK)
        assert process.stdout is not None
        target = f"127.0.0.1:{int(process.stdout.readline())}"
        self.gives(b"hi\n", "echo", target, "hi")
        self.gives(b"hi\n", "echo", "--bare", target, "hi")

    def test_socat(self) -> None:
        """socat as an echo, through a pipe too."""
        process = self.start("socat", "-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1,fork", "EXEC:cat")
        assert process.stdout is not None
        target = process.stdout.readline().split()[-1]
        self.gives(b"hi\n", "echo", target, "hi")
        data = os.urandom(100_000)
        self.gives(data, "echo", target, input=data)

    def test_ncat(self) -> None:
        """ncat as an echo, as a receiver, and as a server that answers each line."""
        path = str(self.folder() / "socket")
        for service, script, given in (
            ("echo", "cat", b"hi\n"),
            ("ask", "while read line; do echo fine; done", b"fine\n"),
            ("send", "cat >/dev/null", b""),
        ):
            process = self.start("ncat", "-k", "-l", "-U", path, "-c", script)
            self.waitForFile(path)
            self.gives(given, service, "--unix", path, "hi")
            self.end(process)
            os.unlink(path)

    def waitForFile(self, path: str) -> None:
        end = time.monotonic() + 10
        while not os.path.exists(path):
            self.assertLess(time.monotonic(), end, f"{path} never came")
            time.sleep(0.01)

    def test_tutorialEcho(self) -> None:
        """The loop around recv and send of every tutorial."""

        def echo(client: socket.socket) -> None:
            while data := client.recv(1024):
                client.send(data)

        self.gives(b"hello\n", "echo", "--bare", self.tutorial(echo), "hello")

    def test_tutorialAnswers(self) -> None:
        """A server that compares the result of one recv with a word, and closes at bye."""

        def answer(client: socket.socket) -> None:
            while (question := client.recv(1024)) != b"bye":
                client.send({b"how are u": b"fine"}.get(question, b"Nothing"))
            client.send(b"Bye")

        script = b"how are u\nwhat\nbye\n"
        self.gives(b"fine\nNothing\nBye\n", "ask", "--bare", self.tutorial(answer), input=script)

    def test_tutorialChat(self) -> None:
        """A server that answers each message in turn, and does not know byebye."""
        received = []

        def chat(client: socket.socket) -> None:
            while data := client.recv(1024):
                received.append(data)
                client.send(b"I see")

        target = self.tutorial(chat)
        self.gives(b"I see\nI see\n", "chat", "--bare", "--timeout", "0.5", target, "hello")
        self.assertEqual(received, [b"hello", b"byebye"])

    def test_tutorialReceiver(self) -> None:
        """A server that reads until the FIN, and closes."""
        received = []

        def receive(client: socket.socket) -> None:
            while data := client.recv(1024):
                received.append(data)

        self.gives(b"", "send", "--bare", self.tutorial(receive), "hello")
        self.assertEqual(b"".join(received), b"hello")

    def test_sendWaits(self) -> None:
        """Send ends when the server has read everything and closed, and not before."""
        released = threading.Event()
        received = []

        def receive(client: socket.socket) -> None:
            released.wait(10)
            while data := client.recv(1024):
                received.append(data)

        process = self.start(*COMMAND, "send", self.tutorial(receive), "hello")
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(1.5)
        released.set()
        self.assertEqual(process.wait(10), 0)
        self.assertEqual(received, [b"hello\n"])

    def test_tutorialDatagrams(self) -> None:
        """A server that loops around recvfrom and sendto."""
        with socket.socket(type=socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(10)

            def reply() -> None:
                data, sender = server.recvfrom(1024)
                server.sendto(data.upper(), sender)

            thread = threading.Thread(target=reply)
            thread.start()
            target = f"127.0.0.1:{server.getsockname()[1]}"
            self.gives(b"HI\n", "datagram", target, "hi")
            thread.join()


class BadServerTests(CommandCase):
    """Against missing and faulty servers: one line, and a status for each kind of error."""

    def fails(self, status: int, words: str, *arguments: str, input: bytes = b"") -> bytes:
        got, out, error = self.netdemo(*arguments, input=input)
        self.assertEqual(got, status, error)
        self.assertIn(words, error)
        return out

    def test_noSuchHost(self) -> None:
        """A name that does not resolve."""
        for service in ("echo", "datagram", "hello"):
            self.fails(3, "has no address", service, "no-such-host.invalid:80", "hi")

    def test_refused(self) -> None:
        """A port on which nothing listens."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            target = f"127.0.0.1:{closed.getsockname()[1]}"
            for service in ("echo", "ask", "send", "chat", "hello", "datagram"):
                self.fails(3, "connection refused: is the server started?", service, target, "hi")
        self.fails(3, "no such file", "echo", "--unix", "/no/such/socket", "hi")

    def test_silence(self) -> None:
        """A server that accepts connections and sends nothing."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            target = f"127.0.0.1:{listener.getsockname()[1]}"
            for service in ("echo", "ask", "send", "chat", "hello"):
                self.fails(4, "--timeout", service, "--timeout", "0.3", target, "hi")
            self.fails(4, "--timeout", "echo", "--timeout", "0.3", target, input=b"x")

    def test_hangsUp(self) -> None:
        """A server that closes in the middle of an answer."""

        def half(client: socket.socket) -> None:
            client.send(client.recv(1024)[:2])

        self.fails(
            1, "closed the connection after 2 of 6 bytes", "echo", self.tutorial(half), "hello"
        )
        self.fails(
            1,
            "closed the connection before all had come back",
            "echo",
            self.tutorial(half),
            input=b"hello",
        )
        self.fails(1, "not HTTP", "hello", self.tutorial(half))

        def mute(client: socket.socket) -> None:
            client.recv(1024)  # Had it not read the question, it would send RST.

        self.fails(1, "closed the connection without an answer", "ask", self.tutorial(mute), "hi")

    def test_changed(self) -> None:
        """An echo that returns something else."""

        def shout(client: socket.socket) -> None:
            client.send(client.recv(1024).upper())

        self.fails(1, "byte 2 came back changed", "echo", self.tutorial(shout), "Hello")
        self.fails(1, "it returned other bytes", "echo", self.tutorial(shout), input=b"Hello")

    def test_garbage(self) -> None:
        """Something that is not HTTP."""

        def garbage(client: socket.socket) -> None:
            client.recv(1024)
            client.send(random.Random(7).randbytes(1000) + b"\n")

        self.fails(1, "not HTTP", "hello", self.tutorial(garbage))

    def test_endless(self) -> None:
        """An answer of 1 GiB is neither awaited nor kept."""

        def endless(client: socket.socket) -> None:
            try:
                client.recv(1024)
                client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
                for _ in range(1024):
                    client.sendall(b"x" * 1024 * 1024)
            except OSError:
                pass

        self.fails(1, "over 1048576 bytes", "hello", self.tutorial(endless))

        def line(client: socket.socket) -> None:
            try:
                for _ in range(1024):
                    client.sendall(b"x" * 1024 * 1024)
            except OSError:
                pass

        self.fails(1, "over 65536 bytes", "ask", self.tutorial(line), "hi")

    def test_controlCharacters(self) -> None:
        """Control characters of the server are escaped."""

        def paint(client: socket.socket) -> None:
            client.recv(1024)
            client.send("\x1b[2J\x07\u202eevil\x9b1m\r\n".encode())

        out = rb"\x1b[2J\x07\u202eevil\x9b1m" + b"\n"
        self.gives(out, "ask", self.tutorial(paint), "hi")

    def test_usage(self) -> None:
        """A bad TARGET and options that exclude each other are usage errors."""
        self.fails(2, "is not a server", "echo", "nonsense", "hi")
        self.fails(2, "is not a server", "echo", "host:99999", "hi")
        self.fails(2, "exclude each other", "echo", "--tls", "--udp", "a:1", "hi")
        self.fails(2, "No such command", "nonsense")

    def test_closedOutput(self) -> None:
        """It is not an error if the reader of standard output closes it."""
        target = self.serve("echo")
        process = subprocess.Popen(
            [*COMMAND, "echo", target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin
        assert process.stdout
        assert process.stderr
        with process.stdin, process.stdout, process.stderr:
            process.stdin.write(b"first\n")
            process.stdin.flush()
            self.assertEqual(process.stdout.readline(), b"first\n")
            process.stdout.close()
            process.stdin.write(b"second\n")
            process.stdin.flush()
            self.assertEqual(process.wait(10), 0)
            self.assertEqual(process.stderr.read(), b"")

    def test_interrupted(self) -> None:
        """Ctrl-C ends the command with status 130 and without a traceback."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            target = f"127.0.0.1:{listener.getsockname()[1]}"
            process = subprocess.Popen(
                [*COMMAND, "ask", "--timeout", "30", target, "hi"], stderr=subprocess.PIPE
            )
            client, _ = listener.accept()
            with client:
                client.recv(10)
                process.send_signal(signal.SIGINT)
                assert process.stderr is not None
                with process.stderr:
                    self.assertEqual(process.stderr.read(), b"")
                self.assertEqual(process.wait(10), 130)


class ListenTests(CommandCase):
    """`netdemo listen`: servers that display what arrives."""

    def start_(self, where: str, *options: str) -> tuple[subprocess.Popen[str], int]:
        process = self.start(*COMMAND, "listen", where, *options)
        assert process.stdout is not None
        return process, int(process.stdout.readline().rpartition(":")[2])

    def rest(self, process: subprocess.Popen[str]) -> str:
        """Return its output once it has ended by itself."""
        assert process.stdout is not None
        text = process.stdout.read()
        self.assertEqual(process.wait(10), 0)
        return text

    def test_tcp(self) -> None:
        """It displays connections and what they send, escaped, and stops at the word."""
        process, port = self.start_("tcp:0", "--until", "bye")
        for message in (b"\x1b[2J", b"hello\nbye\n"):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(message)
        text = self.rest(process)
        for part in ("connected", r"sent 4 B: \x1b[2J", "went offline", r"hello\nbye\n"):
            self.assertIn(part, text)

    def test_udp(self) -> None:
        """It displays each datagram, sends none, and stops at the word."""
        process, port = self.start_("udp:0", "--until", "bye")
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", port))
            client.send(b"byebye")
            client.send(b"bye")
            text = self.rest(process)
            client.setblocking(False)
            with self.assertRaises((BlockingIOError, ConnectionRefusedError)):
                client.recv(10)
        self.assertIn("sent 6 B: byebye", text)

    def test_taken(self) -> None:
        """A port that is taken gives status 3, a bad port status 2."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            status, _, error = self.netdemo("listen", f"tcp:{port}")
        self.assertEqual((status, "cannot listen on" in error), (3, True), error)
        self.assertEqual(self.netdemo("listen", "nonsense")[0], 2)


class WatchTests(CommandCase):
    """`netdemo watch`: the connections of a daemon as they open and close."""

    def setUp(self) -> None:
        self.daemon = Running("--only=echo", "--echo=tcp:0", "--admin=tcp:0", "--journal=0")
        self.addCleanup(self.daemon.close)
        self.url = self.daemon.waitFor(r"admin: (http\S+)$")[1]
        self.site, _, self.token = self.url.partition("?token=")

    def visit(self) -> tuple[socket.socket, str]:
        """Return a connection that is served, and how a line about it names it."""
        client = self.daemon.connect("echo")
        self.addCleanup(client.close)
        client.sendall(b"hello")
        client.recv(5)
        return client, f"echo 127.0.0.1:{client.getsockname()[1]}"

    def watch(self, *arguments: str) -> tuple[subprocess.Popen[str], Callable[[], str]]:
        """Return the command's process and a function that returns its next line."""
        watching = subprocess.Popen(
            [*COMMAND, "watch", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(watching.communicate)
        self.addCleanup(watching.kill)
        assert watching.stdout is not None
        return watching, watching.stdout.readline

    def test_now(self) -> None:
        """--no-follow lists the open connections; the token is in the URL or an option."""
        _, who = self.visit()
        expected = f"+ {who} #1  (1 open)\n".encode()
        self.gives(expected, "watch", "--no-follow", self.url)
        self.gives(expected, "watch", "--no-follow", "--token", self.token, self.site)

    def test_followed(self) -> None:
        """It lists the open connections, then follows new and closed ones to the daemon's end."""
        first, who = self.visit()
        watching, line = self.watch(self.url)
        self.assertEqual(f"+ {who} #1  (1 open)\n", line())
        second, other = self.visit()
        self.assertEqual(f"+ {other} #2  (2 open)\n", line())
        first.close()
        gone = line()
        self.assertIn(f"- {who} #1: client FIN; 5 B in, 5 B out, ", gone)
        self.assertTrue(gone.endswith(" s  (1 open)\n"), gone)
        second.close()
        self.assertIn("(0 open)", line())
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(("(the daemon stops)\n", ""), watching.communicate(timeout=PATIENCE))
        self.assertEqual(0, watching.returncode)

    def test_gone(self) -> None:
        """The death of the daemon is an error with status 1."""
        self.visit()
        watching, line = self.watch(self.url)
        line()
        self.daemon.signal(signal.SIGKILL)
        _, error = watching.communicate(timeout=PATIENCE)
        self.assertEqual(1, watching.returncode)
        self.assertRegex(error, r"^netdemo: 127.0.0.1:\d+ .+\n$")

    def test_interrupted(self) -> None:
        """Ctrl-C stops it without a traceback."""
        self.visit()
        watching, line = self.watch(self.url)
        line()
        watching.send_signal(signal.SIGINT)
        self.assertEqual(("", ""), watching.communicate(timeout=PATIENCE))
        self.assertEqual(130, watching.returncode)

    def test_refused(self) -> None:
        """A missing token, a closed port and a bad URL are one line that says what to do."""
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        for url, status, why in (
            (self.site, 1, "printed at its start"),
            (f"{self.site}?token=wrong", 1, "printed at its start"),
            (f"127.0.0.1:{port}", 3, "is the server started?"),
            ("http://127.0.0.1/", 2, "give a URL with a port"),
        ):
            got, out, error = self.netdemo("watch", url)
            self.assertEqual((status, b""), (got, out), error)
            self.assertIn(why, error)

    def test_badURL(self) -> None:
        """A URL of another scheme, without a port or with a wrong one is a usage error."""
        for url in (
            "ftp://127.0.0.1:80/",
            "http://127.0.0.1",
            "http://127.0.0.1:x/",
            "http://[::1/",
        ):
            with self.assertRaises(click.UsageError) as caught:
                Site.parse(url)
            self.assertIn("give a URL with a port", caught.exception.message)


class FaultTests(CommandCase):
    """`netdemo fault`: the faults of a daemon, shown and changed."""

    def setUp(self) -> None:
        daemon = Running("--only=echo", "--echo=tcp:0", "--admin=tcp:0")
        self.addCleanup(daemon.close)
        self.echo = "{}:{}".format(*daemon.address("echo"))
        self.url = daemon.waitFor(r"admin: (http\S+)$")[1]

    def fault(self, *arguments: str) -> list[str]:
        """Return the lines that the command prints."""
        status, out, error = self.netdemo("fault", "--url", self.url, *arguments)
        self.assertEqual((0, ""), (status, error))
        return out.decode().splitlines()

    def test_life(self) -> None:
        """Rules are added, act, and are reset, removed and replaced."""
        self.assertEqual(["(no faults)"], self.fault())
        rules = ("echo: corrupt byte 0, seed 1", "echo: drop, seed 2, the 7th")
        shown = ["1  echo: corrupt byte 0, seed 1  (acted 0 of 0)"]
        other = "2  echo: drop, the 7th, seed 2  (acted 0 of 0)"
        self.assertEqual([*shown, other], self.fault("add", *rules))
        status, out, error = self.netdemo("echo", self.echo, "hi")
        self.assertEqual((1, b""), (status, out))
        self.assertIn("byte 1 came back changed", error)
        self.assertIn("1  echo: corrupt byte 0, seed 1  (acted 1 of 1)", self.fault())
        self.assertEqual(shown, self.fault("reset", "1")[:1])
        self.assertEqual([other.replace("0 of 0", "0 of 1")], self.fault("remove", "1"))
        self.assertEqual(
            ["3  echo: silence, seed 3  (acted 0 of 0)"],
            self.fault("only", "echo: silence, seed 3"),
        )
        self.assertEqual(["(no faults)"], self.fault("only"))

    def test_over(self) -> None:
        """A rule that has run out is shown as over, with its counts."""
        self.assertEqual(
            ["1  echo: drop, for 1us, seed 1  (acted 0 of 0, over)"],
            self.fault("only", "echo: drop, for 1us, seed 1"),
        )

    def test_scenario(self) -> None:
        """A scenario is played from its text, shown with the time left, and stopped."""
        shown = self.fault("play", "down = 60s echo: drop, seed 1 | 1s healthy")
        self.assertEqual("1  echo: drop, seed 1  (acted 0 of 0)", shown[0])
        self.assertRegex(
            shown[1], r"^scenario down, part 1 of 2, (59|60)\.\d s left: 60s echo: drop, seed 1$"
        )
        self.assertEqual(["(no faults)"], self.fault("stop"))
        status, _, error = self.netdemo("fault", "--url", self.url, "play", "up")
        self.assertEqual(1, status)
        self.assertIn("there is no scenario 'up'; there are none", error)

    def test_wrong(self) -> None:
        """A wrong rule and an unknown number are one line each, and change nothing."""
        self.fault("add", "echo: silence, seed 3")
        for arguments, why in (
            (("add", "echo: drop", "echo: nonsense"), "nonsense"),
            (("remove", "77"), "no such rule"),
        ):
            status, out, error = self.netdemo("fault", "--url", self.url, *arguments)
            self.assertEqual((1, b"", True), (status, out, why in error), error)
        self.assertEqual(["1  echo: silence, seed 3  (acted 0 of 0)"], self.fault())


class HelpTests(CommandCase):
    """Help and completion."""

    def test_help(self) -> None:
        """Every command has a help text, and is listed."""
        _, listed, _ = self.netdemo("--help")
        self.assertEqual(
            sorted(commands.netdemo.commands),
            [
                *("ask", "chat", "check", "completion", "datagram", "echo", "fault", "hello"),
                *("listen", "load", "send", "watch"),
            ],
        )
        for name, command in commands.netdemo.commands.items():
            self.assertIn(f"  {name} ".encode(), listed)
            done = CliRunner().invoke(command, ["--help"])
            self.assertEqual(done.exit_code, 0, done.output)
            self.assertIn(command.get_short_help_str(200), " ".join(done.output.split()))

    def test_completion(self) -> None:
        """Each shell gets a script, and the call in the script completes a command."""
        for shell in ("bash", "zsh", "fish"):
            status, script, _ = self.netdemo("completion", shell)
            self.assertEqual((status, b"_NETDEMO_COMPLETE" in script), (0, True))
        environment = {**os.environ, "_NETDEMO_COMPLETE": "bash_complete"}
        environment |= {"COMP_WORDS": "netdemo da", "COMP_CWORD": "1"}
        done = subprocess.run(COMMAND, env=environment, capture_output=True)
        self.assertEqual(done.stdout, b"plain,datagram\n")

    @pytest.mark.slow
    def test_withoutExtra(self) -> None:
        """Without the extra the command says what to install."""
        hide = "import sys; sys.modules['click'] = None; from twistednet.cli.main import main"
        done = subprocess.run(
            [sys.executable, "-c", f"{hide}; main()"], capture_output=True, text=True
        )
        self.assertIn("pip install 'twistednet[cli]'", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)
