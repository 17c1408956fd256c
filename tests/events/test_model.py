"""events/model.py: one stream, several sinks."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twistednet.events.model import (
    Closed,
    Event,
    EventStream,
    Faulted,
    Opened,
    Received,
    Refused,
    Sent,
    Tally,
)


class EventStreamTests(SynchronousTestCase):
    """A sink cannot hurt another."""

    def test_sinkThatFails(self) -> None:
        """A sink that raises is taken off and told of; the others get every event."""
        got: list[Event] = []
        failed: list[object] = []

        def bad(event: Event) -> None:
            raise RuntimeError

        stream = EventStream(failed.append)
        for sink in (bad, got.append):
            stream.attach(sink)
        first, second = Opened(1, "echo", "p"), Refused("echo", "p", "idle")
        stream.publish(first)
        stream.publish(second)
        self.assertEqual(got, [first, second])
        self.assertEqual(failed, [bad])

    def test_chunks(self) -> None:
        """Chunks go to those that want them, who get all else too."""
        stream = EventStream(self.fail)
        plain: list[Event] = []
        chunked: list[Event] = []
        wanted: list[str] = []
        stream.chunksWanted.append(lambda: wanted.append("chunks"))
        stream.attach(plain.append)
        self.assertEqual(((), []), (stream.chunked, wanted))
        for _ in range(2):
            stream.attach(chunked.append, chunks=True)
        self.assertEqual(["chunks"], wanted)
        opened, chunk = Opened(1, "echo", "p"), Received(1, "echo", "p", b"x", "dataReceived")
        stream.publish(opened)
        stream.publishChunk(chunk)
        self.assertEqual([opened], plain)
        self.assertEqual([opened, opened, chunk, chunk], chunked)
        stream.detach(chunked.append)
        stream.detach(chunked.append)
        stream.publish(opened)
        stream.publishChunk(chunk)
        self.assertEqual((2, 4, ()), (len(plain), len(chunked), stream.chunked))
        stream.attach(chunked.append, chunks=True)
        self.assertEqual(["chunks", "chunks"], wanted)

    def test_chunkSinkThatFails(self) -> None:
        """A sink that raises at a chunk gets no event of any kind any more."""
        failed: list[object] = []
        got: list[Event] = []

        def bad(event: Event) -> None:
            got.append(event)
            if isinstance(event, Sent):
                raise RuntimeError

        stream = EventStream(failed.append)
        stream.attach(bad, chunks=True)
        opened, chunk = Opened(1, "echo", "p"), Sent(1, "echo", "p", b"x", "later")
        for _ in range(2):
            stream.publish(opened)
            stream.publishChunk(chunk)
        self.assertEqual(([opened, chunk], [bad]), (got, failed))

    def test_tally(self) -> None:
        """Counts by how it ended, the most frequent first."""
        tally = Tally()
        for event in (
            Opened(1, "echo", "p"),
            Opened(2, "echo", "p"),
            Opened(3, "echo", "p"),
            Closed(1, "echo", "p", "idle", 0, 0, 1.0),
            Closed(2, "echo", "p", "client FIN", 0, 0, 1.0),
            Closed(3, "echo", "p", "client FIN", 0, 0, 1.0),
            Refused("echo", "p", "connection rate"),
            # None of its business.
            Opened(4, "datagram", "p", "udp"),
            Closed(4, "datagram", "p", "quiet", 0, 0, 1.0, "udp"),
            Faulted(1, "echo", "p", "drop"),
            Sent(1, "echo", "p", b"x", "later"),
        ):
            tally(event)
        self.assertEqual(
            tally.summary(),
            "connections: 3, 2 by client FIN, 1 by idle; refused: 1, 1 for connection rate",
        )

    def test_tallyOfServices(self) -> None:
        """Each service has its own counts, and the summary those of all."""
        tally = Tally()
        for number, service in enumerate(("echo", "chat", "chat")):
            tally(Opened(number, service, "p"))
            tally(Closed(number, service, "p", "idle", 3, 4, 1.0))
            tally(Faulted(number, service, "p", "drop"))
        self.assertEqual({"echo": 1, "chat": 2}, tally.opened)
        self.assertEqual({("echo", "idle"): 1, ("chat", "idle"): 2}, tally.closed)
        self.assertEqual({("echo", "drop"): 1, ("chat", "drop"): 2}, tally.faulted)
        self.assertEqual((3, 8), (tally.bytesIn["echo"], tally.bytesOut["chat"]))
        self.assertEqual("connections: 3, 3 by idle; refused: 0", tally.summary())

    def test_tallyIsBounded(self) -> None:
        """Reasons without end, as a service of others' may make up, do not fill the memory."""
        tally = Tally()
        for number in range(tally.MAX_REASONS + 50):
            tally(Opened(number, "a", "peer"))
            tally(Closed(number, "a", "peer", f"reason {number}", 1, 2, 0))
            tally(Refused("a", "peer", f"limit {number}"))
        for counter in (tally.closed, tally.refused):
            self.assertEqual(tally.MAX_REASONS + 1, len(counter))
            self.assertEqual(50, counter["a", "other"])
        self.assertEqual((tally.MAX_REASONS + 50,) * 2, (tally.opened["a"], tally.bytesIn["a"]))
