"""A whole new service: every line comes back in capitals, and is counted."""

from twistednet import Messages, Service


class Shout(Messages):
    """Says each message back in capitals, with its number on this connection."""

    number = 0

    def messageReceived(self, text: str) -> None:
        self.number += 1
        self.send(f"{self.number}: {text.upper()}")


service = Service(
    name="shout",
    listen=("tcp:7777",),
    help="says every line back in capitals",
    protocol=Shout,
)
