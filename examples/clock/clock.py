"""A UDP service: the time, in as many bytes as were sent."""

import operator
import time

from twistednet import Datagram, Service


class Clock(Datagram):
    """Answers each datagram with the time of day; a reply is never longer than its request."""

    def reply(self, data: bytes, address: tuple[str, int]) -> bytes:
        return time.strftime("%H:%M:%S").encode()[: len(data)]


service = Service(
    "clock",
    ("udp:3737",),
    "answers with the time of day",
    Clock,
    stream=None,
    datagram=operator.call,
)
