"""A trial of the page's form "Try it": its plan, and the data that its client sent and received.

The client is a real one with an ordinary socket. For the service it is a connection like any
other, with limits, events and a place in the journal.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field

from twistednet.admin.replies import APIError
from twistednet.core.secrets import Secrets

#: Limits of one trial: bytes, writes, and seconds before a write.
MAX_BYTES = 64 * 1024
MAX_PIECES = 32
MAX_PAUSE_SECONDS = 2.0
#: Received bytes that are kept.
MAX_KEPT_BYTES = 128 * 1024

KINDS = ("tcp", "udp", "unix")


@dataclass(frozen=True)
class Piece:
    """One write, after a pause in seconds."""

    data: bytes
    pause: float


@dataclass(frozen=True)
class TrialPlan:
    """The plan of a trial. After its last write the client half-closes (`halfClose`), resets the
    connection, or waits until nothing more arrives. `kind` is one of KINDS, or None.
    """

    service: str
    pieces: tuple[Piece, ...]
    halfClose: bool
    reset: bool
    kind: str | None

    @classmethod
    def of(cls, given: object) -> TrialPlan:
        """Return the plan that this JSON describes. Raises APIError."""
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


def _pieces(given: object) -> tuple[Piece, ...]:
    if not isinstance(given, list) or len(given) > MAX_PIECES:
        raise APIError(422, f"pieces is a list of {MAX_PIECES} at most")
    pieces = tuple(map(_piece, given))
    if sum(len(piece.data) for piece in pieces) > MAX_BYTES:
        raise APIError(422, f"the pieces have {MAX_BYTES} bytes at most")
    return pieces


def _piece(given: object) -> Piece:
    if not isinstance(given, dict) or not {"data"} <= set(given) <= {"data", "pauseMs"}:
        raise APIError(422, "a piece has data, and may have pauseMs")
    pause = given.get("pauseMs", 0)
    isNumber = isinstance(pause, int | float) and not isinstance(pause, bool)
    if not isNumber or not 0 <= pause <= MAX_PAUSE_SECONDS * 1000:
        raise APIError(422, f"pauseMs is a number from 0 to {MAX_PAUSE_SECONDS * 1000:.0f}")
    try:
        return Piece(b64decode(given["data"], validate=True), pause / 1000)
    except (ValueError, TypeError):
        raise APIError(422, "data is base64") from None


@dataclass
class Trial:
    """One trial: each write and each read of its client, and the end."""

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
            data = data[: max(0, MAX_KEPT_BYTES - self.received + len(data))]
        self.chunks.append((at, direction, data))

    def end(self, how: str) -> None:
        """Note how the trial ended; the first call counts."""
        self.ended = self.ended or how

    def summary(self, secrets: Secrets) -> dict[str, object]:
        """Return the JSON of the trial, with secrets masked."""
        return {
            "id": self.id,
            "service": self.service,
            "kind": self.kind,
            "connection": self.connection,
            "received": self.received,
            "ended": self.ended,
            "chunks": [
                {
                    "at": round(at, 6),
                    "direction": direction,
                    "data": b64encode(secrets.masked(data)).decode(),
                }
                for at, direction, data in self.chunks
            ],
        }
