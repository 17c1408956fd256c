"""What happens to connections, as it happens, for whoever watches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from secrets import token_hex
from typing import Any

from twistednet.admin.sse import message, written
from twistednet.events.jsonlines import line
from twistednet.events.model import Event, Opened, Refused

#: Events that somebody who was away for a moment can still have.
KEPT = 4_000
#: Events that one look gives to a reader.
AT_ONCE = 250


class Feed:
    """A sink that keeps the latest events, as they are: text is made for who reads it.

    Numbers go on for as long as the daemon lives; `life` tells it from another one.
    """

    def __init__(self) -> None:
        self.life = token_hex(4)
        self.count = 0
        self._events: deque[Event] = deque(maxlen=KEPT)

    def __call__(self, event: Event) -> None:
        self._events.append(event)
        self.count += 1

    def opened(self, service: str, peer: str) -> int | None:
        """The connection, among the latest, of this service and peer; 0 if it was refused."""
        for event in islice(reversed(self._events), 500):
            if (event.service, event.peer) == (service, peer):
                if isinstance(event, Opened):
                    return event.connection
                if isinstance(event, Refused):
                    return 0
        return None

    def after(self, number: int) -> tuple[int, list[Event]]:
        """How many after the event with this number are lost, and the next ones."""
        oldest = self.count - len(self._events)
        lost = max(0, oldest - number)
        start = number + lost - oldest
        return lost, list(islice(self._events, start, start + AT_ONCE))


class EventSource:
    """One reader of the feed: events of all services or of one, and rates.

    Events come with an id; who names it in `Last-Event-ID` reads on from there. Who reads
    too slowly, or was away too long, is told how many events it missed. Of rates only the
    latest are told.
    """

    def __init__(self, feed: Feed, rates: Callable[[], Any], service: str, last: str) -> None:
        self._feed = feed
        self._rates = rates
        self._service = service
        self._told: Any = None
        life, _, number = last.partition("-")
        isKnown = life == feed.life and number.isascii() and number.isdecimal()
        self._number = min(int(number), feed.count) if isKnown else feed.count

    def more(self) -> bytes:
        lost, events = self._feed.after(self._number)
        self._number += lost
        ahead = time.time() - time.monotonic()
        told = [message("missed", {"events": lost}, self._id())] if lost else []
        for event in events:
            self._number += 1
            if self._service in ("", event.service):
                told.append(written(_kind(event), line(event, event.at + ahead), self._id()))
        rates = self._rates()
        if rates is not self._told:
            self._told = rates
            told.append(message("rates", rates))
        return b"".join(told)

    def _id(self) -> str:
        return f"{self._feed.life}-{self._number}"


def _kind(event: Event) -> str:
    return type(event).__name__.lower()
