"""Faults in numbers: order and count of 10,000 datagrams, times, rates, probabilities."""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import time
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import PATIENCE
from tests.support.servers import serve
from twistednet.faults.active import ActiveFault
from twistednet.faults.grammar import parse

COUNT = 10_000
SENT = [b"%05d" % number + bytes(range(27)) for number in range(COUNT)]
#: Where windows of datagrams begin and end: no more are under way than any socket's buffer
#: holds, and none ends with a tenth one, which may have to wait for its successor.
ENDS = (0, *range(5, COUNT, 100), COUNT)

#: Addresses that rules match, and one that none matches.
MEANT, UNHIT = "127.0.0.2", "127.0.0.1"
_KINDS = {"echo": socket.SOCK_STREAM, "datagram": socket.SOCK_DGRAM}
#: A datagram, and the port that it came from.
Reply = tuple[bytes, int]


def isUsual(count: int, of: int, percent: float) -> bool:
    """True if the count is within 3 sigma of the probability."""
    share = percent / 100
    return abs(count - of * share) <= 3 * (of * share * (1 - share)) ** 0.5


def drawn(percent: float, seed: int) -> set[bytes]:
    """Return the datagrams that a fault acts on with this probability: one draw each."""
    draws = Random(seed)
    return {datagram for datagram in SENT if draws.random() * 100 < percent}


def clientAt(case: SynchronousTestCase, host: str, kind: int) -> socket.socket:
    """Return a socket at this loopback address, which is closed with the test."""
    sock = socket.socket(socket.AF_INET, kind)
    case.addCleanup(sock.close)
    sock.settimeout(PATIENCE)
    sock.bind((host, 0))
    return sock


class DatagramTests(SynchronousTestCase):
    """10,000 numbered datagrams over a real socket, each accounted for."""

    def exchange(self, *rules: str, source: str = MEANT, count: int = 0) -> list[Reply]:
        """Return all that came back, in order; wait for delayed ones until there are `count`."""
        self.server = serve(self, "datagram", faults=[f"{rule}, from {MEANT}" for rule in rules])
        there = self.server.host, self.server.port
        sock = clientAt(self, source, socket.SOCK_DGRAM)
        probe = clientAt(self, UNHIT, socket.SOCK_DGRAM)
        replies: list[Reply] = []
        for begin, end in pairwise(ENDS):
            for datagram in SENT[begin:end]:
                sock.sendto(datagram, there)
            # The service reads in order: it has answered all before this one.
            probe.sendto(b"?", there)
            probe.recv(100)
            replies += self.waiting(sock)
        while len(replies) < count:
            data, address = sock.recvfrom(100)
            replies.append((data, address[1]))
        arrived = [one for one in self.server.datagrams if one != b"?"]
        self.assertEqual(SENT, arrived, "lost by a buffer of the kernel")
        return replies

    def waiting(self, sock: socket.socket) -> list[Reply]:
        """Return what has arrived."""
        replies = []
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                data, address = sock.recvfrom(100)
                replies.append((data, address[1]))
        sock.settimeout(PATIENCE)
        return replies

    def acted(self) -> Counter[str]:
        """Return how often each kind has acted, by the events."""
        return Counter(re.findall(r"(?m)^#\d+ fault ([^:]+): ", self.server.journal()))

    def check(self, expected: list[bytes], acted: dict[str, int], *rules: str) -> None:
        """Check that exactly these come back, in this order, from the service's port."""
        replies = self.exchange(*rules, count=len(expected))
        self.assertEqual([(one, self.server.port) for one in expected], replies, rules)
        self.assertEqual(acted, self.acted(), rules)

    def test_none(self) -> None:
        """A client that no rule matches loses none, and gets none late or twice."""
        replies = self.exchange("loss 100%", source=UNHIT)
        self.assertEqual([(one, self.server.port) for one in SENT], replies)
        self.assertEqual({}, self.acted())

    def test_loss(self) -> None:
        """Exactly those are lost that the seed chooses."""
        for rule, seed in (("loss 30%", 7), ("drop, 30%, in", 8)):
            lost = drawn(30, seed)
            self.assertTrue(isUsual(len(lost), COUNT, 30))
            left = [one for one in SENT if one not in lost]
            self.check(left, {rule[:4]: len(lost)}, f"{rule}, seed {seed}")
        self.assertNotEqual(drawn(30, 7), drawn(30, 8))

    def test_duplicate(self) -> None:
        """The second copy follows the first at once."""
        doubled = drawn(5, 7)
        expected = [copy for one in SENT for copy in [one] * (2 if one in doubled else 1)]
        self.check(expected, {"duplicate": len(doubled)}, "duplicate, 5%, seed 7")

    def test_reorder(self) -> None:
        """Neighbours swap; the last one, which has none, comes at the end."""
        expected = SENT[:]
        for number in range(9, COUNT - 1, 10):
            expected[number : number + 2] = reversed(expected[number : number + 2])
        self.check(expected, {"reorder": COUNT // 10}, "reorder, every 10th")

    def test_truncate(self) -> None:
        """Every second one has its first bytes only."""
        expected = [one if number % 2 else one[:6] for number, one in enumerate(SENT, 1)]
        self.check(expected, {"truncate": COUNT // 2}, "truncate to 6 bytes, every 2nd")

    def test_several(self) -> None:
        """The second rule counts what the first one lets pass."""
        left = [one for number, one in enumerate(SENT, 1) if number % 3]
        expected = [copy for n, one in enumerate(left, 1) for copy in [one] * (1 + (n % 5 == 0))]
        acted = {"drop": COUNT // 3, "duplicate": len(left) // 5}
        self.check(expected, acted, "drop, every 3rd", "duplicate, every 5th")

    def test_corrupt(self) -> None:
        """All come in order.

        A changed byte differs in one bit, and as many change as the probability says.
        """
        replies = self.exchange("corrupt 1%, seed 7")
        changed = [
            [before ^ after for before, after in zip(one, data, strict=True)]
            for one, (data, _) in zip(SENT, replies, strict=True)
        ]
        hit = [byte.bit_count() for one in changed for byte in one if byte]
        self.assertEqual({1}, set(hit))
        self.assertTrue(isUsual(len(hit), COUNT * len(SENT[0]), 1), len(hit))
        self.assertEqual({"corrupt": sum(map(any, changed))}, self.acted())

    def test_delay(self) -> None:
        """Every third is late, none is lost, and the order within each group is kept."""
        replies = [data for data, _ in self.exchange("delay 20ms, every 3rd", count=COUNT)]
        late = set(SENT[2::3])
        self.assertEqual(SENT[2::3], [one for one in replies if one in late])
        self.assertEqual(
            [one for one in SENT if one not in late], [one for one in replies if one not in late]
        )
        self.assertNotEqual(SENT, replies)
        self.assertEqual({"delay": len(late)}, self.acted())

    def test_wrongPort(self) -> None:
        """Every fourth comes from another port, always the same one."""
        replies = self.exchange("wrong port, every 4th")
        (astray,) = {port for _, port in replies} - {self.server.port}
        expected = {
            astray: SENT[3::4],
            self.server.port: [one for number, one in enumerate(SENT, 1) if number % 4],
        }
        for port, datagrams in expected.items():
            self.assertEqual(datagrams, [data for data, by in replies if by == port])
        self.assertEqual({"wrong port": COUNT // 4}, self.acted())


class TimeTests(SynchronousTestCase):
    """Times and rates, by the client's clock."""

    def test_latency(self) -> None:
        """Never less than the rule says, and at most 10 % or 2 ms more if the machine is idle."""
        for service in ("echo", "datagram"):
            for rule, least in {"latency 10ms": 0.01, "latency 60ms, in": 0.06}.items():
                most = least + max(0.002, least / 10)
                took = self.times(service, rule, most)
                self.assertGreaterEqual(min(took), least, (service, rule))
                self.assertLess(min(took), most, (service, rule))

    def times(self, service: str, rule: str, most: float) -> list[float]:
        """Return the seconds of round trips: five, or up to a hundred if none was quick enough."""
        server = serve(self, service, faults=[rule])
        sock = clientAt(self, MEANT, _KINDS[service])
        sock.connect((server.host, server.port))
        times: list[float] = []
        while len(times) < 5 or (min(times) >= most and len(times) < 100):
            begun = time.monotonic()
            sock.send(b"x")
            sock.recv(9)
            times.append(time.monotonic() - begun)
        return times

    @pytest.mark.slow
    def test_rate(self) -> None:
        """Within 5 % over 10 s, in both directions."""
        rules = {
            "127.0.0.2": ("rate 20kB/s", 20_000),
            "127.0.0.3": ("rate 20kB/s, in", 20_000),
            "127.0.0.4": ("rate 1MB/s", 1_000_000),
            "127.0.0.5": ("rate 1MB/s, in", 1_000_000),
        }
        faults = [f"{rule}, from {host}" for host, (rule, _) in rules.items()]
        server = serve(self, "echo", faults=faults)
        clients = {host: clientAt(self, host, socket.SOCK_STREAM) for host in rules}
        for sock in clients.values():
            sock.connect((server.host, server.port))
        rates = poured(clients, seconds=10.1)
        for host, (rule, rate) in rules.items():
            self.assertApproximates(rate, rates[host], rate * 0.05, rule)


def poured(clients: dict[str, socket.socket], seconds: float) -> dict[str, float]:
    """Return the bytes a second that come back to each client, while all send at full speed."""
    got = dict.fromkeys(clients, 0)
    begun: dict[str, float] = {}
    last: dict[str, float] = {}
    with selectors.DefaultSelector() as selector:
        for name, sock in clients.items():
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, name)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, events in selector.select(seconds):
                sock, name = clients[key.data], key.data
                if events & selectors.EVENT_WRITE:
                    with contextlib.suppress(BlockingIOError):
                        sock.send(bytes(65536))
                if events & selectors.EVENT_READ:
                    size = len(sock.recv(1 << 20))
                    last[name] = time.monotonic()
                    # The first bytes belong to no interval.
                    got[name] += size if name in begun else 0
                    begun.setdefault(name, last[name])
    return {name: got[name] / (last[name] - begun[name]) for name in clients}


class ProbabilityTests(SynchronousTestCase):
    """What is drawn, with any seed."""

    def test_seeds(self) -> None:
        """Within 3 sigma over 10,000, for each seed."""
        for seed in range(20):
            for percent in (0.5, 30, 99):
                fault = ActiveFault(parse(f"echo: drop, {percent}%"), seed, 0.0)
                chosen = sum(fault.choose() for _ in range(COUNT))
                self.assertTrue(isUsual(chosen, COUNT, percent), (seed, percent, chosen))
