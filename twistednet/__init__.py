"""The basic network services, correct to the byte: classes to subclass."""

from twistednet.catalog import Service
from twistednet.services.answer import Answer
from twistednet.services.chat import Chat
from twistednet.services.datagram import Datagram
from twistednet.services.echo import Echo
from twistednet.services.fairness import MessagesFactory
from twistednet.services.hello import Hello
from twistednet.services.messages import Messages
from twistednet.services.receive import Receive

__all__ = [
    "Answer",
    "Chat",
    "Datagram",
    "Echo",
    "Hello",
    "Messages",
    "MessagesFactory",
    "Receive",
    "Service",
]
