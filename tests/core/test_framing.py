"""core/framing.py: any split of the same bytes gives the same messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twistednet.core.framing import Framer, TooLong

LIMIT = 12
# Few different bytes, so that newlines, limits and cut sequences meet often.
_PIECES = st.sampled_from(
    [b"a", b"\r", b"\n", b"\r\n", "é".encode(), "\U0001f600".encode(), b"\xff"]
)
# Left alone, lists have five items, which seldom exceed the limit.
BYTES = (st.lists(_PIECES, max_size=5) | st.lists(_PIECES, min_size=12, max_size=40)).map(b"".join)


def messagesOf(chunks: list[bytes], limit: int = LIMIT) -> list[object]:
    """Return all messages of a stream that arrives in these chunks, then ends."""
    framer = Framer(limit)
    found: list[object] = []
    try:
        for chunk in chunks:
            framer.feed(chunk)
            while (message := framer.next()) is not None:
                found.append((message, framer.newline))
        framer.ended()
        while (message := framer.next()) is not None:
            found.append((message, framer.newline))
    except TooLong:
        found.append(TooLong)
        found.append(framer.newline)
    return found


def expected(data: bytes, limit: int = LIMIT) -> list[object]:
    """Return the messages by the rule, from the whole stream at once."""
    found: list[object] = []
    ending = b""
    *lines, rest = data.split(b"\n")
    for line in lines:
        crlf = line.endswith(b"\r")
        content = line[:-1] if crlf else line
        if len(content) > limit:
            return [*found, TooLong, ending]
        ending = b"\r\n" if crlf else b"\n"
        found.append((content, ending))
    if len(rest) - rest.endswith(b"\r") > limit:
        return [*found, TooLong, ending]
    return [*found, (rest, ending)] if rest else found


class FramerTests(SynchronousTestCase):
    """Lines, bare messages, limits."""

    @given(BYTES, st.data())
    def test_everySplit(self, data: bytes, draw: st.DataObject) -> None:
        """Every split of the bytes gives the messages of the whole stream."""
        cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8)))
        chunks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        self.assertEqual(messagesOf(chunks), expected(data))

    @given(BYTES)
    def test_oneByteAtATime(self, data: bytes) -> None:
        """Single bytes give the same messages too."""
        self.assertEqual(messagesOf([bytes([byte]) for byte in data]), expected(data))

    def test_bare(self) -> None:
        """Without any newline a pause ends a message, and replies carry none."""
        framer = Framer(LIMIT)
        framer.feed(b"how are")
        self.assertIsNone(framer.next())
        self.assertTrue(framer.awaitsPause)
        framer.feed(b" u")
        framer.paused()
        self.assertEqual((framer.next(), framer.newline), (b"how are u", b""))
        self.assertIsNone(framer.next())
        self.assertFalse(framer.awaitsPause)

    def test_moreAfterThePauseBeforeItIsTaken(self) -> None:
        """Bytes that arrive before a paused message is taken still belong to it."""
        framer = Framer(LIMIT)
        framer.feed(b"a\n")
        framer.next()
        framer = Framer(LIMIT)
        framer.feed(b"x")
        framer.paused()
        framer.feed(b"y\nz")
        self.assertEqual((framer.next(), framer.newline), (b"xy", b"\n"))
        self.assertIsNone(framer.next())

    def test_lineModeIgnoresPauses(self) -> None:
        """After the first newline only a newline or the end completes a message."""
        framer = Framer(LIMIT)
        framer.feed(b"a\nb")
        self.assertEqual((framer.next(), framer.newline), (b"a", b"\n"))
        self.assertFalse(framer.awaitsPause)
        framer.paused()
        self.assertIsNone(framer.next())
        framer.ended()
        self.assertEqual((framer.next(), framer.newline), (b"b", b"\n"))

    def test_pauseInsideASequence(self) -> None:
        """A message that stops inside a UTF-8 sequence waits for the rest."""
        for text in ("é", "€", "\U0001f600"):
            data = text.encode()
            for cut in range(1, len(data)):
                framer = Framer(LIMIT)
                framer.feed(b"a" + data[:cut])
                framer.paused()
                self.assertIsNone(framer.next(), (text, cut))
                framer.feed(data[cut:])
                framer.paused()
                self.assertEqual((framer.next(), framer.newline), (b"a" + data, b""))

    def test_pauseAfterWhatIsNoSequence(self) -> None:
        """Bytes that cannot begin or continue UTF-8 do not wait for ever."""
        for data in (b"a\xff", b"\x80", b"\x80\x80\x80\x80", b"\xc1", b"\xf5\x80"):
            framer = Framer(LIMIT)
            framer.feed(data)
            self.assertTrue(framer.awaitsPause, data)

    def test_endedEmpty(self) -> None:
        """A stream that ends after a whole line has no further message."""
        framer = Framer(LIMIT)
        framer.feed(b"a\n")
        framer.next()
        framer.ended()
        self.assertIsNone(framer.next())

    def test_endedBeforeTheLastIsTaken(self) -> None:
        """The end of the stream adds no empty message to lines that still wait."""
        framer = Framer(LIMIT)
        framer.feed(b"a\n")
        framer.ended()
        self.assertTrue(framer.ready)
        self.assertEqual(framer.next(), b"a")
        self.assertFalse(framer.ready)
        self.assertIsNone(framer.next())

    def test_limitBareInOneByte(self) -> None:
        """The first byte over the limit raises TooLong, without waiting for a newline."""
        framer = Framer(3)
        framer.feed(b"abc")
        self.assertFalse(framer.ready)
        framer.feed(b"d")
        self.assertRaises(TooLong, framer.next)

    def test_fourMebibytesOfNewlines(self) -> None:
        """Empty lines are messages, and cost linear time (a quadratic cost would hang)."""
        framer = Framer(LIMIT)
        framer.feed(b"\n" * (1 << 20))
        self.assertEqual(sum(1 for _ in iter(framer.next, None)), 1 << 20)


class LinesTests(SynchronousTestCase):
    """Several lines at once."""

    @given(
        st.lists(st.sampled_from([b"", b"a", b"ab\r", b"abcdefghi"]), min_size=1, max_size=30),
        st.integers(1, 40),
    )
    def test_lines(self, lines: list[bytes], most: int) -> None:
        """`lines` and `skip` give what `next` gives."""
        framer, other = Framer(20), Framer(20)
        for one in (framer, other):
            one.feed(b"".join(line + b"\n" for line in lines))
        got = []
        while framer.ready:
            several = framer.lines(most)
            if several:
                framer.skip(several)
                got += [line.removesuffix(b"\r") for line in several]
            else:
                got.append(framer.next() or b"")
        self.assertEqual(got, list(iter(other.next, None)))
        self.assertEqual(framer.newline, other.newline)
        self.assertEqual(framer.lines(most), [])
