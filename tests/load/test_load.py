"""`netdemo load`: counts, and latencies corrected for coordinated omission."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any, ClassVar

import pytest
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from twistednet import testing
from twistednet.client import Target
from twistednet.client.reactors import theReactor
from twistednet.load import LoadTally, datagrams, load, loadTraffic, pacing
from twistednet.load.pacing import Schedule, Sender

reactor = theReactor()
TRAFFIC = loadTraffic()
MS = 1_000_000

#: A server that takes 20 ms for each answer, and so fixes the rate for every client.
STEADY = """
import sys
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

class Steady(Protocol):
    def dataReceived(self, data):
        http = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok"
        answer = http if data.startswith(b"GET ") else data
        reactor.callLater(0.02, self.transport.write, answer)

port = reactor.listenTCP(0, Factory.forProtocol(Steady), interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
"""


class TallyTests(SynchronousTestCase):
    """Correction for coordinated omission."""

    def test_stall(self) -> None:
        """One stall of 1 s among answers of 1 ms: the messages not sent meanwhile count.

        1,000 answers of 1 ms and one of 1 s take 2 s in all. The messages left out
        would have waited 998, 996, ... ms: for half of the time no answer came, so
        a third of all messages, at one every 2 ms, waited over 1 ms.
        """
        tally = LoadTally(connections=1, seconds=2.0)
        for _ in range(1000):
            tally.answer(1 * MS)
        tally.answer(int(999.5 * MS))
        self.assertLess(tally.measured.get_value_at_percentile(99), 2 * MS)
        corrected = tally.latencies()
        self.assertApproximates(corrected.get_total_count(), 1500, 5)
        self.assertApproximates(corrected.get_value_at_percentile(90) / MS, 700, 10)
        self.assertGreaterEqual(corrected.get_min_value(), 0.99 * MS)

    def test_rate(self) -> None:
        """At a rate, latency counts from when a message was due: none is put back."""
        tally = LoadTally(connections=1, seconds=2.0, rate=500)
        tally.answer(1000 * MS)
        self.assertEqual(tally.latencies().get_total_count(), 1)


class _Sent(Sender):
    """Records from when the latency of each message counts."""

    def __init__(self, clock: Clock, interval: int) -> None:
        super().__init__(clock, Schedule(interval))
        self.sent: list[int] = []

    def send(self) -> None:
        self.sent.append(self.since)


class PacingTests(SynchronousTestCase):
    """The time from which the latency of a message counts."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.patch(pacing, "perf_counter_ns", self.now)
        self.sender = _Sent(self.clock, 10 * MS)

    def now(self) -> int:
        return round(self.clock.seconds() * 1000 * MS)

    def test_timerALittleLate(self) -> None:
        """The resolution of a timer does not count as latency of the server."""
        self.sender.begin(10 * MS)
        self.clock.advance(0.0109)
        self.assertEqual(self.sender.sent, [10.9 * MS])

    def test_scheduleKept(self) -> None:
        """A late timer delays one message, and not those after it."""
        self.sender.begin(10 * MS)
        self.clock.advance(0.0109)
        self.sender.next(self.now())
        self.clock.advance(0.0091)
        self.assertEqual(self.sender.sent, [10.9 * MS, 20 * MS])

    def test_timerMuchLate(self) -> None:
        """A client that is too busy to send in time counts that as latency."""
        self.sender.begin(10 * MS)
        self.clock.advance(0.015)
        self.assertEqual(self.sender.sent, [10 * MS])

    def test_heldBack(self) -> None:
        """A message that waited for a slow answer counts from when it was due."""
        self.sender.begin(0)
        self.clock.advance(0.0105)
        self.sender.next(self.now())
        self.assertEqual(self.sender.sent, [0, 10 * MS])


class TrafficTests(SynchronousTestCase):
    """Which answers are complete and right."""

    def test_greeting(self) -> None:
        """A response is complete when its body is, however it is split; 200 is right."""
        right = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"
        for _ in range(2):
            judge = judgeOf("hello")
            for size in range(len(right)):
                self.assertIsNone(judge(right[:size]))
            self.assertIs(judge(right), True)
            self.assertIs(judge(right.replace(b"200 OK", b"404 No")), False)
        endless = right.replace(b"Content-Length", b"Other-Header-1")
        self.assertIs(judgeOf("hello")(endless), False)

    def test_echo(self) -> None:
        """Every byte counts."""
        judge = judgeOf("echo", 3)
        self.assertEqual([judge(b"xx"), judge(b"xxx"), judge(b"xxy")], [None, True, False])


def judgeOf(service: str, size: int = 0) -> Callable[[bytes], bool | None]:
    """Return the judge of a service's answers over connections."""
    streams = TRAFFIC[service].streams
    assert streams is not None
    return streams(Target("tcp", "a", 1), size).judge


class _LoadCase(TestCase):
    timeout = 30

    def listen(self, protocol: type[Protocol]) -> Target:
        factory = Factory.forProtocol(protocol)
        factory.noisy = False
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return Target("tcp", "127.0.0.1", port.getHost().port)

    async def drive(self, target: Target, service: str = "echo", **how: Any) -> LoadTally:
        return await load(
            reactor, target, TRAFFIC[service], **{"connections": 2, "seconds": 0.3, **how}
        )


class StreamTests(_LoadCase):
    """Over connections."""

    async def test_counts(self) -> None:
        """Every message sent is counted, and the server received as many."""
        server = testing.serve("echo")
        self.addCleanup(server.close)
        tally = await self.drive(Target("tcp", server.host, server.port), size=10)
        self.assertGreater(tally.answered, 10)
        self.assertEqual((tally.lost, tally.errors), (0, {}))
        self.assertEqual(len(server.received()), tally.sent * 10)

    async def test_rate(self) -> None:
        """The rate holds over all connections."""
        server = testing.serve("answer")
        self.addCleanup(server.close)
        target = Target("tcp", server.host, server.port)
        tally = await self.drive(target, "answer", connections=5, seconds=1.0, rate=200)
        self.assertApproximates(tally.sent, 200, 6)

    async def test_slowUnderRate(self) -> None:
        """A server that is slower than the rate shows in the latency, not in a lower rate."""

        class Slow(Protocol):
            def dataReceived(self, data: bytes) -> None:
                reactor.callLater(0.05, self.transport.write, data)  # type: ignore[union-attr]

        tally = await self.drive(self.listen(Slow), connections=1, seconds=1.0, rate=100)
        # 20 answers of 100 that were due: the last one was due 0.8 s before it came.
        self.assertGreater(tally.latencies().get_max_value(), 600 * MS)

    async def test_wrongAnswers(self) -> None:
        """A wrong answer is an error of its own kind."""

        class Shouting(Protocol):
            def dataReceived(self, data: bytes) -> None:
                self.transport.write(data.upper())  # type: ignore[union-attr]

        tally = await self.drive(self.listen(Shouting))
        self.assertEqual(tally.answered, 0)
        self.assertEqual(tally.errors["wrong answer"], tally.sent)

    async def test_hangsUp(self) -> None:
        """A connection that the server closes is made again, and counts as an error."""

        class Once(Protocol):
            def dataReceived(self, data: bytes) -> None:
                self.transport.write(data)  # type: ignore[union-attr]
                self.transport.loseConnection()  # type: ignore[union-attr]

        tally = await self.drive(self.listen(Once), connections=1, seconds=0.5)
        self.assertGreaterEqual(tally.errors["hung up"], 2)
        self.assertGreaterEqual(tally.answered, 3)

    async def test_silence(self) -> None:
        """A silent server is not awaited without end."""
        tally = await self.drive(self.listen(Protocol), timeout=0.2)
        self.assertEqual(tally.errors, {"no answer in 0.2 s": 2})


class DatagramTests(_LoadCase):
    """Over datagrams, which may be lost."""

    def setUp(self) -> None:
        self.patch(datagrams, "LOST_AFTER_SECONDS", 0.3)

    def listenDatagram(self, protocol: DatagramProtocol) -> Target:
        protocol.noisy = False  # type: ignore[attr-defined]
        port = reactor.listenUDP(0, protocol, "127.0.0.1")
        self.addCleanup(port.stopListening)
        return Target("udp", "127.0.0.1", port.getHost().port)

    async def test_lost(self) -> None:
        """Each datagram that the server drops counts as lost."""

        class Dropping(DatagramProtocol):
            numbers = count(1)
            dropped = 0

            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                if next(self.numbers) % 50:
                    self.transport.write(datagram, addr)  # type: ignore[union-attr]
                else:
                    self.dropped += 1

        server = Dropping()
        tally = await self.drive(
            self.listenDatagram(server), "datagram", connections=1, seconds=0.8
        )
        self.assertGreaterEqual(server.dropped, 2)
        self.assertEqual((tally.lost, tally.late), (server.dropped, 0))

    async def test_late(self) -> None:
        """A reply to a datagram that was given up counts as late, not as lost or answered."""

        class Late(DatagramProtocol):
            first = True

            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                if self.first:
                    reactor.callLater(0.6, self.transport.write, datagram, addr)  # type: ignore[union-attr]
                self.first = False

        tally = await self.drive(
            self.listenDatagram(Late()), "datagram", connections=1, seconds=0.5
        )
        self.assertEqual((tally.sent, tally.answered, tally.late, tally.lost), (2, 0, 1, 1))


class AgreementTests(SynchronousTestCase):
    """Against generators of others, on one server."""

    CONNECTIONS: ClassVar = 20
    SECONDS: ClassVar = 2

    def setUp(self) -> None:
        server = subprocess.Popen([sys.executable, "-c", STEADY], stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.port = int(server.stdout.readline())

    def rate(self, service: str) -> float:
        command = [
            *(sys.executable, "-m", "twistednet.cli.main", "load", f"127.0.0.1:{self.port}"),
            *("--as", service, "--json", "-c", str(self.CONNECTIONS), "-t", str(self.SECONDS)),
        ]
        found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        self.assertEqual(found["errors"], {})
        return float(found["rate"])

    def assertAgree(self, service: str, measure: Callable[[], float]) -> None:
        """The same rate to 10 %, once in three times: what else the machine does hits one of
        the two at a time, and one that counts wrong would never agree."""
        for _ in range(3):
            ratio = self.rate(service) / measure()
            if abs(ratio - 1) < 0.1:
                return
        self.fail(f"we find {ratio:.2f} times what they find")

    @pytest.mark.slow
    def test_wrk(self) -> None:
        """wrk measures the same rate."""
        if shutil.which("wrk") is None:
            self.skipTest("wrk is not installed")
        self.assertAgree("hello", self.wrk)

    def wrk(self) -> float:
        command = ["wrk", "-t1", f"-c{self.CONNECTIONS}", f"-d{self.SECONDS}"]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{self.port}/"], capture_output=True, text=True, check=True
        )
        [line] = (line for line in done.stdout.splitlines() if line.startswith("Requests/sec"))
        return float(line.split()[1])

    @pytest.mark.slow
    def test_plainSockets(self) -> None:
        """Blocking sockets, one in each thread, measure the same rate."""
        self.assertAgree("echo", self.plainSockets)

    def plainSockets(self) -> float:
        answered = []
        end = time.monotonic() + self.SECONDS

        def loop() -> None:
            with socket.create_connection(("127.0.0.1", self.port)) as client:
                while time.monotonic() < end:
                    client.sendall(b"x" * 64)
                    answered.append(client.recv(64))

        threads = [threading.Thread(target=loop) for _ in range(self.CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(answered) / self.SECONDS


class CommandTests(SynchronousTestCase):
    """`netdemo load` on the command line."""

    def load(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "twistednet.cli.main", "load", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def test_text(self) -> None:
        """The text has rate, percentiles, errors, loss and a histogram; no escapes in a pipe."""
        with testing.serve("datagram") as server:
            done = self.load(f"udp:{server.host}:{server.port}", "--as", "datagram", "-t", "0.3")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for part in (" a second", "p50 ", "p90 ", "p99 ", "p99.9 ", " lost (", "errors: none", "#"):
            self.assertIn(part, done.stdout)
        self.assertNotIn("\x1b", done.stdout)

    def test_notEcho(self) -> None:
        """Without a right answer the status is 1, and one line says so."""
        with testing.serve("answer") as server:
            done = self.load(f"{server.host}:{server.port}", "-t", "0.2", "--timeout", "0.3")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no right answer", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)
