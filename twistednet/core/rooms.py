"""Who is in which room, and who hears what: chat without a network.

Every call returns the deliveries it causes; whoever holds the connections
writes them. A person is any hashable thing that stands for one connection.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from itertools import count

from twistednet.core.names import BadName, enforced, likeness

LOBBY = "lobby"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One line, and everybody who gets it."""

    to: tuple[Hashable, ...]
    text: str


@dataclass(slots=True)
class _Room:
    name: str
    people: dict[Hashable, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def admit(self, person: Hashable, name: str) -> None:
        self.people[person] = name
        self.taken.add(likeness(name))

    def dismiss(self, person: Hashable) -> None:
        self.taken.discard(likeness(self.people.pop(person)))

    def others(self, person: Hashable) -> tuple[Hashable, ...]:
        return tuple(other for other in self.people if other is not person)


class Rooms:
    """All rooms. One that is left empty is gone; the lobby always stands."""

    def __init__(self) -> None:
        self._lobby = _Room(LOBBY)
        self._rooms = {likeness(LOBBY): self._lobby}
        self._where: dict[Hashable, _Room] = {}
        self._guests = count(1)

    def nameOf(self, person: Hashable) -> str:
        return self._where[person].people[person]

    @property
    def people(self) -> int:
        """How many are here, in whatever room."""
        return len(self._where)

    @property
    def count(self) -> int:
        """How many rooms there are, the lobby among them."""
        return len(self._rooms)

    def crowd(self, person: Hashable) -> int:
        """How many are in this person's room, themselves included."""
        return len(self._where[person].people)

    def enter(self, person: Hashable) -> list[Delivery]:
        """Somebody new is a guest in the lobby, and is told so."""
        names = (f"guest-{number}" for number in self._guests)
        name = next(name for name in names if likeness(name) not in self._lobby.taken)
        told = Delivery((person,), f"* you are {name} in {LOBBY}; /help tells what you can do")
        return [told, *self._arrive(person, name, self._lobby)]

    def leave(self, person: Hashable) -> list[Delivery]:
        """Somebody is gone, and the room is told; who never came leaves silently."""
        room = self._where.pop(person, None)
        if room is None:
            return []
        name = room.people[person]
        room.dismiss(person)
        if not room.people and room is not self._lobby:
            del self._rooms[likeness(room.name)]
        return self._tell(room.people, f"* {name} has left {room.name}")

    def say(self, person: Hashable, text: str, form: str = "{name}: {text}") -> list[Delivery]:
        """Everybody else in the room hears it; who is alone is told so instead."""
        room = self._where[person]
        others = room.others(person)
        if not others:
            return [Delivery((person,), f"* nobody else is in {room.name}")]
        return [Delivery(others, form.format(name=room.people[person], text=text))]

    def rename(self, person: Hashable, name: str) -> list[Delivery]:
        """Everybody in the room is told the new name. Raises BadName."""
        name = enforced(name)
        room = self._where[person]
        old = room.people[person]
        if likeness(name) in room.taken - {likeness(old)}:
            raise BadName(f"{name} is taken in {room.name}, or looks like a name that is")
        room.taken.discard(likeness(old))
        room.admit(person, name)
        return self._tell(room.people, f"* {old} is now {name}")

    def join(self, person: Hashable, roomName: str) -> list[Delivery]:
        """Move to a room, made if it is not there. Raises BadName."""
        roomName = enforced(roomName)
        old = self._where[person]
        new = self._rooms.get(likeness(roomName)) or _Room(roomName)
        if new is old:
            return [Delivery((person,), f"* you are in {old.name} already")]
        name = old.people[person]
        if likeness(name) in new.taken:
            raise BadName(f"{name} is taken in {new.name}: take another /nick first")
        left = self.leave(person)
        self._rooms[likeness(new.name)] = new
        told = Delivery((person,), f"* you are {name} in {new.name}")
        return [*left, told, *self._arrive(person, name, new)]

    def who(self, person: Hashable) -> list[Delivery]:
        room = self._where[person]
        return [Delivery((person,), f"* in {room.name}: {', '.join(room.people.values())}")]

    def rooms(self, person: Hashable) -> list[Delivery]:
        sizes = (f"{room.name} ({len(room.people)})" for room in self._rooms.values())
        return [Delivery((person,), f"* rooms: {', '.join(sizes)}")]

    def _arrive(self, person: Hashable, name: str, room: _Room) -> list[Delivery]:
        told = self._tell(room.people, f"* {name} has joined {room.name}")
        room.admit(person, name)
        self._where[person] = room
        return told

    def _tell(self, people: Iterable[Hashable], text: str) -> list[Delivery]:
        to = tuple(people)
        return [Delivery(to, text)] if to else []
