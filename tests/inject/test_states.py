"""inject/states.py: the states of a connection that faults apply to."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from twistednet.inject import states
from twistednet.inject.states import (
    TRANSITIONS,
    ClientState,
    ConnectionState,
    ServiceState,
    StateEvent,
)


def after(*events: StateEvent) -> ConnectionState:
    """Return the state of a new connection after these events."""
    state = ConnectionState()
    for event in events:
        state.process(event)
    return state


class StateTests(SynchronousTestCase):
    """What leads from one state to the next, and what follows from each."""

    def test_follows(self) -> None:
        """What data, the service and the wrapper may do, along the ways through the states."""
        accept, close, end, lose = (
            StateEvent.ACCEPT,
            StateEvent.CLOSE,
            StateEvent.END,
            StateEvent.LOSE,
        )
        for events, service, isPassing, isClosing, isOver, isSeen in (
            ((), ServiceState.UNSEEN, True, False, False, False),
            ((end,), ServiceState.REJECTED, False, False, True, False),
            ((end, lose), ServiceState.LOST, False, False, True, False),
            ((accept,), ServiceState.OPEN, True, False, False, True),
            ((accept, close), ServiceState.CLOSING, False, True, False, True),
            ((accept, close, close), ServiceState.CLOSING, False, True, False, True),
            ((accept, end), ServiceState.ENDED, False, False, True, True),
            ((accept, end, close), ServiceState.CLOSED, False, True, True, True),
            ((accept, close, end), ServiceState.CLOSED, False, True, True, True),
            ((accept, close, end, lose), ServiceState.LOST, False, False, True, True),
        ):
            state = after(*events)
            self.assertEqual(
                (service, isPassing, isClosing, isOver, isSeen),
                (state.service, state.isPassing, state.isClosing, state.isOver, state.isSeen),
                events,
            )

    def test_clientFIN(self) -> None:
        """The client's FIN changes the client's side alone."""
        for events in ((), (StateEvent.ACCEPT,), (StateEvent.END,)):
            before = after(*events)
            self.assertIs(ClientState.SENDING, before.client)
            state = after(*events, StateEvent.CLIENT_FIN)
            self.assertEqual((before.service, ClientState.FINISHED), (state.service, state.client))

    def test_impossible(self) -> None:
        """A connection is accepted once, and the service cannot close one that it never saw."""
        for events in (
            (StateEvent.ACCEPT, StateEvent.ACCEPT),
            (StateEvent.CLOSE,),
            (StateEvent.END, StateEvent.CLOSE),
        ):
            self.assertRaises(KeyError, after, *events)

    def test_drawing(self) -> None:
        """The table has every state, all of them can be lost, and the drawing shows them."""
        self.assertEqual(set(ServiceState), set(TRANSITIONS))
        for state, events in TRANSITIONS.items():
            self.assertIs(ServiceState.LOST, events[StateEvent.LOSE], state)
        drawing = (states.__doc__ or "").partition("The client's side:")[0]
        words = set(re.findall(r"\b[A-Z]{3,}\b", drawing))
        names = {one.name for one in (*ServiceState, *StateEvent)} - {"CLIENT_FIN"}
        self.assertEqual(names, words)
