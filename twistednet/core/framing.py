"""Bytes into messages, for people who send lines and for clients that do not.

TCP has no messages. Somebody at ``nc`` ends each message with a newline; the
clients of many tutorials just ``send(b"how are u")`` and wait. A `Framer` serves
both on the same port.
"""

from __future__ import annotations


class TooLong(Exception):
    """A message grew past the limit; nothing after it can be told apart."""


class Framer:
    """Cuts a stream into messages of at most `limit` bytes, newline not counted.

    A newline ends a message, and from the first one on only a newline does. On a
    stream that has never carried one, a pause ends a message: the caller measures
    it (while `awaitsPause` holds) and says `paused`. The end of the stream ends
    the last message either way.

    Any split of the same bytes over `feed` gives the same messages.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        #: What ended the last message, and so ends a reply to it: LF, CRLF, or
        #: nothing for a client that has never sent a newline.
        self.newline = b""
        #: What has arrived and was not yet taken, from `_begin` on.
        self.buffer: bytes | bytearray = b""
        # Where the next message begins, and how far no newline was found.
        self._begin = 0
        self._searched = 0
        self._whole = False

    @property
    def awaitsPause(self) -> bool:
        """Would a pause now end a message?"""
        return bool(self.buffer) and not self.newline and not _cutInside(self.buffer)

    def feed(self, data: bytes) -> None:
        """Take what arrived; `next` gives what it completed."""
        self._whole = False
        if not self.buffer:
            self.buffer = data
            return
        # A message may come byte by byte, and a bytearray does not copy what it has.
        if isinstance(self.buffer, bytes):
            self.buffer = bytearray(self.buffer)
        self.buffer += data

    def paused(self) -> None:
        """Nothing came for a while: in a stream without newlines, a message ended."""
        self._whole = self.awaitsPause

    def ended(self) -> None:
        """The stream is over, and with it the last message."""
        self._whole = True

    @property
    def ready(self) -> bool:
        """Has `next` anything to say?"""
        found = self.buffer.find(b"\n", self._searched)
        if found >= 0:
            self._searched = found
            return True
        return bool(self._whole and self.buffer) or self._overlong

    def next(self) -> bytes | None:
        """The next whole message without its newline, or None while there is none.

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

    def _rest(self) -> bytes | None:
        """What no newline ends: a message if the stream is over, or has paused."""
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
    """Does `data` stop inside a UTF-8 sequence (RFC 3629, section 3)?"""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC2:
            return back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF5 else 0)
        if not 0x80 <= byte < 0xC0:
            return False
    return False
