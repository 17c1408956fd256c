"""Polling: finds the streams that can be read or written, and calls them.

The reactor's work for one event costs more than all else that a small message costs. So one
epoll watches all streams, and its descriptor is a single reader of the reactor. Each time
that the reactor finds it readable, one epoll_wait(2) returns a batch of streams, which are
called directly; then the reactor's other readers have their turn. This works with any
reactor that takes descriptors (IReactorFDSet). Without epoll, the reactor watches each
stream, as it watches its own transports.
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python import context
from twisted.python.failure import Failure
from twisted.python.log import ILogContext
from zope.interface import implementer

if TYPE_CHECKING:
    # The base class that the mixin needs.
    from twisted.internet.tcp import Server as _Server
else:
    _Server = object

#: The events that a stream can wait for: EPOLLIN and EPOLLOUT.
READ = 1
WRITE = 4

#: Streams that are called before the reactor's other readers. The kernel goes round: those
#: that were ready and had to wait come first in the next batch.
MAX_BATCH = 64
#: Bytes that a batch may read, and that streams whose peers do not read may queue.
MAX_BATCH_BYTES = 4 * 1024 * 1024
#: The bounds of one stream's share of that, which is the size of its next recv(2).
MIN_READ_BYTES = 16 * 1024
MAX_READ_BYTES = 256 * 1024


class ReactorPoller:
    """The poller where there is no epoll: the reactor watches each stream."""

    share = MIN_READ_BYTES

    def watch(self, stream: PolledTransport, events: int) -> None:
        """Let the stream wait for `events`: READ, WRITE, both or none (0)."""
        changed = events ^ stream.events
        stream.events = events
        reactor = stream.reactor
        if changed & READ:
            (reactor.addReader if events & READ else reactor.removeReader)(stream)
        if changed & WRITE:
            (reactor.addWriter if events & WRITE else reactor.removeWriter)(stream)


@implementer(IReadDescriptor)
class EpollPoller:
    """The poller of all streams of a reactor, and one reader of it.

    `share` is the bytes that a stream may read at once. It shrinks as more streams are ready,
    so that a batch takes 1 ms and not 20, and as more have something queued, so that each of
    a thousand peers that send and never read costs some 40 KiB.
    """

    share = MIN_READ_BYTES

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._streams: dict[int, PolledTransport] = {}
        #: The number of streams that wait for WRITE: they have something queued.
        self._writing = 0
        self.fileno = self._epoll.fileno

    def watch(self, stream: PolledTransport, events: int) -> None:
        """Let the stream wait for `events`: READ, WRITE, both or none (0).

        A change costs one epoll_ctl(2); no change costs nothing. Raises OSError if the kernel
        has no memory, or the user watches too many descriptors; then nothing has changed.
        """
        before = stream.events
        if events == before:
            return
        if not events:
            self._forget(stream)
        elif before:
            self._epoll.modify(stream.fd, events)
        else:
            stream.reactor.addReader(self)
            self._epoll.register(stream.fd, events)
            self._streams[stream.fd] = stream
        stream.events = events
        self._writing += bool(events & WRITE) - bool(before & WRITE)

    def _forget(self, stream: PolledTransport) -> None:
        fd, reactor = stream.fd, stream.reactor
        # If another party closed the socket, its number may already belong to another stream.
        if self._streams.get(fd) is stream:
            del self._streams[fd]
            with suppress(OSError):
                self._epoll.unregister(fd)
        if not self._streams:
            reactor.removeReader(self)

    def doRead(self) -> None:
        """Call one batch of the streams that are ready."""
        ready = self._epoll.poll(0, MAX_BATCH)
        busy = max(len(ready), self._writing, 1)
        self.share = max(MIN_READ_BYTES, min(MAX_READ_BYTES, MAX_BATCH_BYTES // busy))
        # The reactor made this dictionary for this call. Changed in place, it makes what is
        # logged meanwhile name the stream.
        logContext = context.get(ILogContext)
        system = logContext["system"]
        for fd, event in ready:
            stream = self._streams.get(fd)
            if stream is None:
                # Another stream of this batch closed it. (If its number is in use again, the
                # new stream finds nothing to read, and waits.)
                continue
            logContext["system"] = stream.logstr
            try:
                # Another stream of this batch may have paused it, so look at what it waits
                # for now. Errors and hangups concern both directions; recv and send say which.
                if event & ~WRITE and stream.events & READ:
                    why = stream.doRead()
                    if why is not None:
                        _readEnded(stream, why)
                if event & ~READ and stream.events & WRITE:
                    why = stream.doWrite()
                    if why is not None:
                        stream.connectionLost(Failure(why))
            except BaseException:
                # The reactor would drop this reader, and with it all streams.
                stream.fail(Failure())
        logContext["system"] = system

    def connectionLost(self, reason: Failure) -> None:
        """End all streams: the reactor stops, or drops its readers."""
        for stream in list(self._streams.values()):
            stream.connectionLost(reason)

    def logPrefix(self) -> str:
        return "streams"


def _readEnded(stream: PolledTransport, why: Exception) -> None:
    """Pass on the end that a read has found: the peer's FIN, or the connection is lost."""
    if why is CONNECTION_DONE:
        stream.readConnectionLost(Failure(why))
    else:
        stream.connectionLost(Failure(why))


_pollers: WeakKeyDictionary[object, ReactorPoller | EpollPoller] = WeakKeyDictionary()


def pollerOf(reactor: object) -> ReactorPoller | EpollPoller:
    """Return the poller of this reactor's streams."""
    found = _pollers.get(reactor)
    if found is None:
        hasEpoll = hasattr(select, "epoll") and IReactorFDSet.providedBy(reactor)
        found = _pollers[reactor] = EpollPoller() if hasEpoll else ReactorPoller()
    return found


class PolledTransport(_Server):
    """A mixin for stock transports, which `pollerOf` its reactor watches."""

    #: The number of the socket, which it keeps for the poller after it is closed.
    fd: int
    #: The events that the poller watches for now.
    events = 0
    #: True while much is queued: then the peer is not read, even if the protocol wants it.
    _throttled = False
    #: Bytes of the next recv(2).
    _readSize = MIN_READ_BYTES
    _wantsReading = False
    _wantsWriting = False

    def __init__(self, sock: socket.socket, *rest: Any) -> None:
        self.fd = sock.fileno()
        self._poller = pollerOf(rest[-1])
        super().__init__(sock, *rest)

    if TYPE_CHECKING:
        # Of the class that this is mixed into.
        def fail(self, failure: Failure) -> None: ...

    @property
    def wantsReading(self) -> bool:
        """True if neither the protocol nor a producer has paused reading."""
        return self._wantsReading

    def startReading(self) -> None:
        self._wantsReading = True
        self._watch()

    def stopReading(self) -> None:
        self._wantsReading = False
        # A protocol that pauses has more to do than it can, and keeps what it was given.
        self._readSize = MIN_READ_BYTES
        self._watch()

    def startWriting(self) -> None:
        self._wantsWriting = True
        self._watch()

    def stopWriting(self) -> None:
        self._wantsWriting = False
        self._watch()

    def _watch(self) -> None:
        events = 0
        if not (self.disconnected or self._aborting):
            events = READ * (self._wantsReading and not self._throttled)
            events |= WRITE * self._wantsWriting
        try:
            self._poller.watch(self, events)
        except OSError:
            # Later: what writes, or accepts, does not expect the end of the connection.
            self.reactor.callLater(0, self._endUnwatched)  # type: ignore[attr-defined]

    def _endUnwatched(self) -> None:
        """End a stream that cannot be watched: it would neither read nor write any more."""
        if not self.disconnected:
            self.connectionLost(Failure(CONNECTION_LOST))
