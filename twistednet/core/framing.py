"""Bytes into messages, for people who send lines and for clients that do not.

TCP has no messages. Somebody at ``nc`` ends each message with a newline; the
clients of many tutorials just ``send(b"how are u")`` and wait. A `Framer` serves
both on the same port.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it was sent, without its newline.

    `ending` is what a reply to it ends with: the newline that the client uses
    (LF or CRLF), or nothing for a client that has never sent one.
    """

    data: bytes
    ending: bytes


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
        self._buffer = bytearray()
        self._searched = 0
        self._newline = -1
        self._whole = False
        self._ending = b""

    @property
    def ending(self) -> bytes:
        """What a line that is no reply should end with, so that it can be read."""
        return self._ending or b"\n"

    @property
    def awaitsPause(self) -> bool:
        """Would a pause now end a message?"""
        return bool(self._buffer) and not self._ending and not _cutInside(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take what arrived; `next` gives what it completed."""
        self._buffer += data
        self._whole = False

    def paused(self) -> None:
        """Nothing came for a while: in a stream without newlines, a message ended."""
        self._whole = self.awaitsPause

    def ended(self) -> None:
        """The stream is over, and with it the last message."""
        self._whole = bool(self._buffer)

    @property
    def ready(self) -> bool:
        """Has `next` anything to say?"""
        if self._newline < 0:
            self._newline = self._buffer.find(b"\n", self._searched)
            self._searched = len(self._buffer)
        return self._newline >= 0 or self._whole or self._overlong

    def next(self) -> Message | None:
        """The next whole message, or None while there is none.

        Raises TooLong once the message that is arriving cannot fit the limit.
        """
        if not self.ready:
            return None
        if self._newline < 0:
            if self._overlong:
                raise TooLong
            self._whole = False
            return self._take(len(self._buffer), len(self._buffer), self._ending)
        crlf = self._newline > 0 and self._buffer[self._newline - 1] == 0x0D
        end = self._newline - crlf
        if end > self.limit:
            raise TooLong
        self._ending = b"\r\n" if crlf else b"\n"
        return self._take(end, self._newline + 1, self._ending)

    @property
    def _overlong(self) -> bool:
        # The CR of a CRLF that is still arriving is not part of the message.
        return len(self._buffer) - self._buffer.endswith(b"\r") > self.limit

    def _take(self, end: int, upTo: int, ending: bytes) -> Message:
        message = Message(bytes(self._buffer[:end]), ending)
        del self._buffer[:upTo]
        self._searched = 0
        self._newline = -1
        return message


def _cutInside(data: bytearray) -> bool:
    """Does `data` stop inside a UTF-8 sequence (RFC 3629, section 3)?"""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC2:
            return back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF5 else 0)
        if not 0x80 <= byte < 0xC0:
            return False
    return False
