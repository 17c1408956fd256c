"""Try it: what somebody asks a client of ours to do, and what it saw.

The client is a real one, of an ordinary socket; the server's side is a connection like
any other, with its limits, its events and its place in the journal.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Any

from twistednet.admin.replies import APIError

#: What one trial may ask for, in bytes, writes and seconds before one.
MOST_BYTES = 64 * 1024
MOST_PIECES = 32
LONGEST_PAUSE = 2.0
#: Bytes of what came back that are kept.
MOST_KEPT = 128 * 1024

KINDS = ("tcp", "udp", "unix")


@dataclass(frozen=True)
class Piece:
    """One write, after a pause in seconds."""

    data: bytes
    pause: float


@dataclass(frozen=True)
class TrialPlan:
    """What the client does. After its last write it closes its side (`halfClose`), resets
    the connection, or waits until nothing more comes. `kind` is one of KINDS, or None."""

    service: str
    pieces: tuple[Piece, ...]
    halfClose: bool
    reset: bool
    kind: str | None

    @classmethod
    def of(cls, given: Any) -> TrialPlan:
        """As it was asked for, in JSON. Raises Wrong."""
        if not isinstance(given, dict) or not set(given) <= set(cls.__dataclass_fields__):
            raise APIError(422, "a trial is service, pieces, halfClose, reset, kind, and no more")
        service, kind = given.get("service"), given.get("kind")
        halfClose, reset = given.get("halfClose", False), given.get("reset", False)
        if not isinstance(service, str):
            raise APIError(422, "service is the name of one")
        if not (isinstance(halfClose, bool) and isinstance(reset, bool)) or (halfClose and reset):
            raise APIError(422, "halfClose and reset are true or false, and not both true")
        if kind is not None and kind not in KINDS:
            raise APIError(422, f"kind is one of {', '.join(KINDS)}")
        return cls(service, _pieces(given.get("pieces")), halfClose, reset, kind)


def _pieces(given: Any) -> tuple[Piece, ...]:
    if not isinstance(given, list) or len(given) > MOST_PIECES:
        raise APIError(422, f"pieces is a list of {MOST_PIECES} at most")
    pieces = tuple(map(_piece, given))
    if sum(len(piece.data) for piece in pieces) > MOST_BYTES:
        raise APIError(422, f"the pieces have {MOST_BYTES} bytes at most")
    return pieces


def _piece(given: Any) -> Piece:
    if not isinstance(given, dict) or not {"data"} <= set(given) <= {"data", "pauseMs"}:
        raise APIError(422, "a piece has data, and may have pauseMs")
    pause = given.get("pauseMs", 0)
    isNumber = isinstance(pause, int | float) and not isinstance(pause, bool)
    if not isNumber or not 0 <= pause <= LONGEST_PAUSE * 1000:
        raise APIError(422, f"pauseMs is a number from 0 to {LONGEST_PAUSE * 1000:.0f}")
    try:
        return Piece(b64decode(given["data"], validate=True), pause / 1000)
    except (ValueError, TypeError):
        raise APIError(422, "data is base64") from None


@dataclass
class Trial:
    """One trial, and what its client saw: each write and each read, and the end."""

    id: int
    service: str
    kind: str
    #: The number of the connection, or of the conversation, that the server made of it.
    connection: int | None = None
    #: Seconds since the beginning, `sent` or `received`, and the bytes.
    chunks: list[tuple[float, str, bytes]] = field(default_factory=list)
    received: int = 0
    #: How the client saw it end; None while it goes on.
    ended: str | None = None

    def saw(self, at: float, direction: str, data: bytes) -> None:
        if direction == "received":
            self.received += len(data)
            data = data[: max(0, MOST_KEPT - self.received + len(data))]
        self.chunks.append((at, direction, data))

    def end(self, how: str) -> None:
        """The first to say is right."""
        self.ended = self.ended or how

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "id": self.id,
            "service": self.service,
            "kind": self.kind,
            "connection": self.connection,
            "received": self.received,
            "ended": self.ended,
            "chunks": [
                {"at": round(at, 6), "direction": direction, "data": b64encode(data).decode()}
                for at, direction, data in self.chunks
            ],
        }
