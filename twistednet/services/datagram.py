"""Datagram: logs each datagram and returns it."""

from __future__ import annotations

from collections.abc import Set
from string import whitespace

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from twistednet.core.settings import ServiceSettings
from twistednet.core.text import addressText, shown
from twistednet.services.ratelimitedlog import RateLimitedLog
from twistednet.transport.closing import endConversation, refuse
from twistednet.transport.interfaces import DatagramTransport

#: The bytes with which a datagram can begin that is `bye` once white space is stripped.
_FIRST_BYTES_OF_BYE = frozenset(b"b" + whitespace.encode())

#: The limit that a dropped reply is reported with.
TOO_LONG = "reply longer than its request"


class Datagram(DatagramProtocol):
    """Returns each datagram to its sender; `bye` ends that sender's UDP conversation.

    A reply is never longer than its request: with a forged sender, a longer one would
    amplify the traffic to a victim. A longer reply is dropped and reported.

    Override: `reply` is given a datagram and its sender, and returns the reply, or None for
    no reply.
    """

    noisy = False
    #: False for a service that never replies, so that none of its sources can be a loop.
    replies = True
    #: True if `bye` closes the port.
    stopOnBye = False
    # Twisted declares one for UDP, for multicast, or none.
    transport: DatagramTransport  # type: ignore[assignment]
    log = Logger()

    def __init__(self, clock: IReactorTime | None = None) -> None:
        if clock is None:
            from twisted.internet import reactor

            clock = IReactorTime(reactor)
        self._display = RateLimitedLog(self.log, clock)

    def configure(self, settings: ServiceSettings) -> None:
        """Take the settings that are current from now on."""
        self.stopOnBye = settings.datagramBye == "stop"

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        peer = addressText(addr)
        if not self._display.leaveOut(1):
            self._display.show(
                "{peer} sent {size} B: {text}", peer=peer, size=len(datagram), text=shown(datagram)
            )
        if datagram.strip() == b"bye":
            self.transport.write(datagram, addr)
            self._bye(peer, addr)
            return
        reply = self.reply(datagram, addr)
        if reply is None:
            return
        if len(reply) > len(datagram):
            refuse(self.transport, addr, TOO_LONG)
            self._display.show(
                "no reply to {peer}: it would have {reply} B, and the request has {size} B",
                peer=peer,
                reply=len(reply),
                size=len(datagram),
            )
            return
        self.transport.write(reply, addr)

    def mayReturn(self, senders: Set[tuple[str, int]], firsts: bytes) -> bool:
        """True if these datagrams may be returned without a call of `datagramReceived`.

        That is so if `reply` is not overridden, no datagram can be `bye`, and so many arrive
        that none is logged.
        """
        return (
            self._returnsAll
            and _FIRST_BYTES_OF_BYE.isdisjoint(firsts)
            and self._display.leaveOut(len(firsts))
        )

    @property
    def _returnsAll(self) -> bool:
        own = type(self)
        return own.reply is Datagram.reply and own.datagramReceived is Datagram.datagramReceived

    def reply(self, data: bytes, address: tuple[str, int]) -> bytes | None:
        """Return the reply, which has at most as many bytes as `data`; None for no reply."""
        return data

    def _bye(self, peer: str, addr: tuple[str, int]) -> None:
        endConversation(self.transport, addr)
        self._display.show("{peer} sent bye: its conversation is over", peer=peer)
        if self.stopOnBye:
            self.log.info("{peer} sent bye: no longer listening", peer=peer)
            self.transport.stopListening()
