"""The basic network services, correct to the byte: classes to subclass.

Each name is imported when it is first asked for: the pytest plugin is loaded by every
pytest on the machine, and most need none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twistednet.faults.actions import Action as Action
    from twistednet.faults.actiontypes import ActionType as ActionType
    from twistednet.faults.model import DatagramFaultKind as DatagramFaultKind
    from twistednet.faults.model import FaultKind as FaultKind
    from twistednet.faults.model import KindState as KindState
    from twistednet.faults.model import ListenerFaultKind as ListenerFaultKind
    from twistednet.faults.model import ResponseFaultKind as ResponseFaultKind
    from twistednet.faults.model import StreamFaultKind as StreamFaultKind
    from twistednet.faults.responseparts import ResponseParts as ResponseParts
    from twistednet.services.answer import Answer as Answer
    from twistednet.services.catalog import Service as Service
    from twistednet.services.chat import Chat as Chat
    from twistednet.services.datagram import Datagram as Datagram
    from twistednet.services.echo import Echo as Echo
    from twistednet.services.fairness import MessagesFactory as MessagesFactory
    from twistednet.services.hello import Hello as Hello
    from twistednet.services.messages import Messages as Messages
    from twistednet.services.receive import Receive as Receive

_HOME = {
    "Action": "faults.actions",
    "ActionType": "faults.actiontypes",
    "Answer": "services.answer",
    "Chat": "services.chat",
    "Datagram": "services.datagram",
    "DatagramFaultKind": "faults.model",
    "Echo": "services.echo",
    "FaultKind": "faults.model",
    "Hello": "services.hello",
    "KindState": "faults.model",
    "ListenerFaultKind": "faults.model",
    "Messages": "services.messages",
    "MessagesFactory": "services.fairness",
    "Receive": "services.receive",
    "ResponseFaultKind": "faults.model",
    "ResponseParts": "faults.responseparts",
    "Service": "services.catalog",
    "StreamFaultKind": "faults.model",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
