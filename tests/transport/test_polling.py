from __future__ import annotations

import contextlib
import errno
import select
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.main import CONNECTION_LOST
from twisted.internet.task import Clock
from twisted.python.context import get
from twisted.python.failure import Failure
from twisted.python.log import ILogContext
from twisted.trial.unittest import SynchronousTestCase

from tests.support.loops import Loop, LoopTestCase, Recorder
from twistednet.transport import polling
from twistednet.transport.polling import (
    MAX_BATCH,
    MAX_BATCH_BYTES,
    MAX_READ_BYTES,
    MIN_READ_BYTES,
    EpollPoller,
    ReactorPoller,
    pollerOf,
)
from twistednet.transport.streams import TCPStream

_ROOM = bytes(4 << 20)


class BatchTests(LoopTestCase):
    def test_oneReader(self) -> None:
        """The reactor has one reader for all streams."""
        for _ in range(3):
            self.connect(Recorder())
        self.assertEqual(1, len(self.loop.readers))

    def test_bounded(self) -> None:
        """A batch is bounded, and the streams that had to wait are served in the next one."""
        protocols = [Recorder() for _ in range(MAX_BATCH + 20)]
        for client, _ in [self.connect(protocol) for protocol in protocols]:
            client.send(b"x")
        self.loop.turn()
        self.assertEqual(MAX_BATCH, sum(len(protocol.chunks) for protocol in protocols))
        self.loop.turn()
        self.assertEqual({b"x"}, {protocol.received for protocol in protocols})

    def test_starvesNobody(self) -> None:
        """Connections with endless data do not keep a small message waiting."""
        endless = [self.connect(Recorder()) for _ in range(MAX_BATCH + 5)]
        for client, _ in endless:
            client.setblocking(False)
            client.send(_ROOM)
        small = Recorder()
        client, _ = self.connect(small)
        client.send(b"x")
        self.loop.turn()
        self.loop.turn()
        self.assertEqual(b"x", small.received)

    def test_budget(self) -> None:
        """Busy streams share the bytes of a batch, however large their reads had grown."""
        busy = [self.connect(Recorder()) for _ in range(40)]
        for client, stream in busy:
            stream._readSize = MAX_READ_BYTES
            client.setblocking(False)
            client.send(_ROOM)
        before = sum(stream.bytesIn for _, stream in busy)
        self.loop.turn()
        read = sum(stream.bytesIn for _, stream in busy) - before
        self.assertLessEqual(read, MAX_BATCH_BYTES)
        self.assertGreater(read, MAX_BATCH_BYTES // 2)

    def test_grows(self) -> None:
        """Reads of a peer that sends much grow; a small message shrinks them."""
        protocol = Recorder()
        client, stream = self.connect(protocol)
        client.setblocking(False)
        for _ in range(8):
            with contextlib.suppress(BlockingIOError):
                client.send(_ROOM)
            self.loop.turn()
        sizes = [len(chunk) for chunk in protocol.chunks]
        self.assertEqual([MIN_READ_BYTES, 2 * MIN_READ_BYTES, 4 * MIN_READ_BYTES], sizes[:3])
        self.assertEqual(MAX_READ_BYTES, max(sizes))
        self.loop.drain()
        grown = stream._readSize
        client.send(b"x")
        self.loop.turn()
        self.assertEqual(max(grown // 2, MIN_READ_BYTES), stream._readSize)
        for _ in range(5):
            client.send(b"x")
            self.loop.turn()
        self.assertEqual(MIN_READ_BYTES, stream._readSize)

    def test_manyNonReaders(self) -> None:
        """The more peers do not read, the smaller are the reads."""
        for _ in range(40):
            # More than the kernel takes for a peer that does not read.
            self.connect(Recorder())[1].write(bytes(16 << 20))
        protocol = Recorder()
        client, stream = self.connect(protocol)
        stream._readSize = MAX_READ_BYTES
        client.setblocking(False)
        client.send(_ROOM)
        self.loop.turn()
        self.assertEqual(MAX_BATCH_BYTES // 40, len(protocol.chunks[0]))

    def test_nonReadersGone(self) -> None:
        """Peers that are gone, or that have read everything, no longer count."""
        streams = []
        for _ in range(40):
            client, stream = self.connect(Recorder())
            stream.write(bytes(8 << 20))
            streams.append((client, stream))
        for client, stream in streams[:20]:
            self.readAll(client, 8 << 20)
            self.assertEqual(0, stream.queued)
        for _, stream in streams[20:]:
            stream.abortConnection()
        self.loop.drain()
        client, _ = self.connect(Recorder())
        client.send(b"x")
        self.loop.turn()
        self.assertEqual(MAX_READ_BYTES, pollerOf(self.loop).share)

    def test_pausedByAnother(self) -> None:
        """A stream that another stream of its batch has paused is not read in that batch."""
        protocols = [Recorder(), Recorder()]
        connections = [self.connect(protocol) for protocol in protocols]

        def pauseAll(data: bytes) -> None:
            reads.append(data)
            for _, stream in connections:
                stream.pauseProducing()

        reads: list[bytes] = []
        for protocol in protocols:
            protocol.dataReceived = pauseAll  # type: ignore[method-assign]
        for client, _ in connections:
            client.send(b"x")
        self.loop.turn()
        self.assertEqual([b"x"], reads)

    def test_pausedByAnotherWhileQueued(self) -> None:
        """The same holds for a stream that waits to write."""
        reads: list[bytes] = []
        connections = [self.connect(Recorder()) for _ in range(2)]

        def pauseAll(data: bytes) -> None:
            reads.append(data)
            for _, stream in connections:
                stream.pauseProducing()

        for client, stream in connections:
            stream.protocol.dataReceived = pauseAll
            while not stream.queued:
                stream.write(bytes(1024))
            client.send(b"x")
        self.loop.turn()
        self.assertEqual([b"x"], reads)

    def test_contextIsRestored(self) -> None:
        """A line that is logged after a batch does not name the last stream of it."""
        client, _ = self.connect(Recorder())
        client.send(b"x")
        (epoll,) = self.loop.readers
        before = dict(get(ILogContext))
        self.loop.turn()
        client.send(b"y")
        select.select([epoll], [], [], 5)
        epoll.doRead()
        self.assertEqual(before, get(ILogContext))

    def test_numberReused(self) -> None:
        """A stream that is closed within its batch is not called; nor is a new stream that has its
        number disturbed by the event."""
        protocols = [Recorder(), Recorder()]
        connections = [self.connect(protocol) for protocol in protocols]
        (_, first), (_, second) = connections
        served: list[Any] = []
        fresh = Recorder()

        def replace(gone: Any) -> None:
            served.append(gone)
            self.client, stream = self.connectIn(gone, fresh)
            self.assertEqual(gone.fd, stream.fd)

        protocols[0].dataReceived = lambda data: replace(second)  # type: ignore[method-assign]
        protocols[1].dataReceived = lambda data: replace(first)  # type: ignore[method-assign]
        for client, _ in connections:
            client.send(b"x")
        self.loop.turn()
        self.assertEqual(1, len(served))
        self.assertIsNone(fresh.lost)
        self.client.send(b"fresh")
        self.loop.turn()
        self.assertEqual(b"fresh", fresh.received)

    def test_numberReusedBeforeTheEnd(self) -> None:
        """A stream whose socket another party closed is forgotten, and not the new stream that
        has its number."""
        _, gone = self.connect(Recorder())
        fresh = Recorder()
        client, stream = self.connectIn(gone, fresh, gone.socket.close)
        self.assertEqual(gone.fd, stream.fd)
        gone.connectionLost(Failure(CONNECTION_LOST))
        client.send(b"fresh")
        self.loop.turn()
        self.assertEqual(b"fresh", fresh.received)

    def connectIn(
        self, gone: Any, protocol: Any, end: Callable[[], None] | None = None
    ) -> tuple[socket.socket, Any]:
        """End a stream, and return a client and its new stream, which has the same number."""
        client = socket.create_connection(self._listener.getsockname(), timeout=5)
        self.addCleanup(client.close)
        (end or partial(gone.connectionLost, Failure(CONNECTION_LOST)))()
        accepted, address = self._listener.accept()
        stream = TCPStream(accepted, protocol, address, None, 0, self.loop)
        protocol.makeConnection(stream)
        self.addCleanup(self._end, stream)
        return client, stream

    def test_raisesAlone(self) -> None:
        """An exception of a protocol, even in connectionLost, ends no other stream."""
        protocols = [Recorder() for _ in range(3)]
        connections = [self.connect(protocol) for protocol in protocols]

        def leave(reason: Failure) -> None:
            raise SystemExit("mine")

        protocols[0].connectionLost = leave  # type: ignore[method-assign,assignment]
        connections[0][0].close()
        for client, _ in connections[1:]:
            client.send(b"x")
        self.loop.turn()
        self.assertEqual([b"x", b"x"], [protocol.received for protocol in protocols[1:]])
        self.assertEqual(1, len(self.flushLoggedErrors(SystemExit)))

    def test_reactorStops(self) -> None:
        """When the reactor drops its readers, every stream ends."""
        protocols = [Recorder(), Recorder()]
        for protocol in protocols:
            self.connect(protocol)
        (epoll,) = self.loop.readers
        epoll.connectionLost(Failure(CONNECTION_LOST))
        self.assertNotIn(None, [protocol.lost for protocol in protocols])

    def test_closedUnderUs(self) -> None:
        """A socket that another party closed is forgotten without an error."""
        _, stream = self.connect(Recorder())
        stream.socket.close()
        stream.connectionLost(Failure(CONNECTION_LOST))
        self.assertEqual(set(), self.loop.readers)


class _FullEpoll:
    """An epoll for which the kernel has no memory."""

    def __init__(self, epoll: select.epoll) -> None:
        self.fileno, self.poll, self.unregister = epoll.fileno, epoll.poll, epoll.unregister

    def register(self, fd: int, events: int) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    modify = register


class UnwatchedTests(LoopTestCase):
    """The kernel watches no more descriptors: ENOMEM, or ENOSPC (epoll_ctl(2))."""

    def setUp(self) -> None:
        super().setUp()
        self.other = Recorder()
        self.client, _ = self.connect(self.other)
        self.poller: Any = polling.pollerOf(self.loop)

    def test_new(self) -> None:
        """A new connection ends; the others are served, and so is the next one."""
        epoll, self.poller._epoll = self.poller._epoll, _FullEpoll(self.poller._epoll)
        refused = Recorder()
        client, stream = self.connect(refused)
        observer = stream.observer
        self.loop.advance(0)
        self.assertEqual(["connection lost"], observer.causes)
        self.assertEqual(b"", self.readAll(client))
        self.poller._epoll = epoll
        fresh = Recorder()
        for one in (self.client, self.connect(fresh)[0]):
            one.send(b"x")
        self.loop.turn()
        self.assertEqual([b"x", b"x"], [self.other.received, fresh.received])

    def test_change(self) -> None:
        """A connection of which the events cannot be changed ends too, and nobody else."""
        protocol = Recorder()
        _, stream = self.connect(protocol)
        self.poller._epoll = _FullEpoll(self.poller._epoll)
        stream.write(_ROOM)
        stream.write(_ROOM)
        self.loop.advance(0)
        self.assertIsNotNone(protocol.lost)
        self.client.send(b"x")
        self.loop.turn()
        self.assertEqual(b"x", self.other.received)


class WhichTests(SynchronousTestCase):
    def test_epoll(self) -> None:
        """Each reactor that takes descriptors has one epoll of its own."""
        loop = Loop()
        found = polling.pollerOf(loop)
        self.assertIsInstance(found, EpollPoller)
        self.assertIs(found, polling.pollerOf(loop))
        self.assertIsNot(found, polling.pollerOf(Loop()))

    def test_noEpoll(self) -> None:
        """Where the operating system has no epoll, the reactor itself watches."""
        epoll = select.epoll
        del select.epoll
        self.addCleanup(setattr, select, "epoll", epoll)
        self.assertIsInstance(polling.pollerOf(Loop()), ReactorPoller)

    def test_noDescriptors(self) -> None:
        """So it does where the reactor takes no descriptors."""
        self.assertIsInstance(polling.pollerOf(Clock()), ReactorPoller)
