"""Who tells streams that they are ready: an epoll inside the reactor, or the reactor.

One event of the reactor costs more than all else that a small message costs. So
streams are watched by one epoll of ours, whose descriptor is one ordinary reader of
the reactor: each time that it is readable, a batch of streams is served by direct
calls, and then it is the turn of the reactor's other readers. Any reactor that
takes descriptors can do that. Where there is no epoll, the reactor watches each
stream, as it does its own.
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.python import context
from twisted.python.failure import Failure
from twisted.python.log import ILogContext
from zope.interface import implementer

if TYPE_CHECKING:
    # What a mixin is mixed into.
    from twisted.internet.tcp import Server as _Server
else:
    _Server = object

#: What a stream may wait for, numbered as epoll does.
READ = 1
WRITE = 4

#: Streams that are served before the reactor's other readers' turn. The kernel
#: goes round: those that were ready and had to wait come first in the next batch.
MAX_BATCH = 64
#: Bytes that a batch may read, and that streams whose peers do not read may hold.
MAX_BATCH_BYTES = 4 * 1024 * 1024
#: The bounds of one stream's share of the budget: of what it reads at once.
MIN_READ_BYTES = 16 * 1024
MAX_READ_BYTES = 256 * 1024


class ReactorPoller:
    """The reactor itself, which tells one stream at a time."""

    share = MIN_READ_BYTES

    def watch(self, stream: Any, events: int) -> None:
        """From now on the stream waits for `events`: READ, WRITE, both or none (0)."""
        changed = events ^ stream.events
        stream.events = events
        reactor = stream.reactor
        if changed & READ:
            (reactor.addReader if events & READ else reactor.removeReader)(stream)
        if changed & WRITE:
            (reactor.addWriter if events & WRITE else reactor.removeWriter)(stream)


@implementer(IReadDescriptor)
class EpollPoller:
    """A reader of the reactor, for all streams; see above.

    `share` is what a stream may read at once. It shrinks as more are ready, so that
    a batch takes 1 ms and not 20, and as more have something queued, so that a
    thousand peers who send and never read cost some 40 KiB each.
    """

    share = MIN_READ_BYTES

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._streams: dict[int, Any] = {}
        self._writing = 0
        self.fileno = self._epoll.fileno

    def watch(self, stream: Any, events: int) -> None:
        """From now on the stream waits for `events`: READ, WRITE, both or none (0)."""
        before = stream.events
        if events == before:
            return
        stream.events = events
        self._writing += bool(events & WRITE) - bool(before & WRITE)
        if not events:
            self._forget(stream)
        elif before:
            self._epoll.modify(stream.fd, events)
        else:
            self._epoll.register(stream.fd, events)
            self._streams[stream.fd] = stream
            stream.reactor.addReader(self)

    def _forget(self, stream: Any) -> None:
        fd, reactor = stream.fd, stream.reactor
        # Somebody may have closed the socket under us, and its number may be in use
        # again, by another stream.
        if self._streams.get(fd) is stream:
            del self._streams[fd]
            with suppress(OSError):
                self._epoll.unregister(fd)
        if not self._streams:
            reactor.removeReader(self)

    def doRead(self) -> None:
        ready = self._epoll.poll(0, MAX_BATCH)
        busy = max(len(ready), self._writing, 1)
        self.share = max(MIN_READ_BYTES, min(MAX_READ_BYTES, MAX_BATCH_BYTES // busy))
        # The reactor made this dictionary for this call: what is logged meanwhile
        # names the stream that it is about.
        about = context.get(ILogContext)
        system = about["system"]
        for fd, event in ready:
            stream = self._streams.get(fd)
            if stream is None:
                # Closed by another one of this batch. (Were its number in use again,
                # the new stream would find nothing to read, and wait.)
                continue
            about["system"] = stream.logstr
            try:
                # Only what the stream still waits for: another one may have paused it.
                # Errors and hangups concern both directions; recv and send tell more.
                if event & ~WRITE and stream.events & READ:
                    why = stream.doRead()
                    if why is not None:
                        _readerLost(stream, why)
                if event & ~READ and stream.events & WRITE:
                    why = stream.doWrite()
                    if why is not None:
                        stream.connectionLost(Failure(why))
            except BaseException:
                # Raised here, it would end all streams.
                stream.fail(Failure())
        about["system"] = system

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops, or drops all that it watches."""
        for stream in list(self._streams.values()):
            stream.connectionLost(reason)

    def logPrefix(self) -> str:
        return "streams"


def _readerLost(stream: Any, why: Any) -> None:
    """Reading has found the end: the peer's FIN, or the connection lost."""
    if why is CONNECTION_DONE:
        stream.readConnectionLost(Failure(why))
    else:
        stream.connectionLost(Failure(why))


_pollers: WeakKeyDictionary[Any, ReactorPoller | EpollPoller] = WeakKeyDictionary()


def pollerOf(reactor: Any) -> ReactorPoller | EpollPoller:
    """What watches the streams of this reactor."""
    found = _pollers.get(reactor)
    if found is None:
        capable = hasattr(select, "epoll") and IReactorFDSet.providedBy(reactor)
        found = _pollers[reactor] = EpollPoller() if capable else ReactorPoller()
    return found


class PolledTransport(_Server):
    """Mixed in before a stock transport: it is watched by `pollerOf` its reactor."""

    #: What the socket is watched for now.
    events = 0
    #: Reading is held back, whoever asks for it.
    _throttled = False
    _wantsReading = False
    _wantsWriting = False

    def __init__(self, sock: socket.socket, *rest: Any) -> None:
        self.fd = sock.fileno()
        self._poller = pollerOf(rest[-1])
        super().__init__(sock, *rest)

    @property
    def wantsReading(self) -> bool:
        """Is it to be read, as far as whoever may pause it is concerned?"""
        return self._wantsReading

    def startReading(self) -> None:
        self._wantsReading = True
        self._watch()

    def stopReading(self) -> None:
        self._wantsReading = False
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
        self._poller.watch(self, events)
