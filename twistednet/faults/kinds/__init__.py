"""The kinds of faults, one module for each carrier."""

from twistednet.faults.kinds.datagrams import DATAGRAM_KINDS
from twistednet.faults.kinds.listeners import LISTENER_KINDS
from twistednet.faults.kinds.responses import RESPONSE_KINDS
from twistednet.faults.kinds.streams import STREAM_KINDS

#: Every kind of this package.
KINDS = (*STREAM_KINDS, *LISTENER_KINDS, *DATAGRAM_KINDS, *RESPONSE_KINDS)
