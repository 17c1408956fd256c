"""services/chat.py: people in rooms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.protocols import Peer, chunks
from twistednet.services.chat import Chat, ChatFactory

TYPED = st.lists(
    st.sampled_from(
        [b"hi", b"\n", b"\r\n", b"/nick Ann", b"/who", b"/me x", b"byebye", b"\xff", "é".encode()]
    ),
    min_size=5,
    max_size=25,
).map(b"".join)


class ChatTests(SynchronousTestCase):
    """What a person types, and what everybody hears."""

    def setUp(self) -> None:
        self.factory = ChatFactory(Chat, Clock())

    def enter(self, host: str = "127.0.0.1") -> Peer:
        """Somebody comes in; the greeting is read already."""
        peer = Peer(self.factory, host)
        peer.turn()
        self.greeting = peer.read()
        return peer

    def test_greeting(self) -> None:
        """A newcomer is told who they are; those who are there hear of it."""
        first = self.enter()
        self.assertEqual(
            self.greeting, b"* you are guest-1 in lobby; /help tells what you can do\n"
        )
        self.enter()
        self.assertEqual(first.read(), b"* guest-2 has joined lobby\n")

    def test_say(self) -> None:
        """Others hear it, each with the newlines they use themselves."""
        ann, ben, cleo = self.enter(), self.enter(), self.enter()
        ben.send(b"hi\r\n")
        cleo.send(b"bare")
        cleo.pause()
        for peer in (ann, ben, cleo):
            peer.read()
        ann.send(b"  hello all \n\n")
        self.assertEqual(ann.read(), b"")
        self.assertEqual(ben.read(), b"guest-1: hello all\r\n")
        self.assertEqual(cleo.read(), b"guest-1: hello all")

    def test_manyLinesToABareClient(self) -> None:
        """Lines that leave together are parted, though the last has no newline."""
        ann = self.enter()
        ann.send(b"/help")
        ann.pause()
        lines = ann.read().split(b"\n")
        self.assertEqual((len(lines), lines[-1]), (8, b"* byebye: the same as /quit"))

    def test_alone(self) -> None:
        """Someone alone is told so, and never waits for ever."""
        ann = self.enter()
        ann.send(b"hi\n")
        self.assertEqual(ann.read(), b"* nobody else is in lobby\n")

    def test_turnTaking(self) -> None:
        """Two clients that send one, read one, without newlines, can talk to the end."""
        ann, ben = self.enter(), self.enter()
        ann.read()
        for text in (b"hello", b"how are u"):
            ann.send(text)
            ann.pause()
            self.assertEqual(ben.read().strip(), b"guest-1: " + text)
            ben.send(text)
            ben.pause()
            self.assertEqual(ann.read(), b"guest-2: " + text)
        ann.send(b"byebye")
        ann.pause()
        self.assertEqual((ann.read(), ann.closed), (b"byebye", True))
        ann.lose()
        self.assertEqual(ben.read(), b"* guest-1 has left lobby")

    def test_commands(self) -> None:
        """Each command does what /help says, and /help names each."""
        ann, ben = self.enter(), self.enter()
        ann.read()
        ann.send(b"/nick Ann\n/me waves\n/who\n/rooms\n/join tea\n/quit\n")
        self.assertEqual(
            ann.read().decode().splitlines(),
            [
                "* guest-1 is now Ann",
                "* in lobby: Ann, guest-2",
                "* rooms: lobby (2)",
                "* you are Ann in tea",
                "byebye",
            ],
        )
        self.assertTrue(ann.closed)
        self.assertEqual(
            ben.read().decode().splitlines(),
            ["* guest-1 is now Ann", "* Ann waves", "* Ann has left lobby"],
        )
        ben.send(b"/help\n")
        help = ben.read().decode()
        for verb in ("nick", "join", "who", "rooms", "me", "help", "quit"):
            self.assertIn(f"* /{verb}", help)
        self.assertIn("byebye", help)

    def test_refusedName(self) -> None:
        """A refused name says why and keeps the old one."""
        ann, ben = self.enter(), self.enter()
        ann.send(b"/nick Ann\n")
        ben.read()
        ben.send("/nick \u0410nn\n/nick\n/nick a\x1bb\n/me \x1b[2J\n/who\n".encode())
        self.assertEqual(
            ben.read().decode().splitlines(),
            [
                "* \u0410nn is taken in lobby, or looks like a name that is",
                "* a name needs at least one character",
                "* a name may not contain a control character",
                "* in lobby: Ann, guest-2",
            ],
        )

    def test_unknownCommand(self) -> None:
        """It is told so, with nothing of it obeyed."""
        ann = self.enter()
        ann.send(b"/__class__ x\n/fly\n/\n/\x1b[31m\n")
        self.assertEqual(
            ann.read().decode().splitlines(),
            [
                "* there is no /__class__; /help tells what there is",
                "* there is no /fly; /help tells what there is",
                "* there is no /; /help tells what there is",
                "* there is no /\\x1b[31m; /help tells what there is",
            ],
        )

    def test_hostileText(self) -> None:
        """What acts on a screen is escaped on its way to others; braces are text."""
        ann, ben = self.enter(), self.enter()
        ann.send("a\x1b[2J\u202eb\x00 {person.transport}\n".encode())
        self.assertEqual(ben.read(), b"guest-1: a\\x1b[2J\\u202eb\\x00 {person.transport}\n")

    def test_tooLong(self) -> None:
        """A line over 512 bytes is told so and ended; the room hears that they left."""
        ann, ben = self.enter(), self.enter()
        ann.read()
        ann.send(b"x" * 513)
        self.assertEqual((ann.read(), ann.closed), (b"message too long: 512 bytes at most\n", True))
        ann.lose()
        self.assertEqual(ben.read(), b"* guest-1 has left lobby\n")

    def test_rate(self) -> None:
        """From outside: ten lines at once, then one a second; none is lost."""
        ann, ben = self.enter("10.0.0.1"), self.enter()
        ann.send(b"".join(b"%d\n" % number for number in range(12)))
        self.assertEqual(ben.read().count(b"\n"), 10)
        self.assertEqual(ann.transport.producerState, "paused")
        for _ in range(2):
            ann.clock.advance(1)
            ann.turn()
            self.assertEqual(ben.read().count(b"\n"), 1)
        ben.send(b"x\n" * 30)
        ann.turn()
        self.assertEqual(ann.read().count(b"guest-2: x"), 30)

    def test_fewDoNotWaitBehindACrowd(self) -> None:
        """Two in a room of their own are served before a lobby full of people."""
        served: list[Peer] = []
        crowd = [self.enter() for _ in range(30)]
        ann, ben = self.enter(), self.enter()
        for peer in (ann, ben):
            peer.send(b"/join tea\n")
        for peer in (*crowd, ann, ben):
            peer.transport.write = lambda data, peer=peer: served.append(peer)
        crowd[0].protocol.said("to all")
        ann.protocol.said("to you")
        ann.turn()
        self.assertEqual(len(served), 30)
        self.assertIs(served[0], ben)

    def test_slowReader(self) -> None:
        """Somebody who falls 8 KiB behind is cut off; the others are not disturbed."""
        ann, ben, cleo = self.enter(), self.enter(), self.enter()
        ben.protocol.pauseProducing()
        line = b"y" * 500 + b"\n"
        for _ in range(14):
            ann.send(line)
        self.assertFalse(ben.aborted)
        for _ in range(10):
            ann.send(line)
        self.assertTrue(ben.aborted)
        self.assertEqual(cleo.read().count(b"guest-1: y"), 24)

    def test_slowReaderIsBounded(self) -> None:
        """However much is said in one turn, little more than 8 KiB waits for a slow reader, and
        what the log says of the end is 'queue'."""
        ann, ben, cleo = self.enter(), self.enter(), self.enter()
        ben.transport.setCloseReason = (causes := []).append
        ben.protocol.pauseProducing()
        for _ in range(100):
            ann.protocol.said("y" * 500)
        self.assertLess(len(ben.protocol._unsent), Chat.MAX_UNSENT_BYTES + 520)
        self.assertFalse(ben.aborted)
        ann.turn()
        self.assertTrue(ben.aborted)
        self.assertEqual(causes, ["queue"])
        self.assertEqual(cleo.read().count(b"guest-1: y"), 100)

    def test_slowReaderCatchesUp(self) -> None:
        """Somebody who reads again in time gets every line."""
        ann, ben = self.enter(), self.enter()
        ben.protocol.pauseProducing()
        ann.send(b"1\n2\n")
        self.assertEqual(ben.read(), b"")
        ben.protocol.resumeProducing()
        self.assertEqual(ben.read(), b"guest-1: 1\nguest-1: 2\n")

    def test_leftBeforeServed(self) -> None:
        """Lines for somebody who has just gone hurt nobody."""
        ann, ben = self.enter(), self.enter()
        ann.protocol.said("hi")
        ben.lose()
        ann.turn()
        self.assertEqual(ann.read().decode().splitlines()[-1], "* guest-2 has left lobby")

    def test_goneWithTheLastWords(self) -> None:
        """Who said byebye has left, even if their client keeps the socket open."""
        ann, ben = self.enter(), self.enter()
        ann.send(b"byebye\n")
        self.assertEqual(ben.read(), b"* guest-1 has left lobby\n")
        ben.send(b"hi\n")
        self.assertEqual(ben.read(), b"* nobody else is in lobby\n")
        ann.lose()
        self.assertEqual(ben.read(), b"")

    def test_goneWhenCutOff(self) -> None:
        """Who is cut off has left, too, once and at once."""
        ann, ben = self.enter(), self.enter()
        ben.protocol.pauseProducing()
        ann.read()
        ann.send((b"y" * 500 + b"\n") * 24)
        self.assertTrue(ben.aborted)
        self.assertEqual(ann.read().splitlines()[0], b"* guest-2 has left lobby")

    def test_silenceAfterTheEnd(self) -> None:
        """A pause that ends after its connection did means nothing any more."""
        ann = self.enter()
        ann.send(b"x" * 400)
        ann.send(b"x" * 400)
        ann.pause()
        self.assertEqual(ann.read(), b"message too long: 512 bytes at most\n")

    def test_brokenHooks(self) -> None:
        """Whose hook raises, wherever that is, is ended; nobody else is, and all is logged."""

        class Broken(Chat):
            def queueLine(self, text: str) -> None:
                if "deaf" in text:
                    raise RuntimeError("queueLine")
                super().queueLine(text)

            def sendQueued(self) -> None:
                if b"mute" in self._unsent:
                    raise RuntimeError("sendQueued")
                super().sendQueued()

        for word in (b"deaf", b"mute"):
            self.factory = ChatFactory(Chat, Clock())
            ann = self.enter()
            self.factory.protocol = Broken
            ben = self.enter()
            self.factory.protocol = Chat
            cleo = self.enter()
            for text in (word, b"still here"):
                ann.send(text + b"\n")
                self.assertIn(b"guest-1: " + text, cleo.read())
            self.assertEqual((ann.aborted, ben.aborted, cleo.aborted), (False, True, False))
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_brokenTurns(self) -> None:
        """A failure at the door, or on the way out, is logged, and ends that person."""
        ann = self.enter()
        self.patch(self.factory.rooms, "enter", self.broken)
        ben = Peer(self.factory)
        ben.turn()
        self.assertTrue(ben.aborted)
        self.patch(self.factory.rooms, "leave", self.broken)
        ann.lose()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def broken(self, *_: object) -> None:
        """Something that does not work."""
        raise RuntimeError("broken")

    @given(TYPED, st.lists(st.integers(0, 80), max_size=10))
    def test_everySplit(self, data: bytes, cuts: list[int]) -> None:
        """However the bytes are split, everybody hears the same to the byte."""
        results = []
        for pieces in ([data], chunks(data, cuts), [bytes([byte]) for byte in data]):
            self.factory = ChatFactory(Chat, Clock())
            ann, ben = self.enter(), self.enter()
            ann.read()
            for piece in pieces:
                ann.send(piece)
            if not ann.closed:
                ann.fin()
            results.append((ann.read(), ben.read(), ann.closed))
        self.assertEqual(results[0], results[1])
        self.assertEqual(results[0], results[2])
