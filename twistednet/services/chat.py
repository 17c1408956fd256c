"""Chat: rooms of people."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twistednet.core.metrics import Metrics
from twistednet.core.names import BadName
from twistednet.core.rooms import Delivery, Rooms
from twistednet.core.settings import ServiceSettings
from twistednet.core.text import readable, shown
from twistednet.services.fairness import MessagesFactory
from twistednet.services.messages import Messages
from twistednet.transport.closing import setCloseReason

#: People in a room from which on it is a crowd.
FEW = 16


class ChatFactory(MessagesFactory):
    """All people share one set of `rooms`, and one round in which they are served."""

    maxMessage = 512
    rate = 1.0
    burst = 10.0

    def __init__(self, protocol: type[Chat], clock: IReactorTime | None = None) -> None:
        super().__init__(protocol, clock)
        self.rooms = Rooms()
        self._toServe: OrderedDict[Chat, None] = OrderedDict()
        # Of its own, so that who listens is served while a crowd waits to speak.
        self._serving = self.fairCooperator()
        self._isServing = False

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
        """Give each line to everybody it is for, in the next turn.

        What is said within one turn leaves in one write a person. A few who talk among
        themselves do not wait behind a crowd.
        """
        for delivery in deliveries:
            isCrowd = len(delivery.to) > FEW
            for person in cast("tuple[Chat, ...]", delivery.to):
                person.attempt(person.hear, delivery.text)
                self._toServe[person] = None
                if not isCrowd:
                    self._toServe.move_to_end(person, last=False)
        if self._toServe and not self._isServing:
            self._isServing = True
            self._serving.cooperate(self._serve())

    def _serve(self) -> Iterator[None]:
        while self._toServe:
            person, _ = self._toServe.popitem(last=False)
            person.attempt(person.serve)
            yield
        self._isServing = False


class Chat(Messages):
    """One person in a room. What they say, everybody else in it hears.

    Override: `said` is given what a person says. A method `command_<verb>` is a
    command of its own: `/verb rest` calls it with `rest`; its docstring is the
    line that `/help` shows.
    """

    #: Bytes that may wait for a person who reads too slowly; then they are cut off.
    MOST_UNSENT = 8 * 1024

    def share(self) -> int:
        """A message in a crowd costs as much as many elsewhere, and waits its turn."""
        return FEW // self.factory.rooms.crowd(self)

    def connectionMade(self) -> None:
        super().connectionMade()
        self._hold("door")
        self.factory.takeTurn(self, self._enter)

    def connectionLost(self, reason: Failure | None = None) -> None:
        super().connectionLost(reason)
        self.factory.takeTurn(self, self._leave)

    def end(self, cause: str = "service") -> None:
        # Their client may keep the socket for as long as it is waited for.
        super().end(cause)
        self.factory.takeTurn(self, self._leave)

    # Coming and going is told to the whole room, and so takes its turn like a message:
    # a thousand who come, or are cut off, at once hold nobody up.

    def _enter(self) -> None:
        if not self._ended:
            self.factory.deliver(self.factory.rooms.enter(self))
        self._release("door")

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

    def said(self, text: str) -> None:
        """Everybody else in the room hears it; someone alone is told so."""
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

    # What a person is told

    def attempt(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Do something for this connection, unless it has ended; if it raises, it has `failed`."""
        try:
            return None if self._ended else act(*arguments)
        except Exception:
            self.failed(Failure())
            return None

    def hear(self, text: str) -> None:
        """One line for this person, sent by the next `serve`."""
        if not self._isTooFarBehind():
            self.send(text)

    def serve(self) -> None:
        """Send what was heard; someone who has fallen too far behind is cut off."""
        self._flush()
        if self._isTooFarBehind():
            self._ended = True
            self._cutOff()

    def _isTooFarBehind(self) -> bool:
        return len(self._unsent) > self.MOST_UNSENT and "transport" in self._holds

    def _tell(self, text: str) -> None:
        self.factory.deliver([Delivery((self,), f"* {text}")])

    def _command(self, verb: str, rest: str) -> None:
        command = getattr(self, f"command_{verb}", None) if verb.isidentifier() else None
        if command is None:
            self._tell(f"there is no /{shown(verb, 30)}; /help tells what there is")
        else:
            command(rest)

    def _try(self, change: Any) -> None:
        try:
            self.factory.deliver(change())
        except BadName as reason:
            self._tell(str(reason))
