"""services/answer.py and services/messages.py: questions, one after another."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.protocols import Peer, chunks
from twistednet.core.answers import AnswerBook
from twistednet.core.limits import LocalPeers, networksOf
from twistednet.core.settings import ServiceSettings
from twistednet.services.answer import Answer, AnswerFactory

QUESTIONS = st.lists(
    st.sampled_from(
        [b"how are u", b"\n", b"\r\n", b"HOW OLD ARE U?", b"bye", b"\xff", "é".encode(), b"x" * 30]
    ),
    min_size=5,
    max_size=30,
).map(b"".join)


def factory(protocol: type[Answer] = Answer, **limits: Any) -> AnswerFactory:
    """A factory on a clock of its own."""
    made = AnswerFactory(protocol, Clock())
    for name, value in limits.items():
        setattr(made, name, value)
    return made


class Later(Answer):
    """Answers when the test says so."""

    def connectionMade(self) -> None:
        self.asked: list[tuple[str, Deferred[str]]] = []
        self.cancelled: list[object] = []
        super().connectionMade()

    def answer(self, question: str) -> Deferred[str]:
        self.asked.append((question, Deferred(self.cancelled.append)))
        return self.asked[-1][1]


class FramingTests(SynchronousTestCase):
    """Lines and bare messages on one port."""

    def test_lines(self) -> None:
        """Replies end as the client's lines do."""
        peer = Peer(factory())
        peer.send(b"how are u\nhow old are u\r\n")
        self.assertEqual(peer.read(), b"fine\nnicai\r\n")

    def test_bare(self) -> None:
        """A client that never sends a newline is answered after a pause, without one."""
        peer = Peer(factory())
        peer.send(b"how ")
        peer.clock.advance(0.09)
        peer.send(b"are u")
        peer.clock.advance(0.09)
        self.assertEqual(peer.read(), b"")
        peer.pause()
        self.assertEqual(peer.read(), b"fine")
        peer.send(b"what")
        peer.pause()
        self.assertEqual(peer.read(), b"Nothing")

    def test_partialLineWaits(self) -> None:
        """Once a client has sent a newline, only a newline ends its messages."""
        peer = Peer(factory())
        peer.send(b"x\nhow are u")
        peer.read()
        peer.clock.advance(60)
        self.assertEqual(peer.read(), b"")
        peer.send(b"\n")
        self.assertEqual(peer.read(), b"fine\n")

    def test_finEndsTheLastMessage(self) -> None:
        """In either mode the FIN ends it; it is answered, and then we close."""
        for sent, answered in ((b"how are u", b"fine"), (b"x\nhow are u", b"Nothing\nfine\n")):
            peer = Peer(factory())
            peer.send(sent)
            peer.fin()
            self.assertEqual(peer.read(), answered)
            self.assertTrue(peer.closed)

    def test_finAlone(self) -> None:
        """A client that only closes gets nothing, and is let go."""
        peer = Peer(factory())
        peer.fin()
        self.assertEqual((peer.read(), peer.closed), (b"", True))

    @given(QUESTIONS, st.lists(st.integers(0, 120), max_size=10))
    def test_everySplit(self, data: bytes, cuts: list[int]) -> None:
        """However the bytes are split, the replies are the same to the byte."""
        results = []
        for pieces in ([data], chunks(data, cuts), [bytes([byte]) for byte in data]):
            peer = Peer(factory(maxMessage=40))
            for piece in pieces:
                peer.send(piece)
            if not peer.closed:
                peer.fin()
            results.append((peer.read(), peer.closed))
        self.assertEqual(results[0], results[1])
        self.assertEqual(results[0], results[2])
        self.assertTrue(results[0][1])


class BookTests(SynchronousTestCase):
    """Which book is in force."""

    def test_configure(self) -> None:
        """That of the settings; without one there, the default one again."""
        made = factory()
        peer = Peer(made)
        for book, answer in ((AnswerBook({"how are u": "busy"}), b"busy\n"), (None, b"fine\n")):
            made.configure(ServiceSettings(answers=book))
            peer.send(b"how are u\n")
            self.assertEqual(peer.read(), answer)


class EmptyBookTests(SynchronousTestCase):
    """A book without answers."""

    def test_configure(self) -> None:
        """It is a book as any other: it does not stand for the default one."""
        made = factory()
        peer = Peer(made)
        made.configure(ServiceSettings(answers=AnswerBook({})))
        peer.send(b"how are u\n")
        self.assertEqual(peer.read(), b"Nothing\n")


class LimitTests(SynchronousTestCase):
    """Which limits are in force after they have changed."""

    def test_maxMessage(self) -> None:
        """The longest message: the new one, from the next byte on, for everybody."""
        made = factory()
        peer = Peer(made)
        peer.send(b"x" * 50 + b"\n")
        made.configure(ServiceSettings(maxMessage=40))
        peer.send(b"x" * 40 + b"\n" + b"x" * 41)
        self.assertEqual(peer.read(), b"Nothing\n" * 2 + b"message too long: 40 bytes at most\n")

    def test_counts(self) -> None:
        """How many messages: who is here goes on as they began."""
        made = factory(maxMessages=2)
        before = Peer(made, "10.0.0.1")
        made.configure(ServiceSettings(maxQuestions=1))
        after = Peer(made, "10.0.0.1")
        for peer, answered in ((before, 2), (after, 1)):
            peer.send(b"how are u\n" * 3)
            self.assertEqual(peer.read().count(b"fine"), answered)


class EndTests(SynchronousTestCase):
    """`bye`, and what is refused."""

    def test_bye(self) -> None:
        """It gets `Bye` and the end; what came after it is ignored."""
        peer = Peer(factory())
        peer.send(b"bye\nhow are u\n")
        peer.send(b"how are u\n")
        peer.fin()
        self.assertEqual((peer.read(), peer.closed), (b"Bye\n", True))

    def test_bareBye(self) -> None:
        """The same without a newline."""
        peer = Peer(factory())
        peer.send(b"bye")
        peer.pause()
        self.assertEqual((peer.read(), peer.closed), (b"Bye", True))

    def test_tooLong(self) -> None:
        """One line says so, then the end; what was whole before it is answered."""
        for ending in (b"", b"\n"):
            peer = Peer(factory())
            peer.send(b"how are u\n" + b"x" * 4097 + ending)
            self.assertEqual(peer.read(), b"fine\nmessage too long: 4096 bytes at most\n")
            self.assertTrue(peer.closed)
        peer = Peer(factory())
        peer.send(b"x" * 4096 + b"\n")
        self.assertEqual((peer.read(), peer.closed), (b"Nothing\n", False))

    def test_notUTF8(self) -> None:
        """The reply says so in one line, and the connection lives."""
        peer = Peer(factory())
        peer.send(b"ab\xff\nhow are u\n")
        self.assertEqual(peer.read(), b"not UTF-8 at byte 2\nfine\n")
        self.assertFalse(peer.closed)

    def test_questionLimit(self) -> None:
        """So many questions and no more, unless the peer is on loopback."""
        for host, answered in (("10.0.0.1", 2), ("127.0.0.1", 3)):
            peer = Peer(factory(maxMessages=2), host)
            peer.send(b"how are u\n" * 3)
            replies = peer.read().splitlines()
            self.assertEqual(replies.count(b"fine"), answered, host)
            self.assertEqual(peer.closed, host == "10.0.0.1")
        self.assertEqual(AnswerFactory.maxMessages, 2_000)

    def test_trusted(self) -> None:
        """A client in a trusted network has the limits of one on loopback."""
        made = factory(maxMessages=1)
        made.configure(ServiceSettings(trust=LocalPeers(networksOf(["10.0.0.0/24"]))))
        made.maxMessages = 1
        for host, count in (("10.0.0.1", 2), ("10.0.1.1", 1)):
            peer = Peer(made, host)
            peer.send(b"how are u\n" * 2)
            self.assertEqual(peer.read().splitlines().count(b"fine"), count, host)

    def test_limitLoopback(self) -> None:
        """Unless it was asked that loopback be limited too."""
        peer = Peer(factory(maxMessages=1, limitLoopback=True))
        peer.send(b"how are u\n" * 2)
        self.assertEqual(peer.read(), b"fine\ntoo many messages on one connection\n")


class AwaitedAnswerTests(SynchronousTestCase):
    """An answer may take its time."""

    def test_order(self) -> None:
        """The next question waits, unread, while one is awaited."""
        peer = Peer(factory(Later))
        peer.send(b"one\ntwo\n")
        self.assertEqual([question for question, _ in peer.protocol.asked], ["one"])
        self.assertEqual(peer.transport.producerState, "paused")
        peer.protocol.asked[0][1].callback("1")
        self.assertEqual(peer.read(), b"1\n")
        peer.protocol.asked[1][1].callback("2")
        self.assertEqual(peer.read(), b"2\n")
        self.assertEqual(peer.transport.producerState, "producing")

    def test_finWhileAwaited(self) -> None:
        """A client that has closed its side still gets the answer, then the end."""
        peer = Peer(factory(Later))
        peer.send(b"one\n")
        peer.fin()
        self.assertFalse(peer.closed)
        peer.protocol.asked[0][1].callback("1")
        self.assertEqual((peer.read(), peer.closed), (b"1\n", True))

    def test_finWhileMoreAreWaiting(self) -> None:
        """What waits behind the awaited one is answered too, and nothing but that."""
        peer = Peer(factory(Later))
        peer.send(b"one\ntwo\n")
        peer.fin()
        peer.protocol.asked[0][1].callback("1")
        peer.protocol.asked[1][1].callback("2")
        self.assertEqual([question for question, _ in peer.protocol.asked], ["one", "two"])
        self.assertEqual((peer.read(), peer.closed), (b"1\n2\n", True))

    def test_lostWhileAwaited(self) -> None:
        """An answer that nobody waits for is cancelled, and nothing is logged."""
        peer = Peer(factory(Later))
        peer.send(b"one\n")
        peer.lose()
        self.assertEqual(peer.protocol.cancelled, [peer.protocol.asked[0][1]])

    def test_coroutine(self) -> None:
        """An `async def` will do."""

        class Async(Answer):
            async def answer(self, question: str) -> str:
                return question.upper()

        peer = Peer(factory(Async))
        peer.send(b"a\nb\n")
        self.assertEqual(peer.read(), b"A\nB\n")

    def test_failure(self) -> None:
        """A hook that raises, now or later, ends its own connection, with one traceback."""

        class Broken(Answer):
            def answer(self, question: str) -> str:
                raise RuntimeError("broken")

        class AsyncBroken(Answer):
            async def answer(self, question: str) -> str:
                raise RuntimeError("broken")

        for protocol in (Broken, AsyncBroken):
            peer = Peer(factory(protocol))
            peer.send(b"a\nb\n")
            self.assertTrue(peer.aborted)
            self.assertEqual(peer.read(), b"")
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class BackpressureTests(SynchronousTestCase):
    """A client that does not read is not read, and its backlog waits."""

    def test_paused(self) -> None:
        """While the transport is full, questions stay questions."""
        peer = Peer(factory())
        peer.protocol.pauseProducing()
        peer.send(b"how are u\n" * 3)
        self.assertEqual(peer.read(), b"")
        self.assertEqual(peer.transport.producerState, "paused")
        peer.protocol.resumeProducing()
        self.assertEqual(peer.read(), b"fine\n" * 3)
        self.assertEqual(peer.transport.producerState, "producing")

    def test_turns(self) -> None:
        """Of a long backlog only so much is answered before the others' turn."""
        peer = Peer(factory())
        # Equal ones are answered together.
        asked = (b"how are u" + b"?" * count + b"\n" for count in range(100))
        peer.protocol.dataReceived(b"".join(asked))
        self.assertEqual(peer.read(), b"fine\n" * peer.protocol.share())
        self.assertEqual(peer.transport.producerState, "paused")
        peer.turn()
        self.assertEqual(peer.read(), b"fine\n" * (100 - peer.protocol.share()))
        self.assertEqual(peer.transport.producerState, "producing")

    def test_equal(self) -> None:
        """Equal questions are answered together, each of them, in the order of the others."""
        made = factory()
        peer = Peer(made)
        peer.protocol.dataReceived(b"\n" * 600 + b"how are u\n" * 60 + b"\n" * 40)
        self.assertGreater(peer.read().count(b"\n"), peer.protocol.share())
        peer.protocol.dataReceived(b"\n" * 300 + b"\r\n" * 300 + b"\xff\n" + b"\n" * 40 + b"bye\n")
        peer.turn()
        rest = peer.read()
        self.assertTrue(
            rest.endswith(
                b"Nothing\r\n" * 300 + b"not UTF-8 at byte 0\n" + b"Nothing\n" * 40 + b"Bye\n"
            )
        )
        self.assertEqual((made.messagesIn, made.messagesOut), (1342, 1342))
        self.assertEqual(made.metrics()["answer_misses_total"], 1280)
        self.assertEqual(made.metrics()["answer_hits_total"], 60)

    def test_equalToASubclass(self) -> None:
        """A subclass, whose answers may change, is asked each time."""

        class Counting(Answer):
            asked = 0

            def answer(self, question: str) -> str:
                Counting.asked += 1
                return str(Counting.asked)

        peer = Peer(factory(Counting))
        peer.send(b"\n" * 100)
        self.assertEqual(peer.read().split(), [b"%d" % (one + 1) for one in range(100)])

    def test_byeInABacklog(self) -> None:
        """The end that comes in somebody's turn is an end like any other."""
        peer = Peer(factory())
        peer.send(b"how are u\n" * 50 + b"bye\nmore\n")
        self.assertEqual(peer.read(), b"fine\n" * 50 + b"Bye\n")
        self.assertTrue(peer.closed)

    def test_endWhileFull(self) -> None:
        """What was answered before the end is sent, even if the transport is full."""
        peer = Peer(factory(Later))
        peer.send(b"one\n")
        peer.protocol.pauseProducing()
        peer.protocol.send("last words")
        peer.protocol.end()
        self.assertEqual((peer.read(), peer.closed), (b"last words\n", True))
