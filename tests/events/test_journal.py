"""events/journal.py: the last conversations, and what is forgotten of them."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.journals import act, add
from twistednet.core.secrets import Secrets
from twistednet.events import chunks
from twistednet.events import journal as room
from twistednet.events.chunks import Chunk
from twistednet.events.journal import Conversation, Journal
from twistednet.events.marks import MARK_OVERHEAD, PAUSE_BYTES, FaultMark, PauseMark
from twistednet.events.model import Closed, Opened, Refused


def opened(number: int, service: str = "echo", **more: object) -> Opened:
    values = {"peer": f"127.0.0.1:{number}", "at": 100.0, "time": 1000.0 + number, **more}
    return Opened(number, service, **values)  # type: ignore[arg-type]


def closed(number: int, reason: str = "client FIN") -> Closed:
    return Closed(number, "echo", "p", reason, 3, 4, 0.5)


class KeptTests(SynchronousTestCase):
    """What is kept of a conversation, and of how many."""

    def only(self, journal: Journal) -> Conversation:
        [conversation] = journal
        return conversation

    def test_life(self) -> None:
        """A conversation from its beginning to its end, each chunk with its time."""
        journal = Journal()
        journal(Opened(7, "echo", "127.0.0.1:5", "tls", "127.0.0.1:8888", 100.0, 1000.0))
        self.assertTrue(add(journal, 7, 100.25, "in", b"hello", "dataReceived"))
        self.assertTrue(add(journal, 7, 100.5, "out", b"HELLO", "later"))
        one = self.only(journal)
        self.assertIs(one, journal.get(7))
        self.assertEqual((7, "echo", "tls"), (one.id, one.service, one.kind))
        self.assertEqual(("127.0.0.1:5", "127.0.0.1:8888"), (one.peer, one.host))
        self.assertEqual((1000.0, None, None, False), (one.opened, one.closed, one.seconds, False))
        chunks = [
            Chunk(0.25, "in", b"hello", "dataReceived"),
            Chunk(0.5, "out", b"HELLO", "later"),
        ]
        self.assertEqual(chunks, one.chunks)
        journal(closed(7))
        self.assertIs(one, journal.get(7))
        self.assertEqual(
            ("client FIN", 0.5, 3, 4), (one.closed, one.seconds, one.bytesIn, one.bytesOut)
        )
        self.assertEqual(chunks, one.chunks)
        self.assertFalse(add(journal, 7, 101, "in", b"late", "dataReceived"))
        self.assertEqual(chunks, one.chunks)

    def test_counters(self) -> None:
        """The bytes of an open connection are its transport's."""

        class Transport:
            bytesIn = bytesOut = 0

        journal = Journal()
        journal(opened(1))
        self.assertEqual((0, 0), (self.only(journal).bytesIn, self.only(journal).bytesOut))
        self.assertIs(journal.get(1), journal.begin(1, Transport))
        Transport.bytesIn, Transport.bytesOut = 5, 6
        self.assertEqual((5, 6), (self.only(journal).bytesIn, self.only(journal).bytesOut))
        self.assertIsNone(journal.begin(2, Transport))

    def test_bytesOfOne(self) -> None:
        """The first 64 KiB of both directions together; after them nothing is wanted."""
        journal = Journal()
        journal(opened(1))
        self.assertTrue(add(journal, 1, 0, "in", bytes(chunks.MAX_BYTES - 10), "x"))
        self.assertTrue(add(journal, 1, 0, "out", b"123456", "x"))
        self.assertTrue(add(journal, 1, 0, "out", b"7890", "x"))
        self.assertTrue(add(journal, 1, 0, "in", b"", "readConnectionLost"))
        self.assertFalse(self.only(journal).truncated)
        self.assertFalse(add(journal, 1, 0, "in", b"x", "x"))
        self.assertTrue(self.only(journal).truncated)
        self.assertEqual(b"1234567890", self.only(journal).data("out"))
        self.assertEqual(4, len(self.only(journal).chunks))

    def test_copied(self) -> None:
        """A chunk is kept as a copy: what it was read into may be larger, and would stay."""
        journal = Journal()
        journal(opened(1))
        read = bytes(range(256))
        add(journal, 1, 0, "in", read, "x")
        [chunk] = self.only(journal).chunks
        self.assertEqual(read, chunk.data)
        self.assertIsNot(read, chunk.data)

    def test_cut(self) -> None:
        """Of a chunk that does not fit its beginning is kept."""
        journal = Journal()
        journal(opened(1))
        self.assertFalse(add(journal, 1, 0, "in", b"a" * chunks.MAX_BYTES + b"b", "x"))
        self.assertEqual(b"a" * chunks.MAX_BYTES, self.only(journal).data("in"))

    def test_chunksOfOne(self) -> None:
        """Nor are more than so many chunks kept: an empty one costs memory, too."""
        journal = Journal()
        journal(opened(1))
        for _ in range(chunks.MAX_CHUNKS):
            self.assertTrue(add(journal, 1, 0, "in", b"", "x"))
        self.assertFalse(add(journal, 1, 0, "in", b"", "x"))
        self.assertFalse(add(journal, 1, 0, "in", b"x", "x"))
        self.assertEqual(chunks.MAX_CHUNKS, len(self.only(journal).chunks))

    def test_most(self) -> None:
        """Of more than `most` those that ended first go; get and len agree."""
        journal = Journal(3)
        for number in range(1, 6):
            journal(opened(number))
            journal(closed(number))
        self.assertEqual([3, 4, 5], [one.id for one in journal])
        self.assertEqual((3, None), (len(journal), journal.get(2)))

    def test_mostOpen(self) -> None:
        """Who is open stays while half have ended, and else goes in the order of coming, so
        that neither those who come nor those who go take all the room."""
        journal = Journal(4)
        for number in (1, 2):
            journal(opened(number))
        for number in range(3, 9):
            journal(opened(number))
            journal(closed(number))
        self.assertEqual([1, 2, 7, 8], [one.id for one in journal])
        for number in (9, 10, 11):
            journal(opened(number))
        self.assertEqual([8, 9, 10, 11], [one.id for one in journal])
        for number in range(12, 20):
            journal(opened(number))
        self.assertEqual([8, 17, 18, 19], [one.id for one in journal])

    def test_none(self) -> None:
        """With room for none, none is kept, and nothing is wanted."""
        journal = Journal(0)
        journal(opened(1))
        self.assertIsNone(journal.begin(1, None))
        self.assertFalse(add(journal, 1, 0, "in", b"x", "x"))
        journal(closed(1))
        self.assertEqual([], list(journal))

    def test_fewer(self) -> None:
        """Told to keep fewer, it does at once, and frees what they held."""
        journal = Journal()
        for number in range(1, 5):
            journal(opened(number))
            add(journal, number, 0, "in", b"x", "x")
        journal.keep(1)
        self.assertEqual([4], [one.id for one in journal])
        journal.keep(0)
        self.assertEqual(([], 0), (list(journal), journal.held))

    def test_bytesOfAll(self) -> None:
        """Beyond 32 MiB the oldest that ended lose their chunks, then the oldest open."""
        self.patch(room, "MAX_ALL_BYTES", 100_000)
        journal = Journal()
        for number in (1, 2, 3, 4):
            journal(opened(number))
        for number in (1, 2, 3):
            add(journal, number, 0, "in", bytes(30_000), "x")
        journal(closed(2))
        self.assertTrue(add(journal, 4, 0, "in", bytes(30_000), "x"))
        kept = [(one.id, len(one.data("in")), one.truncated) for one in journal]
        self.assertEqual([(1, 0, True), (2, 0, True), (3, 30_000, False), (4, 30_000, False)], kept)
        # And it is over with who lost theirs.
        self.assertFalse(add(journal, 1, 0, "in", b"x", "x"))
        self.assertLess(journal.held, 100_000)

    def test_droppedWithout(self) -> None:
        """One that had said nothing when room was made is not whole later."""
        self.patch(room, "MAX_ALL_BYTES", 50_000)
        journal = Journal()
        for number in (1, 2):
            journal(opened(number))
        self.assertFalse(add(journal, 2, 0, "in", bytes(50_000), "x"))
        self.assertEqual([False, True], [one.truncated for one in journal])
        self.assertFalse(add(journal, 1, 0, "in", b"x", "x"))
        self.assertEqual([True, True], [one.truncated for one in journal])

    def test_pace(self) -> None:
        """Who says most is cut off when all together say too much, and a while later there is
        room for others again."""
        self.patch(room, "BURST", 500)
        self.patch(room, "RATE", 100)
        now = [0.0]
        journal = Journal(now=lambda: now[0])
        for number in (1, 2, 3):
            journal(opened(number, at=0.0))
        busy, other, late = (journal.get(number) for number in (1, 2, 3))
        assert busy is not None
        assert other is not None
        assert late is not None
        self.assertTrue(other.received(b"x", "y"))
        count = 0
        while busy.received(bytes(20), "y"):
            count += 1
        self.assertGreaterEqual(count, 500)
        self.assertLess(count, 600)
        self.assertEqual((count, True), (len(busy.chunks), busy.truncated))
        self.assertTrue(other.received(b"x", "y"))
        self.assertTrue(late.received(b"x", "y"))
        self.assertFalse(busy.received(b"x", "y"))
        now[0] = 5.0
        kept = sum(late.received(bytes(20), "y") for _ in range(200))
        self.assertEqual((200, False), (kept, late.truncated))

    def test_givesBackWhatItReserved(self) -> None:
        """Conversations that were closed and then forgotten leave nothing reserved."""
        journal = Journal(1)
        for number in (1, 2):
            journal(opened(number))
            add(journal, number, 100.0, "in", bytes(10), "dataReceived")
            journal(closed(number))
            self.assertEqual(10 + chunks.OVERHEAD, journal.held)
        journal.keep(0)
        self.assertEqual(0, journal.held)

    def test_others(self) -> None:
        """Events that are no conversation's are none of its business."""
        journal = Journal()
        journal(Refused("echo", "p", "idle"))
        journal(closed(5))
        self.assertEqual([], list(journal))

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["open", "close", "add"]),
                st.integers(1, 12),
                st.integers(0, 900),
            ),
            # Shorter ones seldom fill the journal, so that it has to forget something.
            min_size=40,
            max_size=200,
        )
    )
    def test_bounds(self, steps: list[tuple[str, int, int]]) -> None:
        """Whatever happens, what is kept is bounded, told truly, and a prefix of what was said."""
        with (
            patch.object(room, "MAX_ALL_BYTES", 5_000),
            patch.object(chunks, "MAX_BYTES", 1_000),
            patch.object(chunks, "MAX_CHUNKS", 5),
            patch.object(chunks, "_STEP", 200),
        ):
            journal = Journal(6)
            said: dict[int, bytes] = {}
            ids: dict[int, int] = {}
            for n, (what, slot, size) in enumerate(steps):
                if what == "open":
                    ids[slot] = n + 1
                    said[n + 1] = b""
                    journal(opened(n + 1))
                elif slot in ids and what == "close":
                    journal(closed(ids[slot]))
                elif slot in ids and journal.get(ids[slot]):
                    one = journal.get(ids[slot])
                    assert one is not None
                    if one.closed is None:
                        said[one.id] += bytes([n % 256]) * size
                    add(journal, ids[slot], 0, "in", bytes([n % 256]) * size, "x")
                kept = [chunk for one in journal for chunk in one.chunks]
                held = sum(len(chunk.data) + chunks.OVERHEAD for chunk in kept)
                areOpen = sum(one.closed is None for one in journal)
                self.assertLessEqual(0, journal.held - held)
                self.assertLessEqual(journal.held - held, areOpen * 200)
                self.assertLessEqual(journal.held, 5_000)
                self.assertLessEqual(len(journal), 6)
                for one in journal:
                    data = one.data("in")
                    self.assertTrue(said[one.id].startswith(data))
                    self.assertLessEqual(len(data), 1_000)
                    self.assertLessEqual(len(one.chunks), 5)
                    if not one.truncated:
                        self.assertEqual(said[one.id], data)
                self.assertEqual(sorted(one.id for one in journal), [one.id for one in journal])


class FaultTests(SynchronousTestCase):
    """What faults did, among what was said."""

    def setUp(self) -> None:
        self.now = 100.0
        self.journal = Journal(now=lambda: self.now)
        self.journal(opened(1))
        self.journal(opened(2))

    def one(self, number: int = 1) -> Conversation:
        found = self.journal.get(number)
        assert found is not None
        return found

    def test_story(self) -> None:
        """Each time stands between the chunks at its place; nobody else's conversation has it,
        and one that no fault acted on has no room for it."""
        add(self.journal, 1, 100.25, "in", b"a", "x")
        act(self.journal, 1, 100.5, "0 of 1 B passed")
        add(self.journal, 1, 100.75, "in", b"b", "x")
        act(self.journal, 1, 101, "reset", "echo: reset at close")
        act(self.journal, 7, 101, "reset")
        first = FaultMark(0.5, "drop", "echo: drop", 1, "0 of 1 B passed")
        last = FaultMark(1.0, "reset", "echo: reset at close", 1, "reset")
        chunks = [Chunk(0.25, "in", b"a", "x"), Chunk(0.75, "in", b"b", "x")]
        self.assertEqual([chunks[0], first, chunks[1], last], list(self.one().story()))
        self.assertEqual([chunks[1], last], list(self.one().story(1, 1)))
        self.assertEqual((2, [first, last]), (self.one().faulted, self.one().marks))
        self.assertEqual([False, True], [mark.isReset for mark in self.one().marks])
        self.assertEqual((0, []), (self.one(2).faulted, self.one(2).marks))
        self.assertFalse(hasattr(self.one(2), "_marks") or hasattr(self.one(2), "_faulted"))
        self.journal(closed(1))
        act(self.journal, 1, 102, "reset")
        self.assertEqual(2, self.one().faulted)

    def test_bounded(self) -> None:
        """A hundred times are kept, all are counted, and the room that they take is told."""
        for n in range(chunks.MAX_MARKS + 20):
            act(self.journal, 1, 100 + n, "no fin")
        self.assertEqual(
            (chunks.MAX_MARKS + 20, chunks.MAX_MARKS), (self.one().faulted, len(self.one().marks))
        )
        least = MARK_OVERHEAD + len("echo: drop") + len("no fin")
        self.assertEqual(chunks.MAX_MARKS * least, self.journal.held)
        self.journal.keep(1)
        self.assertEqual(0, self.journal.held)

    def test_noRoom(self) -> None:
        """One that lost its chunks loses these, too, and may be the one that makes room; it is
        counted on."""
        self.patch(room, "MAX_ALL_BYTES", 1_000)
        self.patch(chunks, "_STEP", 200)
        act(self.journal, 1, 100, "x" * 500)
        add(self.journal, 2, 100, "in", bytes(500), "x")
        self.assertEqual(([], 1), (self.one().marks, self.one().faulted))
        self.assertEqual(500, len(self.one(2).data("in")))
        act(self.journal, 1, 100, "no fin")
        act(self.journal, 2, 100, "x" * 500)
        self.assertEqual([(2, []), (1, [])], [(one.faulted, one.marks) for one in self.journal])
        self.assertEqual(0, self.journal.held)

    def test_pace(self) -> None:
        """What is too much at once is counted, and not kept."""
        self.patch(room, "BURST", 3)
        self.patch(room, "RATE", 1)
        journal = self.journal = Journal(now=lambda: self.now)
        journal(opened(1))
        for _ in range(10):
            act(journal, 1, 100, "no fin")
        self.assertEqual(10, self.one().faulted)
        self.assertGreaterEqual(4, len(self.one().marks))
        kept = journal.held
        self.now += 60
        act(journal, 1, 160, "no fin")
        self.assertGreater(journal.held, kept)


class FindTests(SynchronousTestCase):
    """Searching."""

    def setUp(self) -> None:
        self.journal = journal = Journal()
        journal(opened(1, "echo", peer="127.0.0.1:111"))
        journal(opened(2, "chat", peer="[::1]:222", time=2000.0))
        journal(opened(3, "echo", peer="127.0.0.1:333", time=3000.0))
        add(journal, 1, 0, "in", b"Say Hel", "x")
        add(journal, 1, 0, "out", b"between", "x")
        add(journal, 1, 0, "in", b"lo Gr\xc3\xbc\xc3\x9fe", "x")
        journal(closed(1, "idle"))
        journal(closed(3))

    def test_each(self) -> None:
        """By each of what can be asked, and by several together."""
        for asked, found in (
            ({}, [1, 2, 3]),
            ({"service": "echo"}, [1, 3]),
            ({"peer": "::1"}, [2]),
            ({"peer": "127.0.0.1"}, [1, 3]),
            ({"since": 2000.0}, [2, 3]),
            ({"until": 2000.0}, [1, 2]),
            ({"reason": "idle"}, [1]),
            ({"open": True}, [2]),
            ({"open": False}, [1, 3]),
            ({"text": "hello"}, [1]),
            ({"text": "BETWEEN"}, [1]),
            ({"text": "Grüße"}, [1]),
            ({"text": "nowhere"}, []),
            ({"text": "lobetween"}, []),
            ({"service": "echo", "since": 1500.0}, [3]),
        ):
            got = [one.id for one in self.journal.find(**asked)]  # type: ignore[arg-type]
            self.assertEqual(found, got, asked)


class PauseTests(SynchronousTestCase):
    """Pauses that ended messages, and their memory."""

    def test_kept(self) -> None:
        """They are part of the story, take memory, and give it back."""
        journal = Journal(1, lambda: 1.0)
        journal(Opened(1, "answer", "p", at=0.0))
        one = journal.get(1)
        assert one is not None
        one.received(b"how are u", "dataReceived")
        held = journal.held
        one.paused(9)
        self.assertEqual(held + PAUSE_BYTES, journal.held)
        one.sent(b"fine")
        self.assertEqual([PauseMark(1.0, 9)], one.pauses)
        self.assertEqual("a pause ended a message of 9 B", str(one.pauses[0]))
        self.assertEqual([PauseMark(1.0, 9)], list(one.story(2)))
        journal(Closed(1, "answer", "p", "idle", 9, 4, 1.0))
        one.paused(1)
        self.assertEqual(1, len(one.pauses))
        journal(Opened(2, "answer", "p"))
        self.assertEqual(0, journal.held)
        self.assertEqual([], one.pauses)

    def test_bounded(self) -> None:
        """There are as many as chunks, at most, and none once too many chunks were kept."""
        journal = Journal(now=lambda: 1.0)
        journal(Opened(1, "answer", "p", at=0.0))
        one = journal.get(1)
        assert one is not None
        for _ in range(chunks.MAX_CHUNKS + 1):
            one.paused(1)
        self.assertEqual(chunks.MAX_CHUNKS, len(one.pauses))

    def test_noRoom(self) -> None:
        """One that does not fit takes nothing."""
        journal = Journal(now=lambda: 1.0)
        journal(Opened(1, "answer", "p", at=0.0))
        one = journal.get(1)
        assert one is not None
        with patch.object(journal, "reserve", lambda size, chunks: False):
            before = journal.held
            one.paused(1)
        self.assertEqual((before - PAUSE_BYTES, []), (journal.held, one.pauses))


class SecretTests(SynchronousTestCase):
    """Secrets in what is kept."""

    def test_cut(self) -> None:
        """One that is cut into many chunks is masked in all of them, and the rest is not."""
        secrets = Secrets()
        secrets.hide(["0123456789abcdef"])
        journal = Journal(secrets=secrets)
        journal(Opened(1, "echo", "p"))
        for byte in b"a 0123456789abcdef z":
            add(journal, 1, 0.0, "in", bytes([byte]), "dataReceived")
            add(journal, 1, 0.0, "out", b"plain", "dataReceived")
        one = journal.get(1)
        assert one is not None
        for direction, data in (("in", b"a **************** z"), ("out", b"plain" * 20)):
            shown = [chunk.data for chunk in one.chunks if chunk.direction == direction]
            self.assertEqual((data, 20), (b"".join(shown), len(shown)))
