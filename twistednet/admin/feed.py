"""The feed: the latest events, and their stream (SSE) to the live page and other readers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from secrets import token_hex

from twistednet.admin.sse import message, written
from twistednet.events.jsonlines import line
from twistednet.events.model import Event, Opened, Refused

#: Events that are kept for readers that were away for a moment.
MAX_KEPT = 4_000
#: Events that one tick sends to a stream.
MAX_TICK_EVENTS = 250


class Feed:
    """A sink that keeps the latest events as objects; their text is made for each reader.

    Event numbers grow for the life of the daemon; `life` distinguishes it from another one.
    """

    def __init__(self) -> None:
        self.life = token_hex(4)
        self.count = 0
        self._events: deque[Event] = deque(maxlen=MAX_KEPT)

    def __call__(self, event: Event) -> None:
        self._events.append(event)
        self.count += 1

    def opened(self, service: str, peer: str) -> int | None:
        """Return the connection of this service and peer among the latest; 0 if it was refused."""
        for event in islice(reversed(self._events), 500):
            if (event.service, event.peer) == (service, peer):
                if isinstance(event, Opened):
                    return event.connection
                if isinstance(event, Refused):
                    return 0
        return None

    def after(self, number: int) -> tuple[int, list[Event]]:
        """Return how many events after this number are lost, and the next ones."""
        oldest = self.count - len(self._events)
        lost = max(0, oldest - number)
        start = number + lost - oldest
        return lost, list(islice(self._events, start, start + MAX_TICK_EVENTS))


class EventSource:
    """The source of one stream of events: events of all services or of one, and rates.

    Each event has an id. A client that sends it in `Last-Event-ID` continues there. A client that
    reads too slowly, or was away too long, gets the number of events that it missed. Only the
    latest rates are sent.
    """

    def __init__(self, feed: Feed, rates: Callable[[], object], service: str, last: str) -> None:
        self._feed = feed
        self._rates = rates
        self._service = service
        self._sentRates: object = None
        life, _, number = last.partition("-")
        isKnown = life == feed.life and number.isascii() and number.isdecimal()
        self._number = min(int(number), feed.count) if isKnown else feed.count

    def more(self) -> bytes:
        lost, events = self._feed.after(self._number)
        self._number += lost
        ahead = time.time() - time.monotonic()
        messages = [message("missed", {"events": lost}, self._id())] if lost else []
        for event in events:
            self._number += 1
            if self._service in ("", event.service):
                messages.append(written(_kind(event), line(event, event.at + ahead), self._id()))
        rates = self._rates()
        if rates is not self._sentRates:
            self._sentRates = rates
            messages.append(message("rates", rates))
        return b"".join(messages)

    def _id(self) -> str:
        return f"{self._feed.life}-{self._number}"


def _kind(event: Event) -> str:
    return type(event).__name__.lower()
