"""Chat: one connection for each person, commands, and delivery to everybody in a room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twistednet.core.metrics import Metrics
from twistednet.core.names import BadName
from twistednet.core.rooms import Delivery, Rooms
from twistednet.core.settings import ServiceSettings
from twistednet.core.text import readable, shown
from twistednet.services.factory import MessagesFactory
from twistednet.services.messages import Messages
from twistednet.transport.closing import setCloseReason

#: People up to which a room is small: its lines are delivered before those of large rooms.
SMALL_ROOM = 16


class ChatFactory(MessagesFactory):
    """The factory of `Chat`: all connections share the `rooms`, and the turns of delivery."""

    maxMessage = 512
    rate = 1.0
    burst = 10.0

    def __init__(self, protocol: type[Chat], clock: IReactorTime | None = None) -> None:
        super().__init__(protocol, clock)
        self.rooms = Rooms()
        self._behind: OrderedDict[Chat, None] = OrderedDict()
        # Separate from messages, so that lines are delivered while many wait to send.
        self._sending = self.fairCooperator()
        self._isSending = False

    def configure(self, settings: ServiceSettings) -> None:
        super().configure(settings)
        self.maxMessage = settings.maxChatMessage
        self.rate = settings.chatRate
        self.burst = settings.chatBurst

    def metrics(self) -> Metrics:
        return {
            **super().metrics(),
            "chat_rooms": self.rooms.count,
            "chat_people": self.rooms.people,
        }

    def deliver(self, deliveries: list[Delivery]) -> None:
        """Deliver each line to everybody in its room, in the next turn.

        The lines of one turn leave in one write for each person. People in small rooms do not
        wait for large ones.
        """
        for delivery in deliveries:
            isLarge = len(delivery.to) > SMALL_ROOM
            for person in cast("tuple[Chat, ...]", delivery.to):
                person.attempt(person.queueLine, delivery.text)
                self._behind[person] = None
                if not isLarge:
                    self._behind.move_to_end(person, last=False)
        if self._behind and not self._isSending:
            self._isSending = True
            self._sending.cooperate(self._sendAll())

    def _sendAll(self) -> Iterator[None]:
        while self._behind:
            person, _ = self._behind.popitem(last=False)
            person.attempt(person.sendQueued)
            yield
        self._isSending = False


class Chat(Messages):
    """One person in a room. Everybody else in the room gets what they send.

    Override: `said` is given each line of a person. A method `command_<verb>` is a command:
    `/verb rest` calls it with `rest`, and its docstring is its line in `/help`.
    """

    factory: ChatFactory

    #: Bytes that may wait for a person who reads too slowly, before the connection is aborted.
    MAX_UNSENT_BYTES = 8 * 1024

    def share(self) -> int:
        """Return fewer for a large room, where each message is delivered to many."""
        return SMALL_ROOM // self.factory.rooms.roomSize(self)

    def connectionMade(self) -> None:
        super().connectionMade()
        self._hold("entering")
        self.factory.takeTurn(self, self._enter)

    def connectionLost(self, reason: Failure | None = None) -> None:
        super().connectionLost(reason)
        self.factory.takeTurn(self, self._leave)

    def end(self, cause: str = "service") -> None:
        # The client may keep the socket open for as long as the lingering close waits.
        super().end(cause)
        self.factory.takeTurn(self, self._leave)

    # The whole room is notified of a person who enters or leaves, so that takes its turn like a
    # message: a thousand at once delay nobody.

    def _enter(self) -> None:
        if not self._ended:
            self.factory.deliver(self.factory.rooms.enter(self))
        self._release("entering")

    def _cutOff(self) -> None:
        setCloseReason(self.transport, "queue")
        self.transport.abortConnection()
        self.factory.takeTurn(self, self._leave)

    def _leave(self) -> None:
        self.factory.deliver(self.factory.rooms.leave(self))

    # What a person does

    def messageReceived(self, text: str) -> None:
        text = text.strip()
        if text == "byebye":
            self.command_quit("")
        elif text.startswith("/"):
            verb, _, rest = text[1:].partition(" ")
            self._command(verb, rest.strip())
        elif text:
            self.said(readable(text))

    def fixedReply(self, text: str) -> str | None:
        # Empty messages are ignored.
        isOurs = type(self).messageReceived is Chat.messageReceived
        return "" if isOurs and not text.strip() else None

    def said(self, text: str) -> None:
        """Deliver a line to everybody else in the room; a person alone gets a notice."""
        self.factory.deliver(self.factory.rooms.say(self, text))

    def command_nick(self, rest: str) -> None:
        """/nick NAME: take another name"""
        self._try(partial(self.factory.rooms.rename, self, rest))

    def command_join(self, rest: str) -> None:
        """/join ROOM: go to another room; it is made if it is not there"""
        self._try(partial(self.factory.rooms.join, self, rest))

    def command_who(self, rest: str) -> None:
        """/who: who is in this room"""
        self.factory.deliver(self.factory.rooms.who(self))

    def command_rooms(self, rest: str) -> None:
        """/rooms: which rooms there are"""
        self.factory.deliver(self.factory.rooms.rooms(self))

    def command_me(self, rest: str) -> None:
        """/me TEXT: say what you do"""
        self.factory.deliver(self.factory.rooms.say(self, readable(rest), "* {name} {text}"))

    def command_help(self, rest: str) -> None:
        """/help: this list"""
        commands = (getattr(self, name) for name in dir(self) if name.startswith("command_"))
        for command in commands:
            self._tell(command.__doc__ or f"/{command.__name__.removeprefix('command_')}")
        self._tell("byebye: the same as /quit")

    def command_quit(self, rest: str) -> None:
        """/quit: leave"""
        self.send("byebye")
        self.end()

    # What a person gets

    def queueLine(self, text: str) -> None:
        """Queue one line for this person; the next `sendQueued` sends it."""
        if not self._isTooFarBehind():
            self._willFlush = True
            self.send(text)

    def sendQueued(self) -> None:
        """Send the queued lines; abort the connection of a person who is too far behind."""
        self._flush()
        if self._isTooFarBehind():
            self._ended = True
            self._cutOff()

    def _isTooFarBehind(self) -> bool:
        return len(self._unsent) > self.MAX_UNSENT_BYTES and "transport" in self._holds

    def _tell(self, text: str) -> None:
        self.factory.deliver([Delivery((self,), f"* {text}")])

    def _command(self, verb: str, rest: str) -> None:
        command = getattr(self, f"command_{verb}", None) if verb.isidentifier() else None
        if command is None:
            self._tell(f"there is no /{shown(verb, 30)}; /help tells what there is")
        else:
            command(rest)

    def _try(self, change: Callable[[], list[Delivery]]) -> None:
        try:
            self.factory.deliver(change())
        except BadName as reason:
            self._tell(str(reason))
