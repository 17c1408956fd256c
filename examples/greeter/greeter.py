"""A service that sends first, as mail servers do: a greeting, then OK for each line."""

from twistednet import Messages, Service


class Greeter(Messages):
    """Greets each client; `quit` closes the connection."""

    def connectionMade(self) -> None:
        self.send("220 ready")

    def messageReceived(self, text: str) -> None:
        if text == "quit":
            self.send("221 bye")
            self.end()
        else:
            self.send("250 OK")


service = Service("greeter", ("tcp:2525",), "greets, then says OK to each line", Greeter)
