from __future__ import annotations

import select
import socket
import ssl
import struct
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from tests.support.loops import LoopTestCase, Recorder
from twistednet.services.echo import Echo
from twistednet.transport import polling
from twistednet.transport.endpoints import Endpoint
from twistednet.transport.listening import listenStream
from twistednet.transport.options import OPTIONS
from twistednet.transport.polling import READ, ReactorPoller

#: More than the kernel takes for a client that does not read.
MUCH = bytes(range(256)) * 65536


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    def __init__(self) -> None:
        super().__init__()
        self.ends: list[str] = []

    def readConnectionLost(self) -> None:
        self.ends.append("read")

    def writeConnectionLost(self) -> None:
        self.ends.append("write")


class Producer:
    """Keeps the calls that it gets; a test can replace a method."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


class StreamTests(LoopTestCase):
    """What holds for streams that our epoll watches."""

    def test_eager(self) -> None:
        """`write` sends what the kernel takes, without waiting for an event."""
        client, stream = self.connect(Recorder())
        events = stream.events
        stream.write(b"now")
        self.assertEqual(b"now", client.recv(100))
        self.assertEqual((events, 3, 0), (stream.events, stream.bytesOut, stream.queued))

    def test_bytesAlone(self) -> None:
        """A mutable buffer is refused, whether or not anything is queued."""
        _, stream = self.connect(Recorder())
        self.assertRaises(TypeError, stream.write, bytearray(b"x"))
        stream.write(MUCH)
        self.assertRaises(TypeError, stream.write, bytearray(b"x"))

    def test_queuedAsItIs(self) -> None:
        """Data that the kernel does not take is queued without a copy, before and after a flush."""
        client, stream = self.connect(Recorder())
        stream.write(MUCH)
        self.assertIs(MUCH, stream._tempDataBuffer[0].obj)
        self.readAll(client, len(MUCH) // 2)
        self.assertLess(stream.queued, len(MUCH) // 2)
        self.assertIs(MUCH, stream._tempDataBuffer[0].obj)

    def test_order(self) -> None:
        """Writes of all sizes reach a slow reader in order, to the byte, and are counted."""
        client, stream = self.connect(Recorder(), receiveBuffer=4096)
        sent = b"first" + MUCH + b"second" + b"".join(b"%d," % n for n in range(3000)) + MUCH
        stream.write(b"first")
        stream.write(MUCH)
        stream.writeSequence([b"sec", b"ond"])
        for n in range(3000):
            stream.write(b"%d," % n)
        stream.write(MUCH)
        self.assertGreater(stream.queued, len(MUCH))
        self.assertEqual(sent, self.readAll(client, len(sent)))
        self.assertEqual((len(sent), 0), (stream.bytesOut, stream.queued))

    def test_behind(self) -> None:
        """A write waits behind what is queued, even where the kernel would take it."""
        client, stream = self.connect(Recorder())
        stream.write(MUCH)
        begin = client.recv(1 << 20, socket.MSG_WAITALL)
        while not select.select([], [stream.socket], [], 0)[1]:
            begin += client.recv(1 << 16)
        stream.write(b"behind")
        self.assertEqual(MUCH + b"behind", begin + self.readAll(client, len(MUCH) + 6 - len(begin)))

    def test_noReader(self) -> None:
        """A peer that does not read stops being read, and is read again once it reads."""
        client, stream = self.connect(Echo())
        sent = self.fill(client, stream)
        self.assertFalse(stream.events & READ)
        self.assertLess(stream.queued, 300 * 1024)
        # Its protocol cannot change that.
        stream.resumeProducing()
        self.assertFalse(stream.events & READ)
        self.assertEqual(sent, len(self.readAll(client, sent)))
        self.assertTrue(stream.events & READ)

    def test_finFlushes(self) -> None:
        """Everything before the client's FIN is echoed, however slowly the client reads."""
        client, stream = self.connect(Echo(), receiveBuffer=4096)
        observer = stream.observer
        sent = self.fill(client, stream)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(sent, len(self.readAll(client)))
        self.assertEqual(["client FIN"], observer.causes)

    def test_finStopsProducer(self) -> None:
        """After the client's FIN the queue is sent, and a producer is stopped."""
        client, stream = self.connect(Recorder())
        producer = Producer()
        stream.registerProducer(producer, True)
        # Beyond 16 KiB the FIN would wait until all is sent.
        while not stream.queued:
            stream.write(bytes(1024))
        written = stream.bytesOut + stream.queued
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(written, len(self.readAll(client)))
        self.assertEqual(["stop"], producer.calls)

    def test_halfCloseRead(self) -> None:
        """A half-closeable protocol is notified of the FIN, once, and can go on writing."""
        protocol = HalfCloseable()
        client, stream = self.connect(protocol)
        client.shutdown(socket.SHUT_WR)
        self.loop.turn()
        stream.resumeProducing()
        self.assertFalse(self.loop.turn(0.01))
        self.assertEqual(["read"], protocol.ends)
        stream.write(b"after")
        self.assertEqual(b"after", client.recv(100))
        stream.loseConnection()
        self.loop.turn()
        self.assertEqual(b"", client.recv(100))
        self.assertTrue(stream.disconnected)

    def test_halfCloseWrite(self) -> None:
        """loseWriteConnection sends the queue, a FIN, and no more; the stream is still read."""
        protocol = HalfCloseable()
        client, stream = self.connect(protocol)
        stream.write(MUCH)
        stream.loseWriteConnection()
        self.assertEqual(MUCH, self.readAll(client))
        stream.write(b"late")
        self.assertEqual((len(MUCH), 0), (stream.bytesOut, stream.queued))
        client.send(b"still")
        self.loop.turn()
        self.assertEqual((["write"], b"still"), (protocol.ends, protocol.received))

    def test_loseConnection(self) -> None:
        """loseConnection sends the queue first."""
        client, stream = self.connect(Recorder())
        observer = stream.observer
        stream.write(MUCH)
        stream.loseConnection()
        self.assertEqual(MUCH, self.readAll(client))
        self.assertEqual(["service"], observer.causes)

    def test_abort(self) -> None:
        """After abortConnection nothing is sent; the peer gets RST, and the queue is freed."""
        client, stream = self.connect(Recorder())
        observer = stream.observer
        stream.abortConnection()
        stream.write(b"late")
        self.loop.advance(0)
        self.assertRaises(ConnectionResetError, client.recv, 100)
        self.assertEqual((["service"], 0, 0), (observer.causes, stream.bytesOut, stream.queued))

    def test_abortFreesQueue(self) -> None:
        """A connection that is lost frees its queue."""
        _, stream = self.connect(Recorder())
        stream.write(MUCH)
        stream.abortConnection()
        self.loop.advance(0)
        self.assertEqual((0, []), (stream.queued, stream._tempDataBuffer))

    def test_writeAfterLost(self) -> None:
        """A write to a connection that was lost does nothing."""
        client, stream = self.connect(Recorder())
        client.close()
        self.loop.turn()
        stream.write(b"late")
        stream.writeSequence([b"late"])
        self.assertEqual((True, 0), (stream.disconnected, stream.queued))

    def test_pushProducer(self) -> None:
        """A push producer is paused above 16 KiB queued, and resumed once all is sent."""
        client, stream = self.connect(Recorder())
        producer = Producer()
        stream.registerProducer(producer, True)
        while not stream.queued:
            stream.write(bytes(1024))
        self.assertEqual([], producer.calls)
        while not producer.calls:
            stream.write(bytes(1024))
        self.assertIn(stream.queued - 16 * 1024, range(1, 1025))
        self.readAll(client, stream.bytesOut + stream.queued)
        self.assertEqual(["pause", "resume"], producer.calls)

    def test_pullProducer(self) -> None:
        """A pull producer is called again each time that its last chunk was sent."""
        client, stream = self.connect(Recorder())

        class Pull(Producer):
            def resumeProducing(self) -> None:
                super().resumeProducing()
                stream.write(b"%d," % len(self.calls))
                if len(self.calls) == 4:
                    stream.unregisterProducer()
                    stream.loseConnection()

        stream.registerProducer(Pull(), False)
        self.assertEqual(b"1,2,3,4,", self.readAll(client))

    def test_loseInsidePause(self) -> None:
        """A producer that closes when it is paused closes after the data that it wrote."""
        client, stream = self.connect(Recorder())

        class Closing(Producer):
            def pauseProducing(self) -> None:
                stream.unregisterProducer()
                stream.loseConnection()

        stream.registerProducer(Closing(), True)
        stream.write(MUCH)
        self.assertEqual(MUCH, self.readAll(client))

    def test_abortInsidePause(self) -> None:
        """After a producer aborts when it is paused, nothing is watched."""
        _, stream = self.connect(Recorder())

        class Aborting(Producer):
            def pauseProducing(self) -> None:
                stream.abortConnection()

        stream.registerProducer(Aborting(), True)
        stream.write(MUCH)
        self.assertEqual(0, stream.events)
        self.loop.advance(0)
        self.assertTrue(stream.disconnected)

    def test_producerRaises(self) -> None:
        """A producer that raises ends its connection, and the observer gets the failure."""
        client, stream = self.connect(Recorder())
        observer = stream.observer

        class Raising(Producer):
            def resumeProducing(self) -> None:
                raise ValueError("mine")

        stream.registerProducer(Raising(), True)
        stream.write(MUCH)
        self.assertRaises(ConnectionResetError, self.readAll, client)
        self.assertEqual(["error"], observer.causes)
        observer.failures[0].trap(ValueError)

    def test_writeInConnectionMade(self) -> None:
        """Data that connectionMade writes before it closes is sent."""

        class Greeting(Recorder):
            def connectionMade(self) -> None:
                self.transport.write(MUCH)
                self.transport.loseConnection()

        client, _ = self.connect(Greeting())
        self.assertEqual(MUCH, self.readAll(client))

    def test_stopReadingInside(self) -> None:
        """dataReceived can pause reading: no data arrives until it is resumed."""

        class Once(Recorder):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                self.transport.pauseProducing()

        protocol = Once()
        client, stream = self.connect(protocol)
        client.send(b"one")
        self.loop.turn()
        client.send(b"two")
        self.assertFalse(self.loop.turn(0.01))
        stream.resumeProducing()
        self.loop.turn()
        self.assertEqual([b"one", b"two"], protocol.chunks)

    def test_raises(self) -> None:
        """A protocol that raises loses its connection, by RST; the observer gets the failure."""

        class Raising(Recorder):
            def dataReceived(self, data: bytes) -> None:
                raise ValueError("mine")

        client, stream = self.connect(Raising())
        observer = stream.observer
        client.send(b"x")
        self.loop.turn()
        self.assertRaises(ConnectionResetError, client.recv, 1)
        observer.failures[0].trap(ValueError)
        self.assertEqual(["error"], observer.causes)

    def test_raisesAtTheEnd(self) -> None:
        """An exception in connectionLost goes to the observer too, before the end."""

        class Raising(Recorder):
            def connectionLost(self, reason: Failure | None = None) -> None:
                raise ValueError("mine")

        client, stream = self.connect(Raising())
        observer = stream.observer
        client.close()
        self.loop.turn()
        self.assertEqual(["client FIN"], observer.causes)
        observer.failures[0].trap(ValueError)

    def test_raisesUnobserved(self) -> None:
        """Without an observer, an exception of a protocol is logged."""
        client, stream = self.connect(Recorder())
        stream.observer = None
        stream.protocol.dataReceived = None
        client.send(b"x")
        self.loop.turn()
        self.assertEqual(1, len(self.flushLoggedErrors(TypeError)))

    def test_causes(self) -> None:
        """The cause tells the client's FIN from its RST, found by a read or by a write."""
        observers = []
        for written in (b"", MUCH):
            client, stream = self.connect(Recorder())
            observers.append(stream.observer)
            stream.write(written)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            self.loop.drain()
        client, stream = self.connect(Recorder())
        observers.append(stream.observer)
        client.close()
        self.loop.drain()
        self.assertEqual(
            [["client RST"], ["client RST"], ["client FIN"]], [one.causes for one in observers]
        )

    def test_resetFoundByWrite(self) -> None:
        """A RST that a write finds first stays a RST: the kernel reports it only once, and the
        next read finds the end of the data."""
        protocol = HalfCloseable()
        client, stream = self.connect(protocol)
        observer = stream.observer
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        stream.write(b"greeting")
        self.loop.drain()
        self.assertEqual([], protocol.ends)
        self.assertEqual(["client RST"], observer.causes)

    def test_firstCauseCounts(self) -> None:
        """The cause is the argument of the first `setCloseReason`."""
        _, stream = self.connect(Recorder())
        observer = stream.observer
        stream.setCloseReason("idle")
        stream.setCloseReason("shutdown")
        stream.abortConnection()
        self.loop.advance(0)
        self.assertEqual(["idle"], observer.causes)

    def test_options(self) -> None:
        """Small messages are not delayed, probes begin after a minute of silence, and little
        waits in the kernel for a peer that does not read."""
        _, stream = self.connect(Recorder())
        self.assertTrue(stream.getTcpNoDelay())
        self.assertTrue(stream.getTcpKeepAlive())
        self.assertEqual(60, stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))
        unsent = stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
        self.assertEqual(128 * 1024, unsent)

    def test_notReadyAfterAll(self) -> None:
        """A stream that is called, and cannot read or write, goes on waiting."""
        _, stream = self.connect(Recorder())
        self.assertIsNone(stream.doRead())
        stream.write(b"x" * 64 * 1024 * 1024)
        while (before := stream.queued) and stream.doWrite() is None:
            if stream.queued == before:
                break
        self.assertGreater(stream.queued, 0)
        self.assertIsNone(stream.doWrite())
        self.assertTrue(stream.connected)

    def test_logContext(self) -> None:
        """A line that is logged while a protocol is called names it."""
        from twisted.python.context import get
        from twisted.python.log import ILogContext

        systems = []

        class Noting(Recorder):
            def dataReceived(self, data: bytes) -> None:
                systems.append(get(ILogContext)["system"])

        before = get(ILogContext)["system"]
        client, _ = self.connect(Noting())
        client.send(b"x")
        self.loop.turn()
        self.assertEqual(["Noting,0,127.0.0.1"], systems)
        self.assertEqual(before, get(ILogContext)["system"])

    def test_startTLS(self) -> None:
        """After startTLS only TLS is sent, also by an eager write."""
        import trustme
        from OpenSSL import crypto
        from twisted.internet.ssl import CertificateOptions
        from twisted.protocols import tls

        issued = trustme.CA().issue_cert("localhost")
        options = CertificateOptions(
            privateKey=crypto.load_privatekey(crypto.FILETYPE_PEM, issued.private_key_pem.bytes()),
            certificate=crypto.load_certificate(
                crypto.FILETYPE_PEM, issued.cert_chain_pems[0].bytes()
            ),
        )
        client, stream = self.connect(Echo())
        observer = stream.observer
        stream.write(b"go")
        self.assertEqual(b"go", client.recv(100))
        # Twisted's TLS gathers small writes for a turn of its clock.
        self.patch(tls, "_get_default_clock", lambda: self.loop)
        stream.startTLS(options)
        stream.write(b"secret")
        insecure = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        insecure.check_hostname = False
        insecure.verify_mode = ssl.CERT_NONE
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        channel = insecure.wrap_bio(incoming, outgoing)
        raw = bytearray()

        def ask(do: Any) -> Any:
            while not stream.disconnected:
                try:
                    result = do()
                except ssl.SSLWantReadError:
                    result = None
                client.sendall(outgoing.read())
                if result is not None:
                    return result
                self.loop.turn(0.1)
                client.settimeout(0.05)
                try:
                    data = client.recv(65536)
                except TimeoutError:
                    continue
                raw.extend(data)
                incoming.write(data)
            raise AssertionError(observer.causes, observer.failures)

        ask(lambda: channel.do_handshake() or True)
        self.assertEqual(b"secret", ask(lambda: channel.read(100)))
        ask(lambda: channel.write(b"private"))
        self.assertEqual(b"private", ask(lambda: channel.read(100)))
        self.assertNotIn(b"secret", raw)
        self.assertNotIn(b"private", raw)

    def test_nothingLeft(self) -> None:
        """After the last stream has ended, the reactor watches nothing of ours."""
        client, _ = self.connect(Recorder())
        self.assertTrue(self.loop.readers)
        client.close()
        self.loop.turn()
        self.assertEqual(set(), self.loop.readers | self.loop.writers)


class WithoutEpollTests(StreamTests):
    """The same where the reactor watches each stream."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(polling, "pollerOf", lambda reactor: ReactorPoller())


class ListeningTests(TestCase):
    """What connections inherit from their listening socket."""

    def test_options(self) -> None:
        """It has the options, so that they need not be set on each connection."""
        from twisted.internet import reactor

        port = listenStream(reactor, Endpoint.parse("tcp:0:interface=127.0.0.1"), Factory())
        self.addCleanup(port.stopListening)
        for level, name, value in OPTIONS:
            self.assertEqual(value, port.socket.getsockopt(level, name))
