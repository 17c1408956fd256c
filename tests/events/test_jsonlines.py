"""events/jsonlines.py: events as JSON lines."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.journals import act, add, pause
from twistednet.events.journal import Journal
from twistednet.events.jsonlines import jsonLines, line
from twistednet.events.model import (
    SCHEMA,
    Closed,
    Event,
    Faulted,
    Opened,
    Paused,
    Received,
    Refused,
    Sent,
)

HEAD = {"v": SCHEMA, "time": 1000.5, "monotonic": 7.25}


class LineTests(SynchronousTestCase):
    """One event, one line."""

    def test_everyEvent(self) -> None:
        """Each kind has its fields, and those that all have."""
        whose = {"id": 1, "service": "echo", "peer": "127.0.0.1:5"}
        own = (1, "echo", "127.0.0.1:5")
        cases: list[tuple[Event, dict[str, object]]] = [
            (
                Opened(*own, "tls", "127.0.0.1:8", 7.25, 1.0),
                {"event": "opened", **whose, "kind": "tls", "host": "127.0.0.1:8"},
            ),
            (
                Received(*own, b"a", "dataReceived", 7.25),
                {"event": "received", **whose, "callback": "dataReceived", "size": 1, "data": "a"},
            ),
            (
                Sent(*own, b"", "later", 7.25),
                {"event": "sent", **whose, "callback": "later", "size": 0, "data": ""},
            ),
            (
                Faulted(*own, "drop", "echo: drop, seed 1", 2, "0 of 3 B passed", 7.25),
                {"event": "faulted", **whose, "fault": "drop", "rule": "echo: drop, seed 1"}
                | {"count": 2, "did": "0 of 3 B passed"},
            ),
            (Paused(*own, 9, 7.25), {"event": "paused", **whose, "size": 9}),
            (
                Refused("echo", "127.0.0.1:5", "idle", 7.25),
                {"event": "refused", "service": "echo", "peer": "127.0.0.1:5", "limit": "idle"},
            ),
            (
                Closed(*own, "idle", 3, 4, 0.5, "udp", 7.25),
                {"event": "closed", **whose, "kind": "udp", "reason": "idle"}
                | {"bytesIn": 3, "bytesOut": 4, "seconds": 0.5},
            ),
        ]
        for event, expected in cases:
            self.assertEqual(HEAD | expected, json.loads(line(event, 1000.5)))

    @given(st.binary(max_size=600), st.integers(0, 300))
    def test_lossless(self, data: bytes, payload: int) -> None:
        """What is shown of a chunk are its very bytes, on one line of ASCII."""
        text = line(Received(1, "echo", "p", data, "dataReceived"), 0, payload)
        self.assertTrue(text.isascii())
        self.assertEqual([text], text.splitlines())
        shown = json.loads(text)
        self.assertEqual(data[:payload], shown["data"].encode("latin-1"))
        self.assertEqual(len(data), shown["size"])


class ConversationTests(SynchronousTestCase):
    """A conversation from the journal."""

    def test_asItWas(self) -> None:
        """The same lines as when it happened; of one that is open, all but the end."""
        happened: list[tuple[Event, float]] = [
            (Opened(1, "echo", "p", "tcp", "h", 50.0, 1000.0), 1000.0),
            (Received(1, "echo", "p", b"\0\xff" * 400, "dataReceived", 50.25), 1000.25),
            (
                Faulted(1, "echo", "p", "rate", "echo: rate 1B/s", 1, "1 B 0.100 s later", 50.4),
                1000.4,
            ),
            (Paused(1, "echo", "p", 800, 50.45), 1000.45),
            (Sent(1, "echo", "p", b"b", "later", 50.5), 1000.5),
            (Closed(1, "echo", "p", "idle", 800, 1, 0.75, "tcp", 50.75), 1000.75),
        ]
        expected = [line(event, time) + "\n" for event, time in happened]
        journal = Journal()
        journal(happened[0][0])
        add(journal, 1, 50.25, "in", b"\0\xff" * 400, "dataReceived")
        act(journal, 1, 50.4, "1 B 0.100 s later", "echo: rate 1B/s")
        pause(journal, 1, 50.45, 800)
        add(journal, 1, 50.5, "out", b"b", "later")
        self.assertEqual(expected[:5], list(jsonLines(journal)))
        journal(happened[5][0])
        self.assertEqual(expected, list(jsonLines(journal)))
