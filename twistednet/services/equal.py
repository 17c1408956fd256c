"""Many equal messages at once, such as megabytes of newlines, at the cost of few."""

from __future__ import annotations

from collections import Counter

from twistednet.core.framing import Framer
from twistednet.core.limits import TokenBucket
from twistednet.services.factory import MessagesFactory
from twistednet.services.holding import HoldingProtocol

#: Bytes of answers that are sent in one write, or a little more.
MAX_WRITE_BYTES = 8 * 1024
#: Bytes in which equal messages are looked for, and how many messages are worth it.
MAX_EQUAL_BYTES = 1024
MIN_EQUAL = 32


class EqualMessages(HoldingProtocol):
    """Answers equal messages together, where a message always gets the same reply."""

    factory: MessagesFactory

    _framer: Framer
    _unsent: bytes
    _ending: bytes
    _bucket: TokenBucket | None
    _left: int | None

    def fixedReply(self, text: str) -> str | None:
        """Return the reply to `text` if it is always the same, empty for none; otherwise None.

        Many equal messages at once are then answered without `messageReceived`.
        """
        return None

    def repliedFixed(self, text: str, reply: str, count: int) -> None:
        """Count `count` messages that `fixedReply` has answered."""

    def _takeEqual(self) -> bool:
        """Take many messages of which few differ, if the reply to each is fixed. True if so."""
        if self._left is not None or self._bucket is not None:
            return False
        lines = self._framer.lines(MAX_EQUAL_BYTES)
        if len(lines) < MIN_EQUAL:
            return False
        counts = Counter(lines)
        if len(counts) * 4 > len(lines):
            return False
        fixed = {line: self._fixed(line) for line in counts}
        if any(reply is None for _, reply in fixed.values()):
            return False
        sent = {line: f"{reply}\n".encode() if reply else b"" for line, (_, reply) in fixed.items()}
        if max(map(len, sent.values())) * len(lines) > 2 * MAX_WRITE_BYTES:
            return False
        self._unsent += b"".join(map(sent.__getitem__, lines))
        for line, count in counts.items():
            text, reply = fixed[line]
            self.factory.messagesOut += count * bool(reply)
            self.repliedFixed(text, reply or "", count)
        self.factory.messagesIn += len(lines)
        self._framer.skip(lines)
        self._ending = b"\n"
        return True

    def _fixed(self, line: bytes) -> tuple[str, str | None]:
        """Return a message, and the reply to it if it is fixed and ends with LF."""
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return "", None
        return text, None if line.endswith(b"\r") else self.fixedReply(text)
