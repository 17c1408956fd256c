"""Any faults: each connection has an end with a reason, nothing leaks, and others are exact."""

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
#: Values so small that a rule applies, and is over within a day.
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
#: Kinds that keep a connection after the client's end, until it is idle for too long.
HOLDING = {"never close", "stop reading"}
#: A peer that no rule matches.
FREE = ("127.0.0.2", 40_000)
WAYS = r"^(client FIN|client RST|connection lost|service|idle|fault [a-z -]+)$"


class Strict:
    """A protocol that raises if it is called twice or out of order."""

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
    """Echoes."""


class Answering(Strict, HalfCloseable):
    """Replies to the client's FIN alone."""


class Leaving(Strict, Echo):
    """Replies once, and closes."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.loseConnection()


class Aborting(Strict, Echo):
    """Replies once, and resets the connection."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.abortConnection()


class Much(Strict, Pouring):
    """Writes more than may wait."""

    ENOUGH = 40_000


SERVICES = (Echoing, Answering, Leaving, Aborting, Much)
CHUNKS = st.binary(min_size=1, max_size=50) | st.sampled_from([b"a", b"ab", b"ab" * 10_000])


def texts(carrier: str, service: str) -> st.SearchStrategy[str]:
    """Draw rules for this service with given seeds."""
    drawn = st.tuples(rules(carrier, SMALL, most=2), _FEW)
    return drawn.map(lambda pair: str(replace(pair[0], service=service, seed=pair[1])))


def sockets() -> int:
    """Return how many sockets this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the descriptor of listdir is closed
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count


def acts(faults: list[Any]) -> Counter[str]:
    """Return how often each rule has acted, by its own count."""
    counts: Counter[str] = Counter()
    for fault in faults:
        counts[str(fault)] += fault.acted
    return +counts


def reported(events: list[Event]) -> Counter[str]:
    """Return how often each rule has acted, by its events."""
    return Counter(one.rule for one in events if isinstance(one, Faulted))


def numbers(count: int) -> st.SearchStrategy[list[bytes]]:
    """Draw up to this many datagrams, all different."""
    return st.integers(0, count).map(lambda most: [b"%d a" % number for number in range(most)])


class AnyStreamTests(FaultTestCase):
    """A connection under any rules, which may change, and one that no rule applies to."""

    #: How often any rule has acted: without one the test would prove nothing.
    acts = 0
    ruleLists = st.lists(texts("stream", "echo"), max_size=3)

    @settings(max_examples=100, deadline=None)
    @example(Answering, ["echo: reset after 1 byte, seed 1"], [], "close")
    @example(Echoing, ["echo: latency 30s, seed 1"], [(b"abc", None)], "reset")
    @given(
        st.sampled_from(SERVICES),
        ruleLists,
        st.lists(st.tuples(CHUNKS, st.none() | ruleLists), max_size=4),
        st.sampled_from(["close", "shutdown", "reset"]),
    )
    def test_any(
        self,
        service: type[Any],
        texts: list[str],
        events: list[tuple[bytes, list[str] | None]],
        end: str,
    ) -> None:
        """Whatever the service and the client do, and however the client ends."""
        self.begin()
        self.faults: list[Any] = []
        before = sockets()
        self.replaceRules(texts)
        protocol = service()
        client, stream = self.serve(protocol)
        other, otherStream = self.serve(Echo(), "other")
        client.setblocking(False)
        for chunk, others in events:
            with contextlib.suppress(OSError):
                client.send(chunk)
            other.sendall(chunk)
            if others is not None:
                self.replaceRules(others)
            self.later(client, stream, 1)
        self.end(client, stream, end)
        other.shutdown(socket.SHUT_WR)
        self.assertEqual(b"".join(chunk for chunk, _ in events), self.readAll(other))
        other.close()
        self.turned()
        self.check(protocol, [stream, otherStream])
        self.assertEqual(before, sockets())

    def begin(self) -> None:
        super().begin()
        # A failed example leaves nothing for the next one.
        self.loop.readers.clear()
        self.loop.writers.clear()
        for call in self.loop.getDelayedCalls():
            call.cancel()

    def replaceRules(self, texts: list[str]) -> None:
        """Make these the active rules."""
        injector = self.connections.faults
        injector.replace([parse(text) for text in texts])
        self.faults += [fault for fault in injector.active if fault not in self.faults]

    def later(
        self, client: socket.socket, stream: Any, seconds: float, wait: float = 0.001
    ) -> None:
        """Let time pass, and let the client read. A lost connection leaves no timer."""
        self.loop.turn(wait)
        if stream.disconnected:
            self.nothingWaits()
        self.loop.advance(seconds)
        with contextlib.suppress(OSError):
            while client.recv(65536):
                pass

    def nothingWaits(self) -> None:
        """Check that no timer is left but that of a rule's end."""
        self.replaceRules([])
        self.assertEqual([], self.loop.getDelayedCalls())

    def end(self, client: socket.socket, stream: Any, how: str) -> None:
        """End the client. A connection that a fault keeps is ended as if it were idle."""
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
        """Let days pass until the connection is lost, at most 20."""
        for _ in range(20):
            if stream.disconnected:
                return
            # The client's kernel may acknowledge data late.
            self.later(client, stream, 86_400, 0.05 if undelivered(stream) else 0.001)

    def check(self, protocol: Strict, streams: list[Any]) -> None:
        """Check that nothing is left, that every end was reported, and that nothing was logged."""
        self.assertEqual([True, True], [bool(stream.disconnected) for stream in streams])
        self.assertIn(protocol.state, ("new", "lost"))
        self.assertEqual(0, len(self.connections))
        self.nothingWaits()
        self.assertEqual((set(), set()), (self.loop.readers, self.loop.writers))
        reasons = [one.reason for one in self.published if isinstance(one, Closed)]
        self.assertEqual(2, len(reasons))
        for reason in reasons:
            self.assertRegex(reason, WAYS)
        self.assertEqual(acts(self.faults), reported(self.published))
        self.acts += len(reported(self.published))
        self.assertEqual([], self.flushLoggedErrors())

    def tearDown(self) -> None:
        self.assertTrue(self.acts)


class AnyDatagramTests(PortTestCase):
    """Datagrams under any rules, which may change, and of a peer that no rule applies to.

    The test is the reactor too, and the other port that is opened.
    """

    acts = 0
    ruleLists = st.lists(texts("datagram", "datagram"), max_size=3)

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
    @given(ruleLists, numbers(20), ruleLists, numbers(20))
    def test_any(
        self, texts: list[str], first: list[bytes], others: list[str], second: list[bytes]
    ) -> None:
        """As many come back as the events say, some of them late; nothing waits in the end."""
        self.begin()
        faults: list[Any] = []
        for current, datagrams in ((texts, first), (others, second)):
            self.injector.replace([parse(f"{rule}, from {ANNA[0]}") for rule in current])
            faults += [fault for fault in self.injector.active if fault not in faults]
            for datagram in datagrams:
                self.exchange(datagram)
                self.assertEqual([datagram], self.exchange(datagram, address=FREE))
            self.clock.advance(0.01)
        # A delayed datagram may then be held for the next one.
        self.clock.pump([86_400, 86_400])
        self.check(faults, first + second)
        self.guarded.doStop()
        self.injector.replace([])
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual(([], 0), (self.injector.observers, self.ports))

    def check(self, faults: list[Any], datagrams: list[bytes]) -> None:
        """Check that as many came back as the events say, unchanged unless a rule changed them."""
        acted: Counter[str] = Counter()
        for fault in faults:
            acted[fault.rule.kind.name] += fault.acted
        back = [datagram for datagram, address in self.sent if address == ANNA]
        expected = len(datagrams) + acted["duplicate"] - acted["loss"] - acted["drop"]
        self.assertEqual(expected, len(back))
        if not (acted["corrupt"] or acted["truncate"]):
            self.assertLessEqual(set(back), set(datagrams))
        self.assertEqual(acts(faults), reported(self.published))
        self.acts += len(reported(self.published))

    def tearDown(self) -> None:
        self.assertTrue(self.acts)
