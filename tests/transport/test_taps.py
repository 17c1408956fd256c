"""The taps of streams, with and without TLS: which bytes they get, and when."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols import tls
from zope.interface import implementer

from tests.support.loops import LoopTestCase
from tests.support.processes import temporaryFolder
from tests.system.test_exact import certificates
from twistednet.services.echo import Echo
from twistednet.transport.certificates import CertificateFactory
from twistednet.transport.tls import plaintextOf, useHalfClosingTLS

Calls = list[tuple[str, bytes, str]]


class Tap:
    """A tap that keeps its calls."""

    inside = "connectionMade"
    isMoreWanted = True

    def __init__(self) -> None:
        self.calls: Calls = []

    def received(self, data: bytes, callback: str) -> bool:
        self.inside = callback
        self.calls.append(("in", data, callback))
        return self.isMoreWanted

    def sent(self, data: bytes) -> bool:
        self.calls.append(("out", data, self.inside))
        return self.isMoreWanted

    def paused(self, size: int) -> None:
        self.calls.append(("pause", b"", str(size)))

    def take(self) -> Calls:
        """Return the calls since the last call of this."""
        calls, self.calls = self.calls, []
        return calls


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Protocol):
    """Writes inside of each callback that can."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.write(b"made")

    def dataReceived(self, data: bytes) -> None:
        self.transport.writeSequence([b"a", b"b"])

    def readConnectionLost(self) -> None:
        self.transport.write(b"over")

    def writeConnectionLost(self) -> None:
        """Do nothing."""


class StreamTests(LoopTestCase):
    """The tap of a stream."""

    def tapped(self, protocol: Any) -> tuple[socket.socket, Any, Tap]:
        client, stream = self.connect(protocol)
        tap = stream.tap = Tap()
        tap.inside = "later"
        return client, stream, tap

    def test_chunks(self) -> None:
        """The tap gets data before the callback, and what the callback writes inside of it."""
        client, _, tap = self.tapped(Echo())
        client.sendall(b"hello")
        self.loop.turn()
        self.assertEqual(
            [("in", b"hello", "dataReceived"), ("out", b"hello", "dataReceived")], tap.take()
        )

    def test_enough(self) -> None:
        """A tap that wants no more gets no more, whichever call it answered so."""
        client, stream, tap = self.tapped(Echo())
        tap.isMoreWanted = False
        client.sendall(b"hello")
        self.loop.turn()
        self.assertEqual(([("in", b"hello", "dataReceived")], None), (tap.take(), stream.tap))
        stream.tap = tap
        stream.write(b"x")
        stream.write(b"y")
        self.assertEqual(([("out", b"x", "dataReceived")], None), (tap.take(), stream.tap))

    def test_later(self) -> None:
        """Data that is written outside of a callback is marked LATER, also after a callback."""
        client, stream, tap = self.tapped(HalfCloseable())
        for _ in range(2):
            stream.write(b"x")
            self.assertEqual([("out", b"x", "later")], tap.take())
            client.sendall(b"?")
            self.loop.turn()
            self.assertEqual(("out", b"ab", "dataReceived"), tap.take()[-1])
        client.shutdown(socket.SHUT_WR)
        self.loop.turn()
        self.assertEqual(
            [("in", b"", "readConnectionLost"), ("out", b"over", "readConnectionLost")],
            tap.take(),
        )
        stream.write(b"x")
        self.assertEqual([("out", b"x", "later")], tap.take())

    def test_raises(self) -> None:
        """Data after a callback that raised is not marked as written inside of it."""

        class Raising(Protocol):
            def dataReceived(self, data: bytes) -> None:
                raise ValueError

        client, stream, tap = self.tapped(Raising())
        observer = stream.observer
        client.sendall(b"x")
        self.loop.turn()
        self.assertEqual(1, len(observer.failures))
        self.assertEqual("later", tap.inside)

    def test_nowhere(self) -> None:
        """The tap gets nothing that is written after the end, and no empty data."""
        _, stream, tap = self.tapped(Protocol())
        stream.write(b"")
        stream.loseWriteConnection()
        self.loop.turn()
        stream.write(b"x")
        self.assertEqual([], tap.take())
        _, stream, tap = self.tapped(Protocol())
        stream.abortConnection()
        stream.write(b"x")
        self.assertEqual([], tap.take())

    def test_queued(self) -> None:
        """The tap gets data that is queued when it is written, and once."""
        _, stream, tap = self.tapped(Protocol())
        much = bytes(16 << 20)
        stream.write(much)
        self.assertGreater(stream.queued, 0)
        stream.write(b"behind")
        self.assertEqual([("out", much, "later"), ("out", b"behind", "later")], tap.take())

    def test_callbackOfFin(self) -> None:
        """The FIN is marked with the callback that it causes."""
        for protocol, callback in (
            (Protocol(), "connectionLost"),
            (HalfCloseable(), "readConnectionLost"),
        ):
            client, _, tap = self.tapped(protocol)
            client.shutdown(socket.SHUT_WR)
            self.loop.turn()
            self.assertEqual(("in", b"", callback), tap.take()[0])


class TLSTests(LoopTestCase):
    """The tap of TLS, which gets plain text."""

    def setUp(self) -> None:
        super().setUp()
        folder = temporaryFolder(self)
        authority = certificates(folder)
        self.factory = Factory()
        # Twisted's TLS gathers small writes for a turn of its clock.
        self.patch(tls, "_get_default_clock", lambda: self.loop)
        self.secure = CertificateFactory(self.factory, f"{folder}/key.pem", f"{folder}/cert.pem")
        useHalfClosingTLS(self.secure)
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)

    def tapped(self, protocol: Any) -> tuple[Any, Any, Tap]:
        """Return a client after the handshake, its stream and the tap."""
        self.factory.buildProtocol = lambda addr: protocol  # type: ignore[method-assign]
        outer = self.secure.buildProtocol(None)
        tap = Tap()
        # As the daemon does: before the protocol has its transport.
        outer.tap = tap
        raw, stream = self.connect(outer)
        self.assertIs(outer, plaintextOf(stream))
        client = self.context.wrap_socket(
            raw, server_hostname="localhost", do_handshake_on_connect=False
        )
        self.addCleanup(client.close)
        self.turns(client, client.do_handshake)
        tap.inside = "later"
        return client, stream, tap

    def turns(self, client: Any, do: Any) -> Any:
        """Do what waits for the server in a thread, while the loop turns."""
        client.settimeout(0)
        for _ in range(1000):
            try:
                return do()
            except (ssl.SSLWantReadError, BlockingIOError):
                self.loop.turn(0.01)
        raise AssertionError("it never happened")

    def read(self, client: Any, size: int) -> bytes:
        data: bytes = self.turns(client, lambda: client.recv(size))
        return data

    def test_plain(self) -> None:
        """The tap gets plain text both ways, by write and writeSequence, in callbacks and later."""
        client, _, tap = self.tapped(HalfCloseable())
        self.assertEqual(b"made", self.read(client, 4))
        client.sendall(b"hello")
        self.assertEqual(b"ab", self.read(client, 2))
        self.assertEqual(
            [
                ("out", b"made", "connectionMade"),
                ("in", b"hello", "dataReceived"),
                ("out", b"ab", "dataReceived"),
            ],
            tap.take(),
        )
        self.assertEqual("later", tap.inside)

    def test_off(self) -> None:
        """A tap that is removed gets nothing, and the service goes on."""
        client, stream, tap = self.tapped(Echo())
        plaintextOf(stream).tap = None
        client.sendall(b"hello")
        self.assertEqual(b"hello", self.read(client, 100))
        self.assertEqual([], tap.take())
        plaintextOf(stream).tap = tap
        client.sendall(b"again")
        self.assertEqual(b"again", self.read(client, 100))
        self.assertEqual(2, len(tap.take()))

    def test_enough(self) -> None:
        """A tap that wants no more gets no more, whichever call it answered so."""
        client, stream, tap = self.tapped(Echo())
        tap.isMoreWanted = False
        client.sendall(b"hello")
        self.assertEqual(b"hello", self.read(client, 100))
        self.assertEqual([("in", b"hello", "dataReceived")], tap.take())
        plaintextOf(stream).tap = tap
        for data in (b"x", b"y"):
            plaintextOf(stream).write(data)
        self.assertEqual(([("out", b"x", "later")], None), (tap.take(), plaintextOf(stream).tap))

    def test_fin(self) -> None:
        """The tap gets a bare FIN, and nothing that is written after the end."""
        client, stream, tap = self.tapped(Echo())
        outer = plaintextOf(stream)
        client.shutdown(socket.SHUT_WR)
        while not stream.disconnected:
            self.loop.turn(0.1)
        self.assertEqual([("in", b"", "connectionLost")], tap.take())
        outer.write(b"x")
        outer.writeSequence([b"x"])
        self.assertEqual([], tap.take())

    def test_dropped(self) -> None:
        """The tap gets nothing that TLS drops because it closes."""
        _, stream, tap = self.tapped(Echo())
        outer = plaintextOf(stream)
        outer.write(b"")
        outer.loseConnection()
        outer.write(b"x")
        self.assertEqual([], tap.take())

    def test_goodbye(self) -> None:
        """The tap gets the client's close_notify, as it gets a FIN, and what is written then."""
        for protocol, callback in (
            (Echo(), "connectionLost"),
            (HalfCloseable(), "readConnectionLost"),
        ):
            client, stream, tap = self.tapped(protocol)
            tap.take()
            client.settimeout(0)
            with contextlib.suppress(ssl.SSLWantReadError):
                client.unwrap()
            written = [("out", b"over", callback)] if callback == "readConnectionLost" else []
            self.until(lambda tap=tap: tap.calls)
            self.assertEqual([("in", b"", callback), *written], tap.take())
            # The FIN that follows is the same end.
            client.close()
            plaintextOf(stream).loseConnection()
            self.until(lambda stream=stream: stream.disconnected)
            self.assertEqual([], tap.take())
