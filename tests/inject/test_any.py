"""Any faults: connections end in a way that is told, nothing leaks, and others are exact."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.faults.test_rules import rules
from tests.inject.test_datagrams import ANNA, PortTestCase
from tests.inject.test_streams import FaultTestCase, HalfCloseable, Pouring
from twistednet.events.model import Closed, Event, Faulted
from twistednet.faults.grammar import parse
from twistednet.services.echo import Echo
from twistednet.transport.closing import undelivered

_FEW = st.integers(1, 5)
#: Values so small that a rule is met, and done with within a day.
SMALL: dict[str, Any] = {
    "TIME": st.sampled_from([0.000001, 0.5, 1.0, 30.0]),
    "SIZE": st.sampled_from([1, 7, 50, 20_000]),
    "RATE": st.sampled_from([1, 100, 10**6]),
    "N": _FEW,
    "NUMBER": st.integers(0, 100),
    "NTH": _FEW,
    "PERCENT": st.sampled_from([1.0, 50.0, 100.0]),
    "NETWORK": st.none(),
    "TEXT": st.sampled_from(["a", "ab"]),
}
#: What keeps a connection that the client is done with, until it is idle for too long.
HOLDING = {"never close", "stop reading"}
#: A peer whom no rule concerns.
FREE = ("127.0.0.2", 40_000)
WAYS = r"^(client FIN|client RST|connection lost|service|idle|fault [a-z -]+)$"


class Strict:
    """Is told of everything once and in order, or raises."""

    state = "new"

    def _turn(self, before: str, after: str) -> None:
        assert self.state == before, (self.state, after)
        self.state = after

    def connectionMade(self) -> None:
        self._turn("new", "open")
        super().connectionMade()  # type: ignore[misc]

    def dataReceived(self, data: bytes) -> None:
        self._turn("open", "open")
        super().dataReceived(data)  # type: ignore[misc]

    def connectionLost(self, reason: Any = None) -> None:
        self._turn("open", "lost")


class Echoing(Strict, Echo):
    """Answers."""


class Answering(Strict, HalfCloseable):
    """Says something at the client's FIN only."""


class Leaving(Strict, Echo):
    """Answers once, and closes."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.loseConnection()


class Aborting(Strict, Echo):
    """Answers once, and resets the connection."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.abortConnection()


class Much(Strict, Pouring):
    """Has more to say than may wait."""

    ENOUGH = 40_000


SERVICES = (Echoing, Answering, Leaving, Aborting, Much)
CHUNKS = st.binary(min_size=1, max_size=50) | st.sampled_from([b"a", b"ab", b"ab" * 10_000])


def texts(carrier: str, service: str) -> st.SearchStrategy[str]:
    """Rules for this service whose draws are the same each time."""
    drawn = st.tuples(rules(carrier, SMALL, most=2), _FEW)
    return drawn.map(lambda pair: str(replace(pair[0], service=service, seed=pair[1])))


def sockets() -> int:
    """How many sockets this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of listdir is gone
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count


def acts(faults: list[Any]) -> Counter[str]:
    """How often each rule has acted, by its own count."""
    counts: Counter[str] = Counter()
    for fault in faults:
        counts[str(fault)] += fault.acted
    return +counts


def told(events: list[Event]) -> Counter[str]:
    """How often each rule has acted, as was told."""
    return Counter(one.rule for one in events if isinstance(one, Faulted))


def numbers(count: int) -> st.SearchStrategy[list[bytes]]:
    """Up to so many datagrams, none like another."""
    return st.integers(0, count).map(lambda most: [b"%d a" % number for number in range(most)])


class AnyStreamTests(FaultTestCase):
    """Connections under any rules, which may change; beside one that no rule concerns."""

    #: How often any rule has acted, so that nothing is proven by none.
    acts = 0
    ruled = st.lists(texts("stream", "echo"), max_size=3)

    @settings(max_examples=100, deadline=None)
    @example(Answering, ["echo: reset after 1 byte, seed 1"], [], "close")
    @example(Echoing, ["echo: latency 30s, seed 1"], [(b"abc", None)], "reset")
    @given(
        st.sampled_from(SERVICES),
        ruled,
        st.lists(st.tuples(CHUNKS, st.none() | ruled), max_size=4),
        st.sampled_from(["close", "shutdown", "reset"]),
    )
    def test_any(
        self,
        service: type[Any],
        asked: list[str],
        events: list[tuple[bytes, list[str] | None]],
        end: str,
    ) -> None:
        """Whatever the service and the client do, and however the client ends."""
        self.begin()
        self.faults: list[Any] = []
        before = sockets()
        self.force(asked)
        protocol = service()
        client, stream = self.serve(protocol)
        other, unhit = self.serve(Echo(), "other")
        client.setblocking(False)
        for chunk, others in events:
            with contextlib.suppress(OSError):
                client.send(chunk)
            other.sendall(chunk)
            if others is not None:
                self.force(others)
            self.later(client, stream, 1)
        self.end(client, stream, end)
        other.shutdown(socket.SHUT_WR)
        self.assertEqual(b"".join(chunk for chunk, _ in events), self.readAll(other))
        other.close()
        self.turned()
        self.check(protocol, [stream, unhit])
        self.assertEqual(before, sockets())

    def begin(self) -> None:
        super().begin()
        # What an example that failed has left is not the next one's.
        self.loop.readers.clear()
        self.loop.writers.clear()
        for call in self.loop.getDelayedCalls():
            call.cancel()

    def force(self, asked: list[str]) -> None:
        """These are in force from now on."""
        inForce = self.connections.faults
        inForce.replace([parse(rule) for rule in asked])
        self.faults += [fault for fault in inForce.active if fault not in self.faults]

    def later(
        self, client: socket.socket, stream: Any, seconds: float, wait: float = 0.001
    ) -> None:
        """Time passes, and the client reads; of a connection that is gone nothing waits."""
        self.loop.turn(wait)
        if stream.disconnected:
            self.nothingWaits()
        self.loop.advance(seconds)
        with contextlib.suppress(OSError):
            while client.recv(65536):
                pass

    def nothingWaits(self) -> None:
        """But for a rule that is to run out."""
        self.force([])
        self.assertEqual([], self.loop.getDelayedCalls())

    def end(self, client: socket.socket, stream: Any, how: str) -> None:
        """The client is done; what keeps the connection all the same is ended as if idle."""
        if how == "shutdown":
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_WR)
            self.days(client, stream)
        elif how == "reset":
            linger = struct.pack("ii", 1, 0)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.close()
        self.days(client, stream)
        if not stream.disconnected:
            kinds = {fault.rule.kind.name for fault in self.faults}
            self.assertFalse(HOLDING.isdisjoint(kinds), kinds)
            next(one for one in self.connections if one.transport is stream).abort("idle")

    def days(self, client: socket.socket, stream: Any) -> None:
        """As many as it takes, and no more than some."""
        for _ in range(20):
            if stream.disconnected:
                return
            # A client's system may take its time to say that it has got something.
            self.later(client, stream, 86_400, 0.05 if undelivered(stream) else 0.001)

    def check(self, protocol: Strict, streams: list[Any]) -> None:
        """Nothing is left; all that has happened was told, and nothing was an error."""
        self.assertEqual([True, True], [bool(stream.disconnected) for stream in streams])
        self.assertIn(protocol.state, ("new", "lost"))
        self.assertEqual(0, len(self.connections))
        self.nothingWaits()
        self.assertEqual((set(), set()), (self.loop.readers, self.loop.writers))
        reasons = [one.reason for one in self.told if isinstance(one, Closed)]
        self.assertEqual(2, len(reasons))
        for reason in reasons:
            self.assertRegex(reason, WAYS)
        self.assertEqual(acts(self.faults), told(self.told))
        self.acts += len(told(self.told))
        self.assertEqual([], self.flushLoggedErrors())

    def tearDown(self) -> None:
        self.assertTrue(self.acts)


class AnyDatagramTests(PortTestCase):
    """Datagrams under any rules, which may change; beside a peer whom no rule concerns.

    The test is the reactor, too, and the other port that it is asked for.
    """

    acts = 0
    ruled = st.lists(texts("datagram", "datagram"), max_size=3)

    def begin(self) -> None:
        super().begin()
        self.reactor = self
        self.ports = 0

    def listenUDP(self, port: int, protocol: Any, interface: str) -> AnyDatagramTests:
        self.ports += 1
        return self

    def stopListening(self) -> None:
        self.ports -= 1

    @settings(max_examples=100, deadline=None)
    @given(ruled, numbers(20), ruled, numbers(20))
    def test_any(
        self, asked: list[str], first: list[bytes], others: list[str], second: list[bytes]
    ) -> None:
        """Each comes as often as is told, and late at most; in the end nothing waits."""
        self.begin()
        faults: list[Any] = []
        for ruled, datagrams in ((asked, first), (others, second)):
            self.faulting.replace([parse(f"{rule}, from {ANNA[0]}") for rule in ruled])
            faults += [fault for fault in self.faulting.active if fault not in faults]
            for datagram in datagrams:
                self.exchange(datagram)
                self.assertEqual([datagram], self.exchange(datagram, address=FREE))
            self.clock.advance(0.01)
        # What was late may then be held for the next one.
        self.clock.pump([86_400, 86_400])
        self.check(faults, first + second)
        self.guarded.doStop()
        self.faulting.replace([])
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual(([], 0), (self.faulting.observers, self.ports))

    def check(self, faults: list[Any], datagrams: list[bytes]) -> None:
        """What came back of these is as many as was told, and whole where nothing harmed it."""
        acted: Counter[str] = Counter()
        for fault in faults:
            acted[fault.rule.kind.name] += fault.acted
        back = [datagram for datagram, address in self.sent if address == ANNA]
        expected = len(datagrams) + acted["duplicate"] - acted["loss"] - acted["drop"]
        self.assertEqual(expected, len(back))
        if not (acted["corrupt"] or acted["truncate"]):
            self.assertLessEqual(set(back), set(datagrams))
        self.assertEqual(acts(faults), told(self.told))
        self.acts += len(told(self.told))

    def tearDown(self) -> None:
        self.assertTrue(self.acts)
