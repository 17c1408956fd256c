"""inject/listeners.py and transport/refusing.py: ports that refuse or ignore clients."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, deferLater
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

#: Seconds to wait for a connect that gets no answer; loopback answers much sooner.
UNANSWERED = 0.3


class _Greeter(Protocol):
    def connectionMade(self) -> None:
        self.transport.write(b"!")


class PortTestCase(TestCase):
    """A port that listens, and clients that block while the kernel connects them."""

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
        return self.connectTo(port.socket.getsockname(), port.socket.family)

    def connectTo(self, address: Any, family: int) -> socket.socket:
        sock = socket.socket(family)
        self.addCleanup(sock.close)
        sock.settimeout(UNANSWERED)
        sock.connect(address)
        return sock

    def isRefused(self, address: Any, family: int) -> bool:
        """True if it refuses at once, False if it does not answer."""
        try:
            self.connectTo(address, family)
        except TimeoutError:
            return False
        except ConnectionRefusedError:
            return True
        raise AssertionError("it accepts connections")

    async def assertServed(self, sock: socket.socket) -> None:
        """Check that the client is greeted, and close it."""
        sock.settimeout(PATIENCE)
        self.assertEqual(b"!", await deferToThread(sock.recv, 1))
        sock.close()


class RefusingTests(PortTestCase):
    """The functions of transport/refusing.py on their own."""

    async def test_refuse(self) -> None:
        """ECONNREFUSED until it is undone; open connections stay. It can be done twice."""
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
        """No answer to a connect, from the first one on, until it is undone."""
        for port in (self.listen(), self.listen("::1")):
            for _ in range(2):
                undo = refusing.stall(port)
                self.assertRaises(TimeoutError, self.connect, port)
                self.assertRaises(TimeoutError, self.connect, port)
                undo()
                await self.assertServed(self.connect(port))

    async def test_waiting(self) -> None:
        """Connections that wait to be accepted are served, however the port stops."""
        for stop in (refusing.refuse, refusing.stall, refusing.stopListening):
            # What a UNIX socket that stalls does is tested below.
            for port in self.listeners()[: 2 if stop is refusing.stall else 3]:
                socks = [self.connect(port) for _ in range(30)]
                stop(port)
                for sock in socks:
                    await self.assertServed(sock)

    async def test_handshake(self) -> None:
        """A handshake under way is waited for, in vain too; later ones are not let in."""
        self.patch(refusing, "HANDSHAKE_SECONDS", 0.3)
        self.patch(refusing, "MAX_ROWS", 10**9)
        for stop in (refusing.refuse, refusing.stopListening):
            for port in (self.listen(), self.listen("::1")):
                # The kernel completes these handshakes when the clients send their first byte.
                port.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
                sends, silent = self.connect(port), self.connect(port)
                self.assertTrue(refusing._hasHandshakes(port))
                address = port.socket.getsockname()
                stopped = stop(port)
                self.assertRaises(TimeoutError, self.connect, port)
                sends.sendall(b"x")
                await self.assertServed(sends)
                if not callable(stopped):
                    await stopped
                while not self.isRefused(address, silent.family):
                    await deferLater(reactor, 0)

    async def test_manySockets(self) -> None:
        """Where a look at handshakes would take long, none is waited for."""
        port = self.listen()
        port.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
        self.connect(port)
        self.patch(refusing, "MAX_ROWS", 10**9)
        self.assertTrue(refusing._hasHandshakes(port))
        self.patch(refusing, "MAX_ROWS", 0)
        self.assertFalse(refusing._hasHandshakes(port))

    async def test_undoneMeanwhile(self) -> None:
        """`refuse` is undone while a handshake is under way: clients connect again."""
        self.patch(refusing, "MAX_ROWS", 10**9)
        port = self.listen()
        port.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
        self.connect(port)
        undo = refusing.refuse(port)
        self.assertRaises(TimeoutError, self.connect, port)
        undo()
        sock = self.connect(port)
        sock.sendall(b"x")
        await self.assertServed(sock)

    async def test_stallUNIX(self) -> None:
        """One client connects and waits, further ones are blocked; the first is served later."""
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
        """A UNIX socket without a path cannot be refused, and raises OSError."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(b"\0" + os.urandom(8).hex().encode())
            sock.listen()
            port = UNIXPort(b"", Factory(), reactor=reactor)
            port.socket = sock
            self.assertRaises(OSError, refusing.refuse, port)

    def test_permissions(self) -> None:
        """The replaced socket has the same permissions."""
        port = self.listenUNIX()
        path = port.socket.getsockname()
        os.chmod(path, 0o640)
        undo = refusing.refuse(port)
        self.assertEqual(0o640, os.stat(path).st_mode & 0o777)
        undo()


class PortFaultsTests(PortTestCase):
    """Rules for one port."""

    def setUp(self) -> None:
        self.published: list[Any] = []
        events = EventStream(self.fail)
        events.attach(self.published.append)
        self.clock = Clock()
        self.injector = FaultInjector(self.clock, events)

    def setRules(self, *rules: str) -> None:
        self.injector.replace([parse(rule) for rule in rules])

    def test_comesAndGoes(self) -> None:
        """A rule acts at once, is reported, and is undone when it is removed."""
        port = self.listen()
        faults = ListenerFaults("echo", port, self.clock, self.injector)
        self.connect(port)
        self.setRules("echo: refuse, seed 3", "answer: stall")
        self.assertRaises(ConnectionRefusedError, self.connect, port)
        [event] = self.published
        did = "new connections are refused"
        expected = Faulted(0, "echo", faults.peer, "refuse", "echo: refuse, seed 3", 1, did)
        self.assertEqual(expected, replace(event, at=0.0))
        self.setRules("answer: stall")
        self.connect(port)

    def test_changes(self) -> None:
        """The first rule that matches applies, and one that stays is not applied again."""
        port = self.listen()
        ListenerFaults("echo", port, self.clock, self.injector)
        self.setRules("echo: refuse", "echo: stall")
        self.setRules("echo: refuse", "echo: drop", "echo: stall")
        self.assertRaises(ConnectionRefusedError, self.connect, port)
        self.setRules("echo: stall", "echo: refuse")
        self.assertRaises(TimeoutError, self.connect, port)
        self.assertEqual(["refuse", "stall"], [one.fault for one in self.published])

    def test_runsOut(self) -> None:
        """`for 5s` ends after five seconds, also for a port that was opened later."""
        self.setRules("echo: refuse, for 5s")
        self.clock.advance(2)
        port = self.listen()
        ListenerFaults("echo", port, self.clock, self.injector)
        self.clock.advance(2.9)
        self.assertRaises(ConnectionRefusedError, self.connect, port)
        self.clock.advance(0.1)
        self.connect(port)

    def test_stop(self) -> None:
        """A fault is undone before the port closes: the socket may be systemd's."""
        port = self.listen()
        faults = ListenerFaults("echo", port, self.clock, self.injector)
        self.setRules("echo: refuse, for 5s")
        faults.stop()
        self.connect(port)
        self.setRules("echo: refuse")
        self.assertEqual([], self.clock.getDelayedCalls())
        self.connect(port)

    def test_cannot(self) -> None:
        """If the system refuses, the log has one line, and the port is unchanged."""
        lines: list[Any] = []
        globalLogPublisher.addObserver(lines.append)
        self.addCleanup(globalLogPublisher.removeObserver, lines.append)
        port = self.listenUNIX()
        os.unlink(port.socket.getsockname())
        ListenerFaults("echo", port, self.clock, self.injector)
        self.setRules("echo: refuse, seed 3")
        [line] = [one for one in lines if "rule" in one]
        self.assertIn("No such file", str(line["error"]))
        self.assertEqual("echo: refuse, seed 3", line["rule"])
        self.assertEqual(0, next(iter(self.injector.active)).acted)
        self.assertEqual([], self.published)


class ServedTests(SynchronousTestCase):
    """A whole daemon."""

    def test_fixture(self) -> None:
        """The fixture serves a port that refuses, and one that stalls."""
        for fault, error in (("refuse", ConnectionRefusedError), ("stall", TimeoutError)):
            server = serve(self, "echo", faults=[fault])
            with self.assertRaises(error):
                socket.create_connection((server.host, server.port), UNANSWERED)
