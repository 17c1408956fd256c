"""events/messages.py: where messages end, as the service decided."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twistednet.events.chunks import Chunk
from twistednet.events.marks import FaultMark, PauseMark
from twistednet.events.messages import messagesOf


def received(data: bytes, at: float = 0.0) -> Chunk:
    return Chunk(at, "in", data, "dataReceived")


def sent(data: bytes, at: float = 0.0) -> Chunk:
    return Chunk(at, "out", data, "dataReceived")


class MessagesTests(SynchronousTestCase):
    """Messages of conversations that a journal may have."""

    def messages(self, *parts: Chunk | FaultMark | PauseMark) -> list[tuple[bytes, str]]:
        """Return the data of each message and what ended it, as the parts end them."""
        found = []
        for one in messagesOf(parts):
            chunks = [part for part in parts if isinstance(part, Chunk) and part.data]
            data = b"".join(part.data for part in chunks if part.direction == one.direction)
            found.append((data[one.begin : one.end], one.ending))
        return found

    def test_bare(self) -> None:
        """A pause ends a message that has no line end, and its answer has none either."""
        self.assertEqual(
            [
                (b"how ", "pause"),
                (b"Nothing", "write"),
                (b"are", "pause"),
                (b"Nothing", "write"),
                (b" u\n", "line"),
                (b"fine\n", "line"),
            ],
            self.messages(
                *(received(b"how "), PauseMark(0.1, 4), sent(b"Nothing")),
                *(received(b"are"), PauseMark(0.3, 3), sent(b"Nothing")),
                *(received(b" u\n"), sent(b"fine\n")),
            ),
        )

    def test_cut(self) -> None:
        """Without a mark of a pause, chunks are one message until the line end."""
        (one,) = messagesOf([received(b"how ", 1), received(b"are", 2), received(b" u\n", 3)])
        self.assertEqual(
            (0, 10, 1, 3, 1, "line"), (one.begin, one.end, one.first, one.last, one.at, one.ending)
        )

    def test_joined(self) -> None:
        """Two lines in one chunk, and the begin of a third, which is no message yet."""
        found = messagesOf([received(b"a\nbc\nd"), received(b"e\n", 7), received(b"f")])
        self.assertEqual(
            [(0, 2, 1, 1), (2, 5, 1, 1), (5, 8, 1, 2)],
            [(one.begin, one.end, one.first, one.last) for one in found],
        )

    def test_fin(self) -> None:
        """The FIN ends the last message, and whether the answer has a line end follows from it."""
        fin = received(b"")
        self.assertEqual(
            [(b"how are u", "FIN"), (b"fine", "write")],
            self.messages(received(b"how are u"), fin, sent(b"fine")),
        )
        self.assertEqual(
            [(b"a\n", "line"), (b"b", "FIN"), (b"fine\n", "line")],
            self.messages(received(b"a\nb"), fin, sent(b"fi"), sent(b"ne\n")),
        )
        self.assertEqual([], self.messages(fin))

    def test_marks(self) -> None:
        """A fault ends no message, and nor does a pause whose data is not kept."""
        fault = FaultMark(0.0, "delay", "echo: delay", 1, "all")
        self.assertEqual([], self.messages(received(b"ab"), fault, PauseMark(0.1, 3)))
