"""admin/conversations.py: the stream of one conversation, in pieces."""

from __future__ import annotations

import json
from base64 import b64decode

from twisted.trial.unittest import SynchronousTestCase

from tests.support.journals import act, add
from twistednet.admin.conversations import MAX_TICK_BYTES, ConversationSource
from twistednet.events.journal import Journal
from twistednet.events.model import Closed, Opened


class ConversationSourceTests(SynchronousTestCase):
    """What each tick sends of a conversation."""

    def test_bounded(self) -> None:
        """A long conversation comes in several ticks, whole and in order, and then its end."""
        journal = Journal()
        journal(Opened(1, "echo", "p", at=100.0))
        for number in range(15):
            add(journal, 1, 100.0 + number, "in", bytes([number]) * 4096, "dataReceived")
        act(journal, 1, 200.0, "drop")
        journal(Closed(1, "echo", "p", "service", 3, 4, 0.5))
        conversation = journal.get(1)
        assert conversation is not None
        source = ConversationSource(conversation, "")
        ticks = []
        while tick := source.more():
            ticks.append(tick)
        self.assertGreater(len(ticks), 1)
        # One message more than the limit, at most.
        self.assertLess(max(map(len, ticks)), MAX_TICK_BYTES + 6000)
        lines = b"".join(ticks).decode().splitlines()
        content = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        data = b"".join(b64decode(one["data"]) for one in content if "data" in one)
        self.assertEqual(data, b"".join(bytes([number]) * 4096 for number in range(15)))
        kinds = [line[7:] for line in lines if line.startswith("event: ")]
        # Of the 4,096 newlines, the first ends the data before it, and the others are empty
        # messages; what follows them is one message, which no newline ends.
        self.assertEqual(kinds.count("message"), 4096)
        others = [kind for kind in kinds if kind != "message"]
        self.assertEqual(others, ["chunk"] * 15 + ["faulted", "closed"])
