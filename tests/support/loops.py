"""A reactor that a test turns by hand, and streams on real sockets under it."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python import log
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twistednet.transport.options import setOptions
from twistednet.transport.polling import READ
from twistednet.transport.streams import TCPStream


@implementer(IReactorFDSet)
class Loop(Clock):
    """Serves whoever is ready, once a `turn`."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()
        self.addReader, self.removeReader = self.readers.add, self.readers.discard
        self.addWriter, self.removeWriter = self.writers.add, self.writers.discard

    def turn(self, wait: float = 5, client: socket.socket | None = None) -> bool:
        """One pass, once anybody is ready, or `client` is. Was anybody, within `wait` s?"""
        waiting = [*self.readers, *([client] if client else [])]
        readable, writable, _ = select.select(waiting, self.writers, [], wait)
        for one in readable:
            if one in self.readers:
                self._serve(one, one.doRead)
        for one in writable:
            if one in self.writers:
                self._serve(one, one.doWrite)
        self.advance(0)
        return bool(readable or writable)

    def _serve(self, one: Any, do: Any) -> None:
        why = log.callWithLogger(one, do)
        if why is CONNECTION_DONE and do == one.doRead:
            self.removeReader(one)
            one.readConnectionLost(Failure(why))
        elif why is not None:
            one.connectionLost(Failure(why))

    def drain(self) -> None:
        """Turn until nobody is ready."""
        while self.turn(0.01):
            pass


class Recorder(Protocol):
    """Keeps what it received, in chunks, and why the connection was lost."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.lost: Failure | None = None

    @property
    def received(self) -> bytes:
        return b"".join(self.chunks)

    def dataReceived(self, data: bytes) -> None:
        self.chunks.append(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.lost = reason


class RecordingObserver:
    """An observer that keeps its calls."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.causes: list[str] = []
        self.failed = self.failures.append
        self.closed = self.causes.append


class LoopTestCase(SynchronousTestCase):
    """Connects clients' plain sockets to streams under `self.loop`."""

    def setUp(self) -> None:
        self.loop = Loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        setOptions(self._listener)
        self.addCleanup(self._listener.close)

    def connect(self, protocol: Any, receiveBuffer: int = 0) -> tuple[socket.socket, Any]:
        """A client's socket, and the stream that serves it."""
        client = socket.socket()
        if receiveBuffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receiveBuffer)
        client.connect(self._listener.getsockname())
        client.settimeout(5)
        self.addCleanup(client.close)
        accepted, address = self._listener.accept()
        stream = TCPStream(accepted, protocol, address, None, 0, self.loop)
        stream.observer = RecordingObserver()
        protocol.makeConnection(stream)
        self.addCleanup(self._end, stream)
        return client, stream

    def _end(self, stream: Any) -> None:
        if not stream.disconnected:
            stream.connectionLost(Failure(CONNECTION_DONE))

    def until(self, condition: Callable[[], object]) -> None:
        """Turn until the condition holds, for 20 s at most."""
        for _ in range(200):
            if condition():
                return
            self.loop.turn(0.1)
        raise AssertionError("it never happened")

    def readAll(self, client: socket.socket, atMost: int = 1 << 30) -> bytes:
        """What the client gets until the FIN, or until it has `atMost` bytes."""
        client.setblocking(False)
        got = bytearray()
        while len(got) < atMost:
            try:
                data = client.recv(min(65536, atMost - len(got)))
            except BlockingIOError:
                if not self.loop.turn(20, client):
                    raise AssertionError(f"stuck after {len(got)} bytes") from None
            else:
                if not data:
                    break
                got += data
        return bytes(got)

    def fill(self, client: socket.socket, stream: Any) -> int:
        """Send and never read, until the stream is no longer read either; bytes sent."""
        client.setblocking(False)
        sent = 0
        while stream.events & READ:
            with contextlib.suppress(BlockingIOError):
                sent += client.send(bytes(65536))
            self.loop.turn(0.02)
        return sent
