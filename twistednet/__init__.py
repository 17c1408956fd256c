"""twistednet: services to subclass, and what a package of services is made of.

Each name is imported when it is first used: the pytest plugin is loaded by every pytest on
the machine, and most need none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twistednet.core.metrics import Histogram as Histogram
    from twistednet.core.metrics import Metrics as Metrics
    from twistednet.core.settings import BadSetting as BadSetting
    from twistednet.core.settings import ServiceSettings as ServiceSettings
    from twistednet.core.settings import number as number
    from twistednet.core.settings import oneOf as oneOf
    from twistednet.core.settings import setting as setting
    from twistednet.core.settings import text as text
    from twistednet.core.settings import trueOrFalse as trueOrFalse
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
    from twistednet.services.answer import AnswerFactory as AnswerFactory
    from twistednet.services.catalog import Service as Service
    from twistednet.services.chat import Chat as Chat
    from twistednet.services.chat import ChatFactory as ChatFactory
    from twistednet.services.datagram import Datagram as Datagram
    from twistednet.services.echo import Echo as Echo
    from twistednet.services.factory import MessagesFactory as MessagesFactory
    from twistednet.services.hello import Hello as Hello
    from twistednet.services.hello import HelloSite as HelloSite
    from twistednet.services.messages import PAUSE_SECONDS as PAUSE_SECONDS
    from twistednet.services.messages import Messages as Messages
    from twistednet.services.receive import Receive as Receive
    from twistednet.transport.http import BoundedSite as BoundedSite

_HOME = {
    "Action": "faults.actions",
    "ActionType": "faults.actiontypes",
    "Answer": "services.answer",
    "AnswerFactory": "services.answer",
    "BadSetting": "core.settings",
    "BoundedSite": "transport.http",
    "Chat": "services.chat",
    "ChatFactory": "services.chat",
    "Datagram": "services.datagram",
    "DatagramFaultKind": "faults.model",
    "Echo": "services.echo",
    "FaultKind": "faults.model",
    "Hello": "services.hello",
    "HelloSite": "services.hello",
    "Histogram": "core.metrics",
    "KindState": "faults.model",
    "ListenerFaultKind": "faults.model",
    "Messages": "services.messages",
    "MessagesFactory": "services.factory",
    "Metrics": "core.metrics",
    "PAUSE_SECONDS": "services.messages",
    "Receive": "services.receive",
    "ResponseFaultKind": "faults.model",
    "ResponseParts": "faults.responseparts",
    "Service": "services.catalog",
    "StreamFaultKind": "faults.model",
    "ServiceSettings": "core.settings",
    "number": "core.settings",
    "oneOf": "core.settings",
    "setting": "core.settings",
    "text": "core.settings",
    "trueOrFalse": "core.settings",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
