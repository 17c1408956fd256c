"""The base class of services that answer messages: lines, or text that a pause ends."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.core.framing import Framer, TooLong
from twistednet.core.limits import TokenBucket
from twistednet.services.equal import MAX_WRITE_BYTES, EqualMessages
from twistednet.services.factory import MessagesFactory
from twistednet.transport.closing import LingeringClose, lingeringClose, reportPause, setCloseReason
from twistednet.transport.interfaces import Transport

#: Seconds without a byte that end a message on a stream without newlines.
PAUSE_SECONDS = 0.1

_TURN = frozenset({"turn"})


@implementer(IHalfCloseableProtocol)
class Messages(EqualMessages):
    """A connection whose client sends messages; each is answered before the next is taken.

    A message is a line that ends in LF or CRLF, or what a client without newlines sends
    before a pause of `PAUSE_SECONDS`. While there is a reason to wait (the transport is full,
    an answer is awaited, the rate is used up, others have their turn) nothing is taken or
    read. So the memory of a connection is bounded by one read and by what is queued.

    Override: `messageReceived` is given each message as text, and may return a coroutine or
    a Deferred. `send` answers, and may be called at any time from connectionMade on; `end`
    closes. A subclass with its own factory declares it, for mypy: `factory: MyFactory`.
    """

    log = Logger()
    factory: MessagesFactory

    _ending = b"\n"
    _inputOver = False
    _silence: IDelayedCall | None = None
    _closing: LingeringClose | None = None
    _awaited: Deferred[object] | None = None
    #: True while a `_flush` follows anyway, so that what is sent until then leaves in one write.
    _willFlush = False

    def makeConnection(self, transport: Transport) -> None:
        # Before connectionMade, which is the subclass's and may send.
        self.transport = transport
        self._framer = Framer(self.factory.maxMessage)
        self._unsent, self._holds = b"", set()
        self._bucket, self._left = self.factory.allowance(transport.getPeer())
        transport.registerProducer(self, True)
        self._willFlush = True
        super().makeConnection(transport)
        self._flush()

    def share(self) -> int:
        """Return how many messages are taken, and answered in one write, before others' turn."""
        return 32

    def messageReceived(self, text: str) -> Awaitable[object] | None:
        """Handle one whole message, without its newline."""

    def send(self, text: str) -> None:
        """Send one line, with the line end that this client uses (LF before its first line).

        Lines that are sent together to a client without newlines have one between them. What
        is sent after `end` is dropped.
        """
        if self._unsent and not self._ending:
            self._unsent += b"\n"
        self._unsent += text.encode() + self._ending
        self.factory.messagesOut += 1
        if not self._willFlush:
            self._flush()

    def end(self, cause: str = "service") -> None:
        """Close the connection once what was sent has left; `cause` is the reason in the log."""
        if not self._ended:
            self._holds.discard("transport")
            self._flush()
            self._ended = True
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
        """End the last message at the client's FIN; every message is answered before our FIN."""
        self._inputOver = True
        if self._ended:
            self.transport.loseConnection()
            return
        self._framer.ended()
        if not self._holds:
            self._advance()

    def writeConnectionLost(self) -> None:
        """Our FIN has been sent; ignore what still arrives."""

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
        """Take messages, before a `_flush`. Return False if certainly none is left."""
        self._willFlush = True
        framer = self._framer
        if self._takeEqual():
            return bool(framer.buffer)
        for _ in range(count):
            try:
                message = framer.next()
            except TooLong:
                self._refuse(f"message too long: {self._framer.limit} bytes at most", "message")
                return False
            if message is None:
                return False
            self._ending = framer.newline
            if not self._ending and not self._inputOver:
                reportPause(self.transport, len(message))
            self._take(message)
            if not framer.buffer:
                return False
            if self._ended or len(self._unsent) > MAX_WRITE_BYTES or self._holds - _TURN:
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
        """Send a line that says why, always with a newline, and close."""
        self._ending = self._framer.newline or b"\n"
        self.send(why)
        self.end(cause)

    def _await(self, awaited: Deferred[object]) -> None:
        self._awaited = awaited
        if not awaited.called:
            self._hold("answer")
        awaited.addCallbacks(self._answered, self.failed)

    def _answered(self, result: object) -> None:
        self._awaited = None
        self._release("answer")

    def failed(self, failure: Failure) -> None:
        """Log what was raised for this connection, and close it, and no other."""
        self._awaited = None
        if self._ended and failure.check(CancelledError):
            return  # The answer is not needed any more.
        self.log.failure("{what} failed", failure, what=type(self).__name__)
        if not self._ended:
            self._ended = True
            setCloseReason(self.transport, "error")
            self.transport.abortConnection()

    def _awaitRate(self, bucket: TokenBucket) -> None:
        bucket.allow(self.factory.clock.seconds())
        if wait := bucket.wait():
            self._hold("rate")
            self.factory.clock.callLater(wait, self._release, "rate")

    def _awaitPause(self) -> None:
        if self._silence is not None and self._silence.active():
            self._silence.reset(PAUSE_SECONDS)
        else:
            self._silence = self.factory.clock.callLater(PAUSE_SECONDS, self._paused)

    def _paused(self) -> None:
        self._framer.paused()
        if not self._holds and not self._ended:
            self._advance()

    def _released(self) -> None:
        if not self._ended:
            if not self._inputOver:
                self.transport.resumeProducing()
            self._advance()

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._flush()  # An awaited answer, or another reason to wait, may be left.

    def _flush(self) -> None:
        self._willFlush = False
        if self._unsent and not self._ended and "transport" not in self._holds:
            unsent, self._unsent = self._unsent, b""
            self.transport.write(unsent)
