"""testing/sink.py: what of a server is reported to the test."""

from __future__ import annotations

from base64 import b64decode

from twisted.trial.unittest import SynchronousTestCase

from twistednet.events.model import Closed, Received
from twistednet.testing import sink as room
from twistednet.testing.messages import Message
from twistednet.testing.sink import ParentSink


class LimitTests(SynchronousTestCase):
    """The memory of the test, which keeps everything that is reported."""

    def test_mostBytes(self) -> None:
        """Of more data than the limit the rest is not reported, but the end of it is."""
        self.patch(room, "MAX_REPORTED_BYTES", 10)
        sent: list[Message] = []
        sink = ParentSink(1, sent.append)
        for data in (b"first", b"second", b"third"):
            sink(Received(7, "echo", "127.0.0.1:5", data, "dataReceived"))
        sink(Closed(7, "echo", "127.0.0.1:5", "client FIN", 16, 16, 1.0))
        reported = [one["data"] for one in sent if one["type"] == "received"]
        self.assertEqual([b"first", b"second"], [b64decode(one) for one in reported])
        self.assertEqual("closed", sent[-1]["type"])
