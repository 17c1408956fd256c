"""core/events.py: one stream, several sinks."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twistednet.core.events import Closed, Event, EventStream, Opened, Refused, Tally


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
        ):
            tally(event)
        self.assertEqual(
            tally.summary(),
            "connections: 3, 2 by client FIN, 1 by idle; refused: 1, 1 for connection rate",
        )
