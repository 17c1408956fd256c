"""Message framing: cuts a stream of bytes into lines or bare messages.

TCP has no messages. A person who types into ``nc`` ends each message with a newline; the
clients of many tutorials just ``send(b"how are u")`` and wait. A `Framer` handles both on
the same port.
"""

from __future__ import annotations


class TooLong(Exception):
    """A message is over the limit; where the next one begins is not known."""


class Framer:
    """Cuts a stream into messages of at most `limit` bytes, newline not counted.

    A newline (LF or CRLF) ends a message, and after the first newline nothing else does. On
    a stream without newlines so far, a pause ends a message: the caller measures it while
    `awaitsPause` is true, and then calls `paused`. The end of the stream always ends the last
    message.

    Every split of the same bytes over calls of `feed` gives the same messages.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        #: The end of the last message, which replies use too: LF, CRLF, or nothing for a
        #: client that has not sent a newline.
        self.newline = b""
        #: The bytes that were fed; those from `_begin` on were not yet returned.
        self.buffer: bytes | bytearray = b""
        # The place of the next message, and the place before which there is no newline.
        self._begin = 0
        self._searched = 0
        self._whole = False

    @property
    def awaitsPause(self) -> bool:
        """True if a pause would end a message now."""
        return bool(self.buffer) and not self.newline and not _cutInside(self.buffer)

    def feed(self, data: bytes) -> None:
        """Add bytes that were read; `next` returns the messages that they complete."""
        self._whole = False
        if not self.buffer:
            self.buffer = data
            return
        # A message may arrive byte by byte; a bytearray grows without a copy each time.
        if isinstance(self.buffer, bytes):
            self.buffer = bytearray(self.buffer)
        self.buffer += data

    def paused(self) -> None:
        """Note a pause, which ends a message on a stream without newlines."""
        self._whole = self.awaitsPause

    def ended(self) -> None:
        """Note the end of the stream, which ends the last message."""
        self._whole = True

    @property
    def ready(self) -> bool:
        """True if `next` would return a message or raise TooLong."""
        found = self.buffer.find(b"\n", self._searched)
        if found >= 0:
            self._searched = found
            return True
        return bool(self._whole and self.buffer) or self._overlong

    def next(self) -> bytes | None:
        """Return the next whole message without its newline, or None if there is none yet.

        Raises TooLong once the message that is arriving cannot fit the limit.
        """
        buffer, begin = self.buffer, self._begin
        if not buffer:
            return None
        found = buffer.find(b"\n", self._searched)
        if found < 0:
            return self._rest()
        crlf = found > begin and buffer[found - 1] == 0x0D
        end = found - crlf
        if end - begin > self.limit:
            raise TooLong
        self.newline = b"\r\n" if crlf else b"\n"
        message = buffer[begin:end]
        if found + 1 < len(buffer):
            self._begin = self._searched = found + 1
        else:
            self.buffer = b""
            self._begin = self._searched = 0
        return message if type(message) is bytes else bytes(message)

    def lines(self, most: int) -> list[bytes]:
        """Return the whole lines in the next `most` bytes, which `skip` takes.

        They have no LF, and a CR that is before it. None is over the limit.
        """
        begin = self._begin
        end = self.buffer.rfind(b"\n", begin, begin + min(most, self.limit))
        return bytes(self.buffer[begin:end]).split(b"\n") if end >= 0 else []

    def skip(self, lines: list[bytes]) -> None:
        """Take the first lines that `lines` has returned, of which there is at least one."""
        end = self._begin + sum(map(len, lines)) + len(lines)
        self.newline = b"\r\n" if lines[-1].endswith(b"\r") else b"\n"
        if end < len(self.buffer):
            self._begin = self._searched = end
        else:
            self.buffer = b""
            self._begin = self._searched = 0

    def _rest(self) -> bytes | None:
        """Return the rest as a message, if the stream is at its end or has paused."""
        if self._overlong:
            raise TooLong
        if self._begin:
            self.buffer = self.buffer[self._begin :]
            self._begin = 0
        self._searched = len(self.buffer)
        if not self._whole:
            return None
        message = bytes(self.buffer)
        self.buffer = b""
        self._searched = 0
        return message

    @property
    def _overlong(self) -> bool:
        # The CR of a CRLF that is still arriving is not part of the message.
        length = len(self.buffer) - self._begin
        return length > self.limit and length - self.buffer.endswith(b"\r") > self.limit


def _cutInside(data: bytes | bytearray) -> bool:
    """True if `data` ends inside a UTF-8 sequence (RFC 3629, section 3)."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC2:
            return back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF5 else 0)
        if not 0x80 <= byte < 0xC0:
            return False
    return False
