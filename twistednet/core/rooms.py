"""Chat rooms without a network: people, names, and the lines that each person gets.

Every method that changes something returns the deliveries that follow; the caller, which has
the connections, sends them. A person is any hashable object, one for each connection.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from itertools import count

from twistednet.core.names import BadName, enforced, likeness

LOBBY = "lobby"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One line, and the people who get it."""

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
    """All rooms. An empty room is removed, except the lobby."""

    def __init__(self) -> None:
        self._lobby = _Room(LOBBY)
        self._rooms = {likeness(LOBBY): self._lobby}
        self._where: dict[Hashable, _Room] = {}
        self._guests = count(1)

    def nameOf(self, person: Hashable) -> str:
        return self._where[person].people[person]

    @property
    def people(self) -> int:
        """The number of people in all rooms."""
        return len(self._where)

    @property
    def count(self) -> int:
        """The number of rooms, with the lobby."""
        return len(self._rooms)

    def roomSize(self, person: Hashable) -> int:
        """Return the number of people in the room of this person."""
        return len(self._where[person].people)

    def enter(self, person: Hashable) -> list[Delivery]:
        """Put a new person into the lobby, under the name of a guest."""
        names = (f"guest-{number}" for number in self._guests)
        name = next(name for name in names if likeness(name) not in self._lobby.taken)
        welcome = Delivery((person,), f"* you are {name} in {LOBBY}; /help tells what you can do")
        return [welcome, *self._arrive(person, name, self._lobby)]

    def leave(self, person: Hashable) -> list[Delivery]:
        """Remove a person and notify the room; a person who is in no room is ignored."""
        room = self._where.pop(person, None)
        if room is None:
            return []
        name = room.people[person]
        room.dismiss(person)
        if not room.people and room is not self._lobby:
            del self._rooms[likeness(room.name)]
        return self._notify(room.people, f"* {name} has left {room.name}")

    def say(self, person: Hashable, text: str, form: str = "{name}: {text}") -> list[Delivery]:
        """Deliver a line to everybody else in the room, or a notice to a person who is alone."""
        room = self._where[person]
        others = room.others(person)
        if not others:
            return [Delivery((person,), f"* nobody else is in {room.name}")]
        return [Delivery(others, form.format(name=room.people[person], text=text))]

    def rename(self, person: Hashable, name: str) -> list[Delivery]:
        """Change a name and notify the room. Raises BadName."""
        name = enforced(name)
        room = self._where[person]
        old = room.people[person]
        if likeness(name) in room.taken - {likeness(old)}:
            raise BadName(f"{name} is taken in {room.name}, or looks like a name that is")
        room.taken.discard(likeness(old))
        room.admit(person, name)
        return self._notify(room.people, f"* {old} is now {name}")

    def join(self, person: Hashable, roomName: str) -> list[Delivery]:
        """Move a person to a room, which is created if necessary. Raises BadName."""
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
        welcome = Delivery((person,), f"* you are {name} in {new.name}")
        return [*left, welcome, *self._arrive(person, name, new)]

    def who(self, person: Hashable) -> list[Delivery]:
        room = self._where[person]
        return [Delivery((person,), f"* in {room.name}: {', '.join(room.people.values())}")]

    def rooms(self, person: Hashable) -> list[Delivery]:
        sizes = (f"{room.name} ({len(room.people)})" for room in self._rooms.values())
        return [Delivery((person,), f"* rooms: {', '.join(sizes)}")]

    def _arrive(self, person: Hashable, name: str, room: _Room) -> list[Delivery]:
        notice = self._notify(room.people, f"* {name} has joined {room.name}")
        room.admit(person, name)
        self._where[person] = room
        return notice

    def _notify(self, people: Iterable[Hashable], text: str) -> list[Delivery]:
        to = tuple(people)
        return [Delivery(to, text)] if to else []
