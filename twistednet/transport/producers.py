"""Producers: what writes to a transport, found and replaced while it is registered."""

from __future__ import annotations

from typing import Any, NamedTuple

from twisted.internet._producer_helpers import _PullToPush

from twistednet.transport.interfaces import PlainStream, Producer
from twistednet.transport.tls import HalfClosingTLS


class Production(NamedTuple):
    """The producer that writes to a transport, if it has one, and its state."""

    producer: Producer | None
    #: True for a push producer.
    streaming: bool
    paused: bool


def producerOf(plain: PlainStream) -> Production:
    """Return the producer that `setProducer` can replace.

    There is none for a pull producer of TLS, which Twisted turns into a push producer.
    """
    if not isinstance(plain, HalfClosingTLS):
        stream: Any = plain
        return Production(
            stream.producer, bool(stream.streamingProducer), bool(stream.producerPaused)
        )
    membrane: Any = plain._producer
    if membrane is None or isinstance(membrane._producer, _PullToPush):
        return Production(None, True, False)
    return Production(membrane._producer, True, bool(membrane._producerPaused))


def setProducer(plain: PlainStream, producer: Producer) -> None:
    """Replace the producer that `producerOf` returns."""
    if isinstance(plain, HalfClosingTLS):
        membrane: Any = plain._producer
        membrane._producer = producer
    else:
        stream: Any = plain
        stream.producer = producer
