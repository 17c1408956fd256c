"""The pytest fixture `netdemo` and `testing.serve`: servers for tests of clients."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import pytest
from twisted.trial.unittest import SynchronousTestCase

from twistednet import testing
from twistednet.testing.parent import ChildProcess

IMPORTS = """
import asyncio, socket, sys
import pytest

def exchange(server, data):
    with socket.create_connection((server.host, server.port), 5) as client:
        client.sendall(data)
        return client.recv(100)
"""


def connected(server: testing.Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), 5)


class TestCase(SynchronousTestCase):
    """Has temporary folders."""

    def folder(self) -> Path:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name)


class FixtureTests(TestCase):
    """`netdemo` in another test suite."""

    def pytest(self, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a test suite in a process of its own."""
        folder = self.folder()
        (folder / "test_it.py").write_text(IMPORTS + textwrap.dedent(source))
        (folder / "pytest.ini").write_text("[pytest]\n")
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        # This plugin takes two seconds to load, in each process.
        command += ["-p", "no:schemathesis", *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)

    def test_wrongSetting(self) -> None:
        """A wrong setting shows the line of the test and one that says what was meant."""
        for call, error in (
            ('netdemo.serve("echo", idleTimout=1)', "no such setting; did you mean idleTimeout?"),
            ('netdemo.serve("ecko")', "there is no service 'ecko'; did you mean echo?"),
        ):
            done = self.pytest(f"def test_it(netdemo):\n    {call}\n")
            shown = [line for line in done.stdout.splitlines() if line.startswith("E ")]
            self.assertEqual(1, len(shown), done.stdout)
            self.assertTrue(shown[0].endswith(error), shown)
            self.assertIn(f">       {call}", done.stdout)
            self.assertNotIn("twistednet/testing/", done.stdout)

    def test_kindsOfTests(self) -> None:
        """Synchronous, asyncio and trial tests use it."""
        done = self.pytest(
            """
            def test_synchronous(netdemo):
                server = netdemo.serve("echo")
                assert exchange(server, b"hello") == b"hello"
                assert server.received() == b"hello"
                assert server.connections[0].closed == "client FIN"

            def test_asyncio(netdemo):
                server = netdemo.serve("answer")
                async def ask():
                    reader, writer = await asyncio.open_connection(server.host, server.port)
                    writer.write(b"how are u\\n")
                    assert await reader.readline() == b"fine\\n"
                    writer.close()
                    await writer.wait_closed()
                asyncio.run(ask())
                assert server.connections[0].received == b"how are u\\n"

            def test_never_connects(netdemo):
                server = netdemo.serve("echo")
                assert server.received() == b""
                assert server.connections == []

            def test_several(netdemo):
                one, other = netdemo.serve("echo"), netdemo.serve("echo")
                exchange(one, b"1")
                exchange(other, b"22")
                assert (one.received(), other.received()) == (b"1", b"22")

            from twisted.internet import defer, protocol
            from twisted.trial import unittest

            class TrialTests(unittest.TestCase):
                @pytest.fixture(autouse=True)
                def _netdemo(self, netdemo):
                    self.netdemo = netdemo

                async def test_trial(self):
                    from twisted.internet import endpoints, reactor
                    server = self.netdemo.serve("echo")
                    got = defer.Deferred()
                    class Client(protocol.Protocol):
                        def connectionMade(self):
                            self.transport.write(b"hi")
                        def dataReceived(self, data):
                            self.transport.loseConnection()
                            got.callback(data)
                    where = endpoints.TCP4ClientEndpoint(reactor, server.host, server.port)
                    await endpoints.connectProtocol(where, Client())
                    assert await got == b"hi"
                    assert server.received() == b"hi"
            """
        )
        self.assertIn("5 passed", done.stdout, done.stdout + done.stderr)

    def test_failure(self) -> None:
        """A failed test has the journal in its report; its server stops; it has no reactor."""
        done = self.pytest(
            """
            ports = []

            def test_fails(netdemo):
                server = netdemo.serve("echo")
                ports.append(server.port)
                exchange(server, b"\\x1b[2Jhello")
                assert False

            def test_after():
                with socket.socket() as client:
                    assert client.connect_ex(("127.0.0.1", ports[0])) != 0
                assert "twisted.internet.reactor" not in sys.modules
            """
        )
        self.assertIn("1 failed, 1 passed", done.stdout, done.stdout + done.stderr)
        self.assertIn("netdemo journal", done.stdout)
        self.assertIn(r"#1 sent 9 B: \x1b[2Jhello", done.stdout)

    def test_xdist(self) -> None:
        """The workers of pytest-xdist do not interfere."""
        done = self.pytest(
            """
            @pytest.mark.parametrize("number", range(20))
            def test_it(netdemo, number):
                server = netdemo.serve("echo")
                data = str(number).encode()
                assert exchange(server, data) == data
                assert server.received() == data
            """,
            "-n2",
        )
        self.assertIn("20 passed", done.stdout, done.stdout + done.stderr)

    def test_subclassThatRaises(self) -> None:
        """An exception in a subclass is in the report, too."""
        done = self.pytest(
            """
            from twistednet import Echo

            class Broken(Echo):
                def reply(self, data):
                    return {}[data]

            def test_fails(netdemo):
                exchange(netdemo.serve("echo", echoClass="test_it.Broken"), b"x")
            """
        )
        self.assertIn("1 failed", done.stdout, done.stdout + done.stderr)
        self.assertIn("KeyError: b'x'", done.stdout)


class ServeTests(TestCase):
    """`testing.serve`, without pytest."""

    def serve(self, service: str, **settings: object) -> testing.Server:
        server = testing.serve(service, **settings)
        self.addCleanup(server.close)
        return server

    def test_reasons(self) -> None:
        """The end of a connection has its reason: the client's FIN or RST, or the service."""
        server = self.serve("answer")
        finisher, resetter, leaver = (connected(server) for _ in range(3))
        finisher.close()
        resetter.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        resetter.close()
        leaver.sendall(b"bye\n")
        self.assertEqual(leaver.recv(10), b"Bye\n")
        self.assertEqual(leaver.recv(10), b"")
        leaver.close()
        reasons = [connection.closed for connection in server.connections]
        self.assertEqual(reasons, ["client FIN", "client RST", "service"])

    def test_misbehave(self) -> None:
        """Faults are replaced, reset and removed while it serves; a wrong rule is an error."""
        server = self.serve("answer", faults="close before reply, first 1, seed 1")

        def ask() -> bytes:
            with connected(server) as client:
                client.sendall(b"how are u\n")
                return client.recv(10)

        self.assertEqual([b"", b"fine\n"], [ask(), ask()])
        server.misbehave("answer: close before reply, first 1, seed 1")
        self.assertEqual([b"", b"fine\n"], [ask(), ask()])
        server.misbehave("silence", "stop reading")
        server.misbehave()
        self.assertEqual(b"fine\n", ask())
        with self.assertRaises(testing.CannotServe) as caught:
            server.misbehave("silense")
        self.assertIn("did you mean silence?", str(caught.exception))
        rule = "answer: close before reply, first 1, seed 1"
        line = f"#1 fault close: 0 of 5 B passed, end ({rule})"
        self.assertIn(line, server.journal().splitlines())

    def test_journal(self) -> None:
        """The journal has a line for each event, and none for the client's FIN."""
        server = self.serve("answer")
        with connected(server) as client:
            client.sendall(b"bye")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(10), b"Bye")
            peer = "{}:{}".format(*client.getsockname())
            self.assertEqual(client.recv(10), b"")
        self.assertEqual(
            server.journal().splitlines(),
            [
                f"answer at 127.0.0.1:{server.port}",
                f"#1 {peer} connected",
                "#1 sent 3 B: bye",
                "#1 closed: service; 3 B had been sent to it",
            ],
        )

    def test_received(self) -> None:
        """Everything sent is received when the test looks, even without a reply."""
        server = self.serve("receive")
        data = bytes(range(256)) * 4096
        with connected(server) as client:
            client.sendall(data)
            self.assertEqual(server.received(), data)
            self.assertIsNone(server.connections[0].closed)

    def test_datagrams(self) -> None:
        """Each datagram is reported, an empty one too."""
        server = self.serve("datagram")
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            for data in (b"one", b"", b"two"):
                client.sendto(data, (server.host, server.port))
            self.assertEqual(server.datagrams, [b"one", b"", b"two"])

    def test_settings(self) -> None:
        """Settings reach the daemon."""
        server = self.serve("echo", maxConnections=1)
        with connected(server) as one, connected(server) as other:
            one.sendall(b"x")
            self.assertEqual(one.recv(1), b"x")
            self.assertEqual(other.recv(1), b"")
            self.assertEqual(server.refused, ["connections"])

    def test_times(self) -> None:
        """Times reach it, too: an idle connection is closed, and its reason is idle."""
        server = self.serve("echo", idleTimeout=0.1)
        with connected(server) as client:
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(client.recv(1), b"")
            self.assertEqual(server.connections[0].closed, "idle")

    def test_badSettings(self) -> None:
        """A wrong setting is one line that names it."""
        for settings, error in (
            ({"idleTimeout": "soon"}, "echo: idleTimeout: 'soon' is not a number"),
            ({"idleTimout": 1}, "echo: idleTimout: no such setting; did you mean idleTimeout?"),
        ):
            with self.assertRaises(testing.CannotServe) as caught:
                testing.serve("echo", **settings)
            self.assertEqual(str(caught.exception), error)

    def test_waitFor(self) -> None:
        """It waits for a client in a thread, and fails with the journal."""
        server = self.serve("receive")

        def later() -> None:
            with connected(server) as client:
                client.sendall(b"late")

        client = threading.Timer(0.2, later)
        client.start()
        server.waitFor(lambda server: server.received() == b"late")
        client.join()
        with self.assertRaisesRegex(TimeoutError, "sent 4 B: late"):
            server.waitFor(lambda server: False, timeout=0.01)

    def test_unix(self) -> None:
        """A UNIX socket is made at the path, and removed at the end."""
        path = str(self.folder() / "socket")
        with testing.serve("echo", listen=f"unix:{path}") as server:
            self.assertEqual(server.path, path)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"x")
        self.assertFalse(os.path.lexists(path))

    def test_nothingLeft(self) -> None:
        """200 servers in one session leave no port, process, thread or file behind."""
        # What tests before this one left to the collector of garbage is not counted.
        gc.collect()
        files = len(os.listdir("/proc/self/fd"))
        threads = threading.active_count()
        process = ChildProcess()
        self.addCleanup(process.close)
        testing.Server(process, "echo", {}).close()
        assert process._child is not None
        pid = process._child.pid
        # Ports are counted as files: another process may have taken their numbers.
        ports = len(os.listdir(f"/proc/{pid}/fd"))
        servers = [testing.Server(process, "echo", {}) for _ in range(100)]
        self.assertLessEqual(ports + 100, len(os.listdir(f"/proc/{pid}/fd")))
        for server in servers:
            server.close()
        for _ in range(100):
            testing.Server(process, "echo", {}).close()
        self.assertEqual(ports, len(os.listdir(f"/proc/{pid}/fd")))
        process.close()
        self.assertFalse(os.path.exists(f"/proc/{pid}"))
        self.assertEqual(threading.active_count(), threads)
        self.assertEqual(len(os.listdir("/proc/self/fd")), files)

    def test_closed(self) -> None:
        """A server that is closed has no process any more."""
        server = testing.serve("echo")
        process = server._process
        # If the server does not end it, the test does.
        self.addCleanup(process.close)
        assert process._child is not None
        pid = process._child.pid
        server.close()
        self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_drainIsOver(self) -> None:
        """The time to drain of a server that is closed ends with it, and not later."""
        process = ChildProcess()
        self.addCleanup(process.close)
        server = testing.Server(process, "echo", {"drainTimeout": 0.05})
        with connected(server):
            self.assertEqual(1, len(server.connections))
            server.close()
        # A longer time, which begins later in the same process.
        later = testing.Server(process, "echo", {"faults": ["timeout 200ms"]})
        with connected(later) as client:
            self.assertEqual(b"", client.recv(1))
        later.close()
        aborts = [line for line in process.log if "aborting connections" in line]
        self.assertEqual(1, len(aborts), aborts)

    def test_killedTest(self) -> None:
        """When the test's process is killed, the servers' process ends and cleans up."""
        path = str(self.folder() / "socket")
        source = (
            "import time; from twistednet import testing; "
            f"server = testing.serve('echo', listen='unix:{path}'); "
            "print(server._process._child.pid, flush=True); time.sleep(60)"
        )
        test = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
        assert test.stdout is not None
        with test.stdout:
            pid = int(test.stdout.readline())
            self.assertTrue(os.path.exists(path))
            ended = os.pidfd_open(pid)
            test.send_signal(signal.SIGKILL)
            test.wait()
        poller = select.poll()
        poller.register(ended, select.POLLIN)
        self.assertTrue(poller.poll(10_000), "the servers' process lives on")
        os.close(ended)
        self.assertFalse(os.path.lexists(path))


@pytest.fixture
def twice(netdemo: testing.Netdemo) -> list[testing.Server]:
    return [netdemo.serve("echo"), netdemo.serve("datagram")]


def test_inAnotherFixture(twice: list[testing.Server]) -> None:
    """Another fixture may use it."""
    assert [server.service for server in twice] == ["echo", "datagram"]
