from __future__ import annotations

import select
import socket
import ssl
import struct
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory
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
    """Notes what it is asked for, and does it if it was told how."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pauseProducing(self) -> None:
        self.asked.append("pause")

    def resumeProducing(self) -> None:
        self.asked.append("resume")

    def stopProducing(self) -> None:
        self.asked.append("stop")


class StreamTests(LoopTestCase):
    """The contract, on an epoll of our own."""

    def test_eager(self) -> None:
        """What the kernel takes is sent within write, without waiting for an event."""
        client, stream = self.connect(Recorder())
        events = stream.events
        stream.write(b"now")
        self.assertEqual(b"now", client.recv(100))
        self.assertEqual((events, 3, 0), (stream.events, stream.bytesOut, stream.queued))

    def test_bytesAlone(self) -> None:
        """A buffer that its owner could alter is refused whether or not anything is queued."""
        _, stream = self.connect(Recorder())
        self.assertRaises(TypeError, stream.write, bytearray(b"x"))
        stream.write(MUCH)
        self.assertRaises(TypeError, stream.write, bytearray(b"x"))

    def test_queuedAsItIs(self) -> None:
        """What the kernel does not take is kept without a copy, before and after a flush."""
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
        # Nor does its protocol's wish change that.
        stream.resumeProducing()
        self.assertFalse(stream.events & READ)
        self.assertEqual(sent, len(self.readAll(client, sent)))
        self.assertTrue(stream.events & READ)

    def test_finFlushes(self) -> None:
        """All that came before the client's FIN is echoed, however slowly it reads."""
        client, stream = self.connect(Echo(), receiveBuffer=4096)
        told = stream.observer
        sent = self.fill(client, stream)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(sent, len(self.readAll(client)))
        self.assertEqual(["client FIN"], told.causes)

    def test_finStopsProducer(self) -> None:
        """After the client's FIN what is queued is sent, and a producer is not asked for more."""
        client, stream = self.connect(Recorder())
        producer = Producer()
        stream.registerProducer(producer, True)
        # Beyond 16 KiB the FIN would wait until all is sent.
        while not stream.queued:
            stream.write(bytes(1024))
        written = stream.bytesOut + stream.queued
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(written, len(self.readAll(client)))
        self.assertEqual(["stop"], producer.asked)

    def test_halfCloseRead(self) -> None:
        """A half-closeable protocol hears of the FIN, once, and goes on writing."""
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
        """loseWriteConnection sends what is queued, then FIN, then nothing; we go on reading."""
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
        """What is queued is sent before the connection is closed."""
        client, stream = self.connect(Recorder())
        told = stream.observer
        stream.write(MUCH)
        stream.loseConnection()
        self.assertEqual(MUCH, self.readAll(client))
        self.assertEqual(["service"], told.causes)

    def test_abort(self) -> None:
        """After abortConnection nothing is sent; the peer gets RST, and the queue is freed."""
        client, stream = self.connect(Recorder())
        told = stream.observer
        stream.abortConnection()
        stream.write(b"late")
        self.loop.advance(0)
        self.assertRaises(ConnectionResetError, client.recv, 100)
        self.assertEqual((["service"], 0, 0), (told.causes, stream.bytesOut, stream.queued))

    def test_abortFreesQueue(self) -> None:
        """A connection that is lost holds nothing of what was queued."""
        _, stream = self.connect(Recorder())
        stream.write(MUCH)
        stream.abortConnection()
        self.loop.advance(0)
        self.assertEqual((0, []), (stream.queued, stream._tempDataBuffer))

    def test_writeAfterLost(self) -> None:
        """To write to a connection that was lost does nothing."""
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
        self.assertEqual([], producer.asked)
        while not producer.asked:
            stream.write(bytes(1024))
        self.assertIn(stream.queued - 16 * 1024, range(1, 1025))
        self.readAll(client, stream.bytesOut + stream.queued)
        self.assertEqual(["pause", "resume"], producer.asked)

    def test_pullProducer(self) -> None:
        """A pull producer is asked again each time that its last piece was sent."""
        client, stream = self.connect(Recorder())

        class Pull(Producer):
            def resumeProducing(self) -> None:
                super().resumeProducing()
                stream.write(b"%d," % len(self.asked))
                if len(self.asked) == 4:
                    stream.unregisterProducer()
                    stream.loseConnection()

        stream.registerProducer(Pull(), False)
        self.assertEqual(b"1,2,3,4,", self.readAll(client))

    def test_loseInsidePause(self) -> None:
        """A producer that closes when it is paused closes after what was written."""
        client, stream = self.connect(Recorder())

        class Closing(Producer):
            def pauseProducing(self) -> None:
                stream.unregisterProducer()
                stream.loseConnection()

        stream.registerProducer(Closing(), True)
        stream.write(MUCH)
        self.assertEqual(MUCH, self.readAll(client))

    def test_abortInsidePause(self) -> None:
        """A producer that aborts when it is paused leaves nothing behind that is watched."""
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
        """A producer that raises ends its connection, and the observer is told."""
        client, stream = self.connect(Recorder())
        told = stream.observer

        class Raising(Producer):
            def resumeProducing(self) -> None:
                raise ValueError("mine")

        stream.registerProducer(Raising(), True)
        stream.write(MUCH)
        self.assertRaises(ConnectionResetError, self.readAll, client)
        self.assertEqual(["error"], told.causes)
        told.failures[0].trap(ValueError)

    def test_writeInConnectionMade(self) -> None:
        """What connectionMade writes and closes after is sent."""

        class Greeting(Recorder):
            def connectionMade(self) -> None:
                self.transport.write(MUCH)
                self.transport.loseConnection()

        client, _ = self.connect(Greeting())
        self.assertEqual(MUCH, self.readAll(client))

    def test_stopReadingInside(self) -> None:
        """dataReceived may stop reading: nothing more comes until it is started again."""

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
        """A protocol that raises loses its connection, by RST; the observer is told why."""

        class Raising(Recorder):
            def dataReceived(self, data: bytes) -> None:
                raise ValueError("mine")

        client, stream = self.connect(Raising())
        told = stream.observer
        client.send(b"x")
        self.loop.turn()
        self.assertRaises(ConnectionResetError, client.recv, 1)
        told.failures[0].trap(ValueError)
        self.assertEqual(["error"], told.causes)

    def test_raisesUnobserved(self) -> None:
        """Where nobody observes, what a protocol raises is logged."""
        client, stream = self.connect(Recorder())
        stream.observer = None
        stream.protocol.dataReceived = None
        client.send(b"x")
        self.loop.turn()
        self.assertEqual(1, len(self.flushLoggedErrors(TypeError)))

    def test_causes(self) -> None:
        """The client's FIN, its RST, met in reading or in writing, are told apart."""
        told = []
        for written in (b"", MUCH):
            client, stream = self.connect(Recorder())
            told.append(stream.observer)
            stream.write(written)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            self.loop.drain()
        client, stream = self.connect(Recorder())
        told.append(stream.observer)
        client.close()
        self.loop.drain()
        self.assertEqual(
            [["client RST"], ["client RST"], ["client FIN"]], [one.causes for one in told]
        )

    def test_firstCauseCounts(self) -> None:
        """What `setCloseReason` was told first is the cause."""
        _, stream = self.connect(Recorder())
        told = stream.observer
        stream.setCloseReason("idle")
        stream.setCloseReason("shutdown")
        stream.abortConnection()
        self.loop.advance(0)
        self.assertEqual(["idle"], told.causes)

    def test_options(self) -> None:
        """Small messages are not delayed, silence is asked about after a minute, and little
        waits in the kernel for a peer that does not read."""
        _, stream = self.connect(Recorder())
        self.assertTrue(stream.getTcpNoDelay())
        self.assertTrue(stream.getTcpKeepAlive())
        self.assertEqual(60, stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))
        unsent = stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
        self.assertEqual(128 * 1024, unsent)

    def test_notReadyAfterAll(self) -> None:
        """A stream that is told to read or write, and cannot, goes on waiting."""
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
        """What is logged while a protocol is called names it."""
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
        """After startTLS nothing is sent but TLS, also by an eager write, and it is served."""
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
        told = stream.observer
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
            raise AssertionError(told.causes, told.failures)

        ask(lambda: channel.do_handshake() or True)
        self.assertEqual(b"secret", ask(lambda: channel.read(100)))
        ask(lambda: channel.write(b"private"))
        self.assertEqual(b"private", ask(lambda: channel.read(100)))
        self.assertNotIn(b"secret", raw)
        self.assertNotIn(b"private", raw)

    def test_nothingLeft(self) -> None:
        """When the last stream is gone, the reactor has nothing of ours left to watch."""
        client, _ = self.connect(Recorder())
        self.assertTrue(self.loop.readers)
        client.close()
        self.loop.turn()
        self.assertEqual(set(), self.loop.readers | self.loop.writers)


class WithoutEpollTests(StreamTests):
    """The same contract where the reactor watches each stream."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(polling, "pollerOf", lambda reactor: ReactorPoller())


class ListeningTests(TestCase):
    """What connections have from their listening socket."""

    def test_options(self) -> None:
        """It has their options, so that none need be set on each connection."""
        from twisted.internet import reactor

        port = listenStream(reactor, Endpoint.parse("tcp:0:interface=127.0.0.1"), Factory())
        self.addCleanup(port.stopListening)
        for level, name, value in OPTIONS:
            self.assertEqual(value, port.socket.getsockopt(level, name))
