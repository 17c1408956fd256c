"""Load over datagrams: each socket has one under way, numbered, that may get lost."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any

from twisted.internet.protocol import DatagramProtocol

from twistednet.client.load.streams import Schedule, cancel
from twistednet.client.load.tally import Tally

#: Seconds without a reply after which a datagram is given up.
LOST_AFTER = 1.0
#: Bytes of a datagram's number.
NUMBER = 8


class NumberedDatagrams(DatagramProtocol):
    """One socket. A reply that comes after its datagram was given up is late."""

    noisy = False
    transport: Any

    def __init__(
        self, reactor: Any, address: tuple[str, int], size: int, schedule: Schedule, tally: Tally
    ) -> None:
        self._reactor = reactor
        self._address = address
        self._filling = b"x" * (max(size, NUMBER) - NUMBER)
        self._schedule = schedule
        self._tally = tally
        self._number = 0
        self._sent = b""
        self._due = 0
        self._later: Any = None
        self._abandoned: set[bytes] = set()
        self.waiting = False

    def begin(self, due: int) -> None:
        self._due = due
        self._send()

    def _send(self) -> None:
        self._number += 1
        self._sent = self._number.to_bytes(NUMBER, "big") + self._filling
        self._tally.sent += 1
        self.waiting = True
        try:
            self.transport.write(self._sent, self._address)
        except OSError as error:
            self._tally.errors[(error.strerror or "not sent").lower()] += 1

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        now = perf_counter_ns()
        if datagram == self._sent and self.waiting:
            self.waiting = False
            self._tally.answer(now - self._due)
            if self._schedule.running:
                self._next(now)
        elif datagram in self._abandoned:
            self._abandoned.remove(datagram)
            self._tally.late += 1
        else:
            self._tally.errors["twice" if datagram == self._sent else "wrong answer"] += 1

    def connectionRefused(self) -> None:
        self._tally.errors["connection refused"] += 1

    def stopProtocol(self) -> None:
        cancel(self._later)

    def giveUp(self, now: int) -> None:
        """Called now and then: is the datagram that is under way lost?"""
        if self.waiting and now - self._due > LOST_AFTER * 1e9:
            self.waiting = False
            self._abandoned.add(self._sent)
            if self._schedule.running:
                self._next(now)

    def _next(self, now: int) -> None:
        interval = self._schedule.interval
        self._due = self._due + interval if interval else now
        if self._due <= now:
            self._send()
        else:
            self._later = self._reactor.callLater((self._due - now) / 1e9, self._sendIfOn)

    def _sendIfOn(self) -> None:
        if self._schedule.running:
            self._send()
