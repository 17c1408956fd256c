"""Datagram: each one is displayed and returned as it is."""

from __future__ import annotations

from collections.abc import Set
from string import whitespace
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from twistednet.core.settings import ServiceSettings
from twistednet.core.text import addressText, shown
from twistednet.services.display import RateLimitedLog
from twistednet.transport.closing import endConversation

# The first bytes of what is `bye` once white space is stripped.
_BEGIN_OF_BYE = frozenset(b"b" + whitespace.encode())


class Datagram(DatagramProtocol):
    """Returns each datagram to its sender; `bye` ends that sender's conversation.

    A reply is never longer than its request, so that nobody can make this
    service shout at somebody else; a longer one is dropped, and the log says so.

    Override: `reply` is given a datagram and its sender, and returns what goes
    back, or None for nothing.
    """

    noisy = False
    replies = True
    stopOnBye = False
    transport: Any
    log = Logger()

    def __init__(self, clock: IReactorTime | None = None) -> None:
        if clock is None:
            from twisted.internet import reactor

            clock = IReactorTime(reactor)
        self._display = RateLimitedLog(self.log, clock)

    def configure(self, settings: ServiceSettings) -> None:
        """Take the settings that are in force from now on."""
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
            self._display.show(
                "no reply to {peer}: {reply} B would answer {size} B",
                peer=peer,
                reply=len(reply),
                size=len(datagram),
            )
            return
        self.transport.write(reply, addr)

    def mayReturn(self, senders: Set[tuple[str, int]], firsts: bytes) -> bool:
        """May these datagrams be returned unseen? Only where `reply` was not overridden,
        none can be `bye`, and none is displayed, because too many are."""
        return (
            self._returnsAll
            and _BEGIN_OF_BYE.isdisjoint(firsts)
            and self._display.leaveOut(len(firsts))
        )

    @property
    def _returnsAll(self) -> bool:
        ours = type(self)
        return ours.reply is Datagram.reply and ours.datagramReceived is Datagram.datagramReceived

    def reply(self, data: bytes, address: tuple[str, int]) -> bytes | None:
        """What to answer to `data`, in at most as many bytes; None for no answer."""
        return data

    def _bye(self, peer: str, addr: tuple[str, int]) -> None:
        endConversation(self.transport, addr)
        self._display.show("{peer} said bye: its conversation is over", peer=peer)
        if self.stopOnBye:
            self.log.info("{peer} said bye: no longer listening", peer=peer)
            self.transport.stopListening()
