"""Faults of ports, and the gates that do them: clients are turned away, and taken again."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.support.processes import PATIENCE, temporaryFolder
from tests.support.servers import serve
from twistednet.client.reactors import theReactor
from twistednet.events.model import EventStream, Faulted
from twistednet.faults.grammar import parse
from twistednet.inject.injector import FaultInjector
from twistednet.inject.listeners import ListenerFaults
from twistednet.transport import refusing
from twistednet.transport.listening import UNIXPort

reactor = theReactor()

#: Seconds after which a connect that nobody answers has long been answered by loopback.
UNANSWERED = 0.3


class _Greeter(Protocol):
    def connectionMade(self) -> None:
        self.transport.write(b"!")


class PortTestCase(TestCase):
    """A port that listens, and clients that block: the system connects them by itself."""

    def listen(self, interface: str = "127.0.0.1") -> Any:
        port = reactor.listenTCP(0, Factory.forProtocol(_Greeter), interface=interface)
        self.addCleanup(port.stopListening)
        return port

    def listenUNIX(self) -> Any:
        path = os.fsencode(temporaryFolder(self) / "s")
        port = UNIXPort(path, Factory.forProtocol(_Greeter), 50, 0o666, reactor)
        port.startListening()
        self.addCleanup(port.stopListening)
        return port

    def listeners(self) -> list[Any]:
        return [self.listen(), self.listen("::1"), self.listenUNIX()]

    def connect(self, port: Any) -> socket.socket:
        sock = socket.socket(port.socket.family)
        self.addCleanup(sock.close)
        sock.settimeout(UNANSWERED)
        sock.connect(port.socket.getsockname())
        return sock

    async def assertServed(self, sock: socket.socket) -> None:
        """It is greeted, and then closes."""
        sock.settimeout(PATIENCE)
        self.assertEqual(b"!", await deferToThread(sock.recv, 1))
        sock.close()


class GateTests(PortTestCase):
    """Ports by themselves."""

    async def test_refuse(self) -> None:
        """ECONNREFUSED until it is undone; who is connected stays so. Twice is as once."""
        for port in self.listeners():
            there = self.connect(port)
            await self.assertServed(there)
            for _ in range(2):
                number = port.getHost()
                undo = refusing.refuse(port)
                self.assertRaises(ConnectionRefusedError, self.connect, port)
                self.assertRaises(ConnectionRefusedError, self.connect, port)
                self.assertEqual(number, port.getHost())
                undo()
                await self.assertServed(self.connect(port))

    async def test_stall(self) -> None:
        """No answer to a connect, from the first on, until it is undone."""
        for port in (self.listen(), self.listen("::1")):
            for _ in range(2):
                undo = refusing.stall(port)
                self.assertRaises(TimeoutError, self.connect, port)
                self.assertRaises(TimeoutError, self.connect, port)
                undo()
                await self.assertServed(self.connect(port))

    async def test_stallUNIX(self) -> None:
        """One connects and waits, and there is no room for another; it is served at last."""
        port = self.listenUNIX()
        undo = refusing.stall(port)
        first = self.connect(port)
        self.assertRaises((BlockingIOError, TimeoutError), self.connect, port)
        undo()
        await self.assertServed(first)

    async def test_stallElsewhere(self) -> None:
        """Where packets cannot be dropped, TCP stalls as UNIX sockets do."""

        def cannot(port: Any) -> refusing.Undo:
            raise OSError("no such option")

        self.patch(refusing, "_dropSYNs", cannot)
        port = self.listen()
        undo = refusing.stall(port)
        first = self.connect(port)
        self.assertRaises(TimeoutError, self.connect, port)
        undo()
        await self.assertServed(first)

    def test_noPath(self) -> None:
        """A UNIX socket outside the file system cannot be put aside, which is told as such."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(b"\0" + os.urandom(8).hex().encode())
            sock.listen()
            port = UNIXPort(b"", Factory(), reactor=reactor)
            port.socket = sock
            self.assertRaises(OSError, refusing.refuse, port)

    def test_permissions(self) -> None:
        """Who may not connect is told so, and not that nobody listens."""
        port = self.listenUNIX()
        path = port.socket.getsockname()
        os.chmod(path, 0o640)
        undo = refusing.refuse(port)
        self.assertEqual(0o640, os.stat(path).st_mode & 0o777)
        undo()


class PortFaultsTests(PortTestCase):
    """Rules, and a port that they concern."""

    def setUp(self) -> None:
        self.told: list[Any] = []
        events = EventStream(self.fail)
        events.attach(self.told.append)
        self.clock = Clock()
        self.faulting = FaultInjector(self.clock, events)

    def ask(self, *rules: str) -> None:
        self.faulting.replace([parse(rule) for rule in rules])

    def test_comesAndGoes(self) -> None:
        """It acts at once, is told of, and is gone with its rule."""
        port = self.listen()
        faults = ListenerFaults("echo", port, self.clock, self.faulting)
        self.connect(port)
        self.ask("echo: refuse, seed 3", "answer: stall")
        self.assertRaises(ConnectionRefusedError, self.connect, port)
        [event] = self.told
        did = "new connections are refused"
        expected = Faulted(0, "echo", faults.peer, "refuse", "echo: refuse, seed 3", 1, did)
        self.assertEqual(expected, replace(event, at=0.0))
        self.ask("answer: stall")
        self.connect(port)

    def test_changes(self) -> None:
        """The first rule that concerns it counts, and one that stays is not done again."""
        port = self.listen()
        ListenerFaults("echo", port, self.clock, self.faulting)
        self.ask("echo: refuse", "echo: stall")
        self.ask("echo: refuse", "echo: drop", "echo: stall")
        self.assertRaises(ConnectionRefusedError, self.connect, port)
        self.ask("echo: stall", "echo: refuse")
        self.assertRaises(TimeoutError, self.connect, port)
        self.assertEqual(["refuse", "stall"], [one.fault for one in self.told])

    def test_runsOut(self) -> None:
        """`for 5s` ends after five seconds, also for a port that came later."""
        self.ask("echo: refuse, for 5s")
        self.clock.advance(2)
        port = self.listen()
        ListenerFaults("echo", port, self.clock, self.faulting)
        self.clock.advance(2.9)
        self.assertRaises(ConnectionRefusedError, self.connect, port)
        self.clock.advance(0.1)
        self.connect(port)

    def test_stop(self) -> None:
        """What was done is undone before a port closes: it may be systemd's."""
        port = self.listen()
        faults = ListenerFaults("echo", port, self.clock, self.faulting)
        self.ask("echo: refuse, for 5s")
        faults.stop()
        self.connect(port)
        self.ask("echo: refuse")
        self.assertEqual([], self.clock.getDelayedCalls())
        self.connect(port)

    def test_cannot(self) -> None:
        """What the system will not do is one line in the log, and the port as it was."""
        lines: list[Any] = []
        globalLogPublisher.addObserver(lines.append)
        self.addCleanup(globalLogPublisher.removeObserver, lines.append)
        port = self.listenUNIX()
        os.unlink(port.socket.getsockname())
        ListenerFaults("echo", port, self.clock, self.faulting)
        self.ask("echo: refuse, seed 3")
        [line] = [one for one in lines if "rule" in one]
        self.assertIn("No such file", str(line["error"]))
        self.assertEqual("echo: refuse, seed 3", line["rule"])
        self.assertEqual(0, next(iter(self.faulting.active)).acted)
        self.assertEqual([], self.told)


class ServedTests(SynchronousTestCase):
    """A whole daemon."""

    def test_fixture(self) -> None:
        """The fixture serves one that refuses, and one that stalls."""
        for fault, error in (("refuse", ConnectionRefusedError), ("stall", TimeoutError)):
            server = serve(self, "echo", faults=[fault])
            with self.assertRaises(error):
                socket.create_connection((server.host, server.port), UNANSWERED)
