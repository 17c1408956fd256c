"""twistd -n netdemo --chat-class=dice.Dice"""

import random

from twistednet import Chat


class Dice(Chat):
    """A chat in which people can throw dice."""

    def command_roll(self, rest: str) -> None:
        """/roll [SIDES]: throw a die, for all to see"""
        sides = int(rest) if rest.isascii() and rest.isdecimal() and int(rest) else 6
        rolled = f"/roll {sides}: {random.randint(1, sides)}"
        self.send(rolled)
        self.said(rolled)
