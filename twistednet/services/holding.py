"""Flow control of services: a protocol that stops reading while it has a reason to wait."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twistednet.transport.interfaces import Transport


@implementer(IPushProducer)
class HoldingProtocol(Protocol):
    """Pauses its transport while `_holds` has a reason; registered as the transport's producer.

    Each reason is a word: "transport" (the peer reads too slowly) is this class's own.
    """

    # A stream has more than ITransport: half-close, abort.
    transport: Transport  # type: ignore[assignment]
    _holds: set[str]
    #: True once nothing more is sent.
    _ended = False

    def attempt(self, act: Callable[..., object], *arguments: object) -> None:
        """Call `act` unless this connection has ended; if it raises, call `failed`.

        Give it to a timer: the reactor does not know whose timer has raised.
        """
        try:
            if not self._ended:
                act(*arguments)
        except Exception:
            self.failed(Failure())

    def failed(self, failure: Failure) -> None:
        """Log what was raised for this connection, and close it, and no other."""
        raise NotImplementedError

    def _hold(self, reason: str) -> None:
        if not self._holds:
            self.transport.pauseProducing()
        self._holds.add(reason)

    def _release(self, reason: str) -> None:
        if reason in self._holds:
            self._holds.remove(reason)
            if not self._holds:
                self._released()

    def _released(self) -> None:
        """Go on: no reason to wait is left."""
        raise NotImplementedError

    def pauseProducing(self) -> None:
        self._hold("transport")

    def resumeProducing(self) -> None:
        self._release("transport")

    def stopProducing(self) -> None:
        """Do nothing: the transport is lost, and connectionLost follows."""
