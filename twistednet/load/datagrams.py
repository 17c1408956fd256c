"""Load over datagrams: each socket has one under way, numbered, that may get lost."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any

from twisted.internet.protocol import DatagramProtocol

from twistednet.load.pacing import Schedule, Sender
from twistednet.load.tally import LoadTally

#: Seconds without a reply after which a datagram is given up.
LOST_AFTER = 1.0
#: Bytes of a datagram's number.
NUMBER = 8


class DatagramLoad(Sender, DatagramProtocol):
    """One socket. A reply that comes after its datagram was given up is late."""

    noisy = False
    transport: Any

    def __init__(
        self,
        reactor: Any,
        address: tuple[str, int],
        size: int,
        schedule: Schedule,
        tally: LoadTally,
    ) -> None:
        super().__init__(reactor, schedule)
        self._address = address
        self._filling = b"x" * (max(size, NUMBER) - NUMBER)
        self._tally = tally
        self._number = 0
        self._sent = b""
        self._abandoned: set[bytes] = set()

    def send(self) -> None:
        self._number += 1
        self._sent = self._number.to_bytes(NUMBER, "big") + self._filling
        self._tally.sent += 1
        try:
            self.transport.write(self._sent, self._address)
        except OSError as error:
            self._tally.errors[(error.strerror or "not sent").lower()] += 1

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        now = perf_counter_ns()
        if datagram == self._sent and self.waiting:
            self._tally.answer(now - self.since)
            self.next(now)
        elif datagram in self._abandoned:
            self._abandoned.remove(datagram)
            self._tally.late += 1
        else:
            self._tally.errors["twice" if datagram == self._sent else "wrong answer"] += 1

    def connectionRefused(self) -> None:
        self._tally.errors["connection refused"] += 1

    def stopProtocol(self) -> None:
        self.end()

    def giveUp(self, now: int) -> None:
        """Called now and then: is the datagram that is under way lost?"""
        if self.waiting and now - self.since > LOST_AFTER * 1e9:
            self._abandoned.add(self._sent)
            self.next(now)
