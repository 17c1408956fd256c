"""What services of whole messages stand on: lines and bare messages on one port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.core.framing import Framer, TooLong
from twistednet.core.limits import TokenBucket
from twistednet.transport.closing import lingeringClose, setCloseReason

#: Seconds without a byte that end a message on a stream without newlines.
PAUSE = 0.1
#: Bytes of answers that leave in one write, or a little more.
WRITE = 8 * 1024

_TURN = frozenset({"turn"})


@implementer(IHalfCloseableProtocol, IPushProducer)
class Messages(Protocol):
    """Takes messages one after another, each answered before the next.

    While anything holds (a full transport, an answer that is awaited, the rate,
    others' turn) no message is taken and nothing is read, so a connection's
    memory is bounded by what was read last and by what is queued.

    Override: `messageReceived` is given each message as text, and may return a
    coroutine or a Deferred. `send` answers, `end` closes.
    """

    log = Logger()
    factory: Any
    transport: Any

    _ending = b"\n"
    _inputOver = False
    _ended = False
    _silence: IDelayedCall | None = None
    _closing: IDelayedCall | None = None
    _awaited: Deferred[Any] | None = None

    def connectionMade(self) -> None:
        self._framer = Framer(self.factory.maxMessage)
        self._unsent = b""
        self._holds: set[str] = set()
        self._bucket, self._left = self.factory.allowance(self.transport.getPeer())
        self.transport.registerProducer(self, True)

    def share(self) -> int:
        """Messages that are handled, and answered in one write, before the others' turn."""
        return 32

    def messageReceived(self, text: str) -> Any:
        """One whole message, without its newline."""

    def send(self, text: str) -> None:
        """Send one line, ended the way this client ends its own.

        To a client that sends no newlines, several lines at once are parted by one.
        """
        if self._unsent and not self._ending:
            self._unsent += b"\n"
        self._unsent += text.encode() + self._ending
        self.factory.messagesOut += 1

    def end(self, cause: str = "service") -> None:
        """Close the connection, once what was sent has gone out."""
        if not self._ended:
            self._ended = True
            self._holds.discard("transport")
            self._flush()
            setCloseReason(self.transport, cause)
            self.transport.unregisterProducer()
            if self._inputOver:
                self.transport.loseConnection()
            else:
                self._closing = lingeringClose(self.transport, self.factory.clock)

    def dataReceived(self, data: bytes) -> None:
        if self._ended:
            return
        self._framer.limit = self.factory.maxMessage
        self._framer.feed(data)
        if not self._holds:
            self._advance()

    def readConnectionLost(self) -> None:
        """The client's FIN ends its last message; all is answered before ours."""
        self._inputOver = True
        if self._ended:
            self.transport.loseConnection()
            return
        self._framer.ended()
        if not self._holds:
            self._advance()

    def writeConnectionLost(self) -> None:
        """Our FIN has gone out after the last words; what still comes is ignored."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._ended = True
        for call in (self._silence, self._closing):
            if call is not None and call.active():
                call.cancel()
        if self._awaited is not None:
            self._awaited.cancel()

    def _advance(self) -> None:
        if self._takeUpTo(self.share()) and self._mayTake():
            self._hold("turn")
            self.factory.takeTurns(self, self._turns())
        self._flush()
        if self._holds or self._ended:
            return
        if self._inputOver:
            self.end("client FIN")
        elif self._framer.buffer and self._framer.awaitsPause:
            self._awaitPause()

    def _turns(self) -> Iterator[None]:
        while self._mayTake():
            self._takeUpTo(max(1, self.share()))
            self._flush()
            yield
        self._release("turn")

    def _mayTake(self) -> bool:
        return not self._ended and self._holds <= _TURN and self._framer.ready

    def _takeUpTo(self, count: int) -> bool:
        """Take messages; False if there is none left for sure."""
        framer = self._framer
        for _ in range(count):
            try:
                message = framer.next()
            except TooLong:
                self._refuse(f"message too long: {self._framer.limit} bytes at most", "message")
                return False
            if message is None:
                return False
            self._ending = framer.newline
            self._take(message)
            if not framer.buffer:
                return False
            if self._ended or len(self._unsent) > WRITE or self._holds - _TURN:
                break
        return True

    def _take(self, message: bytes) -> None:
        self.factory.messagesIn += 1
        if self._left is not None:
            if not self._left:
                self._refuse("too many messages on one connection", "messages")
                return
            self._left -= 1
        try:
            text = message.decode()
        except UnicodeDecodeError as error:
            self.send(f"not UTF-8 at byte {error.start}")
            return
        if self._bucket is not None:
            self._awaitRate(self._bucket)
        try:
            awaited = self.messageReceived(text)
        except Exception:
            self.failed(Failure())
            return
        if awaited is not None:
            self._await(maybeDeferred(lambda: awaited))

    def _refuse(self, why: str, cause: str) -> None:
        """One line that says why, and the end; a line by itself, so it has a newline."""
        self._ending = self._framer.newline or b"\n"
        self.send(why)
        self.end(cause)

    def _await(self, awaited: Deferred[Any]) -> None:
        self._awaited = awaited
        if not awaited.called:
            self._hold("answer")
        awaited.addCallbacks(self._answered, self.failed)

    def _answered(self, result: object) -> None:
        self._awaited = None
        self._release("answer")

    def failed(self, failure: Failure) -> None:
        """Something done for this connection raised: that is logged, and ends it alone."""
        self._awaited = None
        if self._ended and failure.check(CancelledError):
            return  # An answer that nobody waits for any more.
        self.log.failure("{what} failed", failure, what=type(self).__name__)
        if not self._ended:
            self._ended = True
            setCloseReason(self.transport, "error")
            self.transport.abortConnection()

    def _awaitRate(self, bucket: TokenBucket) -> None:
        bucket.allow(self.factory.clock.seconds())
        wait = bucket.wait()
        if wait:
            self._hold("rate")
            self.factory.clock.callLater(wait, self._release, "rate")

    def _awaitPause(self) -> None:
        if self._silence is not None and self._silence.active():
            self._silence.reset(PAUSE)
        else:
            self._silence = self.factory.clock.callLater(PAUSE, self._paused)

    def _paused(self) -> None:
        self._framer.paused()
        if not self._holds and not self._ended:
            self._advance()

    def _hold(self, why: str) -> None:
        if not self._holds:
            self.transport.pauseProducing()
        self._holds.add(why)

    def _release(self, why: str) -> None:
        if why not in self._holds:
            return
        self._holds.remove(why)
        if not self._holds and not self._ended:
            if not self._inputOver:
                self.transport.resumeProducing()
            self._advance()

    def pauseProducing(self) -> None:
        self._hold("transport")

    def resumeProducing(self) -> None:
        self._release("transport")

    def stopProducing(self) -> None:
        """The transport is lost; connectionLost follows."""

    def _flush(self) -> None:
        if self._unsent and "transport" not in self._holds:
            unsent, self._unsent = self._unsent, b""
            self.transport.write(unsent)
