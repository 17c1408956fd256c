"""admin/rates.py: rates of each service, as the live page shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twistednet.admin.rates import MAX_SECONDS, Rates
from twistednet.connections.tracking import Connections
from twistednet.core.metrics import Histogram, Metrics
from twistednet.events.journal import Journal
from twistednet.events.model import Closed, EventStream, Opened, Tally
from twistednet.inject.player import Player


class Ports:
    """The ports of `answer` over TCP, and of `datagram` over UDP."""

    def __init__(self) -> None:
        self.latency = Histogram(1.0)
        self.answers = 0
        self.counts = Counter(datagramsIn=0, datagramsOut=0, bytesIn=0, bytesOut=0)

    def names(self) -> tuple[str, ...]:
        return ("answer", "datagram")

    def datagrams(self) -> Mapping[str, Counter[str]]:
        return {"datagram": self.counts}

    def metrics(self) -> Iterator[tuple[str, Metrics]]:
        yield (
            "answer",
            {
                "received_messages_total": self.answers,
                "sent_messages_total": self.answers,
                "answer_seconds": self.latency,
            },
        )


class Daemon:
    """As much of a daemon as rates are read from."""

    def __init__(self, clock: Clock) -> None:
        self.ports = Ports()
        self.tally = Tally()
        self.connections = Connections(clock, EventStream(lambda sink: None), Journal(0))
        self.player = Player(clock, self.connections.faults)

    def answer(self, *seconds: float) -> None:
        """Answer one question in each of these times."""
        for one in seconds:
            self.ports.answers += 1
            self.ports.latency.add(one)


class RatesTests(SynchronousTestCase):
    """What has happened between two looks, per second."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.daemon: Any = Daemon(self.clock)
        self.rates = Rates(self.clock, self.daemon)
        self.daemon.answer(0.5, 0.5, 0.5)
        self.rates()

    def after(self, seconds: float) -> Any:
        self.clock.advance(seconds)
        return self.rates()

    def test_latency(self) -> None:
        """It is the mean over the answers since the last look, however many there were."""
        self.daemon.answer(0.01, 0.02, 0.03)
        answer = self.after(2)["services"]["answer"]
        self.assertAlmostEqual(0.02, answer["latency"])
        self.assertEqual((1.5, 1.5), (answer["messagesIn"], answer["messagesOut"]))

    def test_noAnswer(self) -> None:
        """There is no latency without an answer."""
        self.assertNotIn("latency", self.after(2)["services"]["answer"])

    def test_bytes(self) -> None:
        """Bytes and connections that were opened are counted per second."""
        self.daemon.tally(Opened(1, "answer", "127.0.0.1:5"))
        self.daemon.tally(Closed(1, "answer", "127.0.0.1:5", "client FIN", 300, 50, 1.0))
        answer = self.after(2)["services"]["answer"]
        found = {name: answer[name] for name in ("open", "opened", "bytesIn", "bytesOut")}
        self.assertEqual({"open": 0, "opened": 0.5, "bytesIn": 150, "bytesOut": 25}, found)

    def test_datagrams(self) -> None:
        """A datagram is a message."""
        self.daemon.ports.counts.update(datagramsIn=8, datagramsOut=4, bytesIn=80, bytesOut=40)
        datagram = self.after(4)["services"]["datagram"]
        found = {
            name: datagram[name] for name in ("messagesIn", "messagesOut", "bytesIn", "bytesOut")
        }
        self.assertEqual({"messagesIn": 2, "messagesOut": 1, "bytesIn": 20, "bytesOut": 10}, found)

    def test_shared(self) -> None:
        """All readers of one second get the same object."""
        first = self.after(1)
        self.daemon.answer(0.01)
        self.assertIs(first, self.after(0.9))
        self.assertIsNot(first, self.after(0.1))

    def test_longAgo(self) -> None:
        """What happened while nobody looked is no rate of now."""
        self.daemon.answer(0.01)
        answer = self.after(MAX_SECONDS + 1)["services"]["answer"]
        self.assertEqual(0, answer["messagesIn"])
        self.assertNotIn("latency", answer)
