"""The states of a connection that faults apply to.

As in h11, each side has its states, and one table has the transitions. The service's side:

    UNSEEN ──ACCEPT──▶ OPEN ──CLOSE──▶ CLOSING
      │                 │                 │
     END               END               END
      ▼                 ▼                 ▼
    REJECTED          ENDED ──CLOSE──▶ CLOSED

    every state ──LOSE──▶ LOST

The client's side: SENDING ──CLIENT_FIN──▶ FINISHED. It is the same in every state of the
service's side.

Whether the client is read is not part of this: see `flow`.
"""

from __future__ import annotations

from enum import Enum, auto


class ServiceState(Enum):
    """What the service and the faults have done with a connection."""

    #: The service has not been given the connection yet.
    UNSEEN = auto()
    OPEN = auto()
    #: The service has closed; what it has written may wait in the queue.
    CLOSING = auto()
    #: A fault has ended the connection, and the service never sees it.
    REJECTED = auto()
    #: A fault has ended the connection, or the service has aborted it.
    ENDED = auto()
    #: The same, and the service has closed too.
    CLOSED = auto()
    #: The transport is gone.
    LOST = auto()


class ClientState(Enum):
    """What the client has done with a connection."""

    SENDING = auto()
    #: The client's FIN has arrived.
    FINISHED = auto()


class StateEvent(Enum):
    """What happens to a connection."""

    #: The service is given the connection.
    ACCEPT = auto()
    #: The service closes.
    CLOSE = auto()
    #: A fault ends the connection, or the service aborts it.
    END = auto()
    #: The transport is lost.
    LOSE = auto()
    CLIENT_FIN = auto()


_S, _E = ServiceState, StateEvent

#: The service's next state, by the state and the event. All other events are impossible.
TRANSITIONS: dict[ServiceState, dict[StateEvent, ServiceState]] = {
    _S.UNSEEN: {_E.ACCEPT: _S.OPEN, _E.END: _S.REJECTED, _E.LOSE: _S.LOST},
    _S.OPEN: {_E.CLOSE: _S.CLOSING, _E.END: _S.ENDED, _E.LOSE: _S.LOST},
    _S.CLOSING: {_E.CLOSE: _S.CLOSING, _E.END: _S.CLOSED, _E.LOSE: _S.LOST},
    _S.REJECTED: {_E.LOSE: _S.LOST},
    _S.ENDED: {_E.CLOSE: _S.CLOSED, _E.END: _S.ENDED, _E.LOSE: _S.LOST},
    _S.CLOSED: {_E.CLOSE: _S.CLOSED, _E.END: _S.CLOSED, _E.LOSE: _S.LOST},
    _S.LOST: {_E.CLOSE: _S.LOST, _E.END: _S.LOST, _E.LOSE: _S.LOST},
}

_PASSING = (_S.OPEN, _S.UNSEEN)
_CLOSING = (_S.CLOSING, _S.CLOSED)
_OVER = (_S.REJECTED, _S.ENDED, _S.CLOSED, _S.LOST)
_UNSEEN = (_S.UNSEEN, _S.REJECTED)


class ConnectionState:
    """The states of both sides of one connection, and what follows from the service's.

    `isPassing`: data passes. `isClosing`: the service has closed. `isOver`: nothing more
    happens but the loss of the transport. `isSeen`: the service was given the connection.
    """

    # What follows is computed once for each state: it is looked up for each chunk.
    __slots__ = ("client", "isClosing", "isOver", "isPassing", "isSeen", "service")

    def __init__(self) -> None:
        self.client = ClientState.SENDING
        self._enter(ServiceState.UNSEEN)

    def process(self, event: StateEvent) -> None:
        """Change the state of the side that the event is about."""
        if event is StateEvent.CLIENT_FIN:
            self.client = ClientState.FINISHED
        else:
            self._enter(TRANSITIONS[self.service][event])

    def _enter(self, service: ServiceState) -> None:
        self.service = service
        self.isPassing = service in _PASSING
        self.isClosing = service in _CLOSING
        self.isOver = service in _OVER
        if service is not _S.LOST:
            self.isSeen = service not in _UNSEEN
