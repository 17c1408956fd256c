"""TLS on a stream: half-close, as the protocol and the client see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory
from twisted.protocols import tls
from zope.interface import implementer

from tests.support.loops import LoopTestCase, Recorder
from tests.support.processes import temporaryFolder
from tests.support.tlsclient import VERSIONS, clientContext
from tests.system.test_exact import certificates
from twistednet.services.echo import Echo
from twistednet.transport.certificates import CertificateFactory
from twistednet.transport.tls import isClosing, plaintextOf, useHalfClosingTLS

_Result = TypeVar("_Result")


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    """Records the calls, and answers and closes when the test says so."""

    transport: Any

    def __init__(self) -> None:
        super().__init__()
        self.halves: list[str] = []

    def readConnectionLost(self) -> None:
        self.halves.append("read")

    def writeConnectionLost(self) -> None:
        self.halves.append("write")


class Producing(Recorder):
    """Is its own push producer."""

    transport: Any
    isStopped = False

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)

    def pauseProducing(self) -> None:
        """Write on all the same."""

    def resumeProducing(self) -> None:
        """Do nothing."""

    def stopProducing(self) -> None:
        self.isStopped = True


class HalfCloseTests(LoopTestCase):
    """What the end of one direction is to the other."""

    def setUp(self) -> None:
        super().setUp()
        folder = temporaryFolder(self)
        self.authority = certificates(folder)
        self.factory = Factory()
        # Twisted's TLS gathers small writes for a turn of its clock.
        self.patch(tls, "_get_default_clock", lambda: self.loop)
        self.secure = CertificateFactory(self.factory, f"{folder}/key.pem", f"{folder}/cert.pem")
        useHalfClosingTLS(self.secure)

    def connectTLS(self, protocol: Any, version: str) -> tuple[Any, SSL.Connection, Any]:
        """Return the client's socket, its TLS after the handshake, and the stream."""
        self.factory.buildProtocol = lambda addr: protocol  # type: ignore[method-assign]
        raw, stream = self.connect(self.secure.buildProtocol(None))
        raw.setblocking(False)
        # The stream drops it in the end.
        self.observer = stream.observer
        client = SSL.Connection(clientContext(self.authority, version), raw)
        client.set_connect_state()
        self.turns(client.do_handshake)
        return raw, client, stream

    def turns(self, do: Callable[[], _Result]) -> _Result:
        """Do what waits for the server, while the loop turns."""
        for _ in range(1000):
            try:
                return do()
            except (SSL.WantReadError, SSL.WantWriteError):
                self.loop.turn(0.01)
        raise AssertionError("it never happened")

    def read(self, client: SSL.Connection) -> bytes:
        """Return what the client gets up to a close_notify."""
        data = b""
        while True:
            try:
                data += self.turns(lambda: client.recv(65536))
            except SSL.ZeroReturnError:
                return data

    def test_answers(self) -> None:
        """After the client's close_notify a protocol that half-closes answers, now and later."""
        for version in VERSIONS:
            protocol = HalfCloseable()
            _, client, stream = self.connectTLS(protocol, version)
            client.send(b"last")
            client.shutdown()
            self.until(lambda protocol=protocol: protocol.halves)
            self.assertEqual((b"last", ["read"]), (protocol.received, protocol.halves))
            protocol.transport.write(b"now")
            self.loop.drain()
            protocol.transport.writeSequence([b", la", b"ter"])
            self.loop.drain()
            self.assertFalse(stream.disconnecting)
            protocol.transport.loseConnection()
            self.assertEqual(b"now, later", self.read(client))
            self.until(lambda stream=stream: stream.disconnected)
            self.assertEqual(["client FIN"], self.observer.causes)
            assert protocol.lost is not None
            self.assertIs(ConnectionDone, protocol.lost.type)
            self.assertEqual(["read"], protocol.halves)

    def test_plain(self) -> None:
        """One that does not half-close is closed once everything that it wrote is sent."""
        sent = bytes(range(256)) * 400
        for version in VERSIONS:
            _, client, stream = self.connectTLS(Echo(), version)
            client.sendall(sent)
            client.shutdown()
            self.assertEqual(sent, self.read(client))
            self.until(lambda stream=stream: stream.disconnected)

    def test_producer(self) -> None:
        """Its producer is stopped, as a stream stops it."""
        for version in VERSIONS:
            protocol = Producing()
            _, client, stream = self.connectTLS(protocol, version)
            protocol.transport.write(b"x" * 100)
            client.shutdown()
            self.assertEqual(b"x" * 100, self.read(client))
            self.assertTrue(protocol.isStopped)
            self.until(lambda stream=stream: stream.disconnected)

    def test_bareFIN(self) -> None:
        """A bare FIN ends the input too; in the end the protocol gets ConnectionLost."""
        for version in VERSIONS:
            protocol = HalfCloseable()
            raw, client, stream = self.connectTLS(protocol, version)
            raw.shutdown(1)
            self.until(lambda protocol=protocol: protocol.halves)
            protocol.transport.write(b"answer")
            protocol.transport.loseConnection()
            self.assertEqual(b"answer", self.read(client))
            self.until(lambda stream=stream: stream.disconnected)
            assert protocol.lost is not None
            self.assertIs(ConnectionLost, protocol.lost.type)

    def test_ours(self) -> None:
        """loseWriteConnection sends the queue and close_notify; the client is read on."""
        for version in VERSIONS:
            protocol = HalfCloseable()
            _, client, stream = self.connectTLS(protocol, version)
            outer = plaintextOf(stream)
            protocol.transport.write(b"all")
            protocol.transport.loseWriteConnection()
            protocol.transport.write(b"dropped")
            self.assertEqual(b"all", self.read(client))
            self.assertEqual((["write"], False), (protocol.halves, isClosing(outer)))
            client.send(b"still")
            self.until(lambda protocol=protocol: protocol.received == b"still")
            client.shutdown()
            self.until(lambda protocol=protocol: "read" in protocol.halves)
            self.loop.drain()
            self.assertFalse(stream.disconnecting)
            protocol.transport.loseConnection()
            self.until(lambda stream=stream: stream.disconnected)

    def test_waits(self) -> None:
        """loseConnection waits for the client's close_notify, and `isClosing` says so."""
        for version in VERSIONS:
            protocol = HalfCloseable()
            _, client, stream = self.connectTLS(protocol, version)
            protocol.transport.loseWriteConnection()
            self.until(lambda protocol=protocol: protocol.halves)
            protocol.transport.loseConnection()
            self.assertEqual(b"", self.read(client))
            self.loop.drain()
            self.assertFalse(stream.disconnected)
            self.assertTrue(isClosing(plaintextOf(stream)))
            client.shutdown()
            self.until(lambda stream=stream: stream.disconnected)
            # It has closed, so nothing is to be done about the client's end.
            self.assertEqual(["write"], protocol.halves)
