"""twistd -n netdemo --echo-class=loud.LoudEcho"""

from twistednet import Echo


class LoudEcho(Echo):
    """Says everything back in capitals."""

    def reply(self, data: bytes) -> bytes:
        return data.upper()
