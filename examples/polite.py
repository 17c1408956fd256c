"""twistd -n netdemo --chat-class=polite.Polite"""

from twistednet import Chat


class Polite(Chat):
    """A chat in which nobody can shout."""

    def said(self, text: str) -> None:
        super().said(text.lower() if text.isupper() else text)
