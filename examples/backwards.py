"""twistd -n netdemo --datagram-class=backwards.Backwards"""

from twistednet import Datagram


class Backwards(Datagram):
    """Returns each datagram from its end to its start, and nothing to `hush`."""

    def reply(self, data: bytes, address: tuple[str, int]) -> bytes | None:
        return None if data == b"hush" else data[::-1]
