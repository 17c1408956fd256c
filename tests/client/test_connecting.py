"""client/connecting.py: a connection that does not come about is not left open."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from twistednet.client.connecting import connect
from twistednet.client.errors import TimedOut
from twistednet.client.reactors import theReactor
from twistednet.client.targets import Target


class Silent(Protocol):
    """Takes a connection, and sends nothing. `gone` fires once the client has left."""

    def __init__(self) -> None:
        self.gone: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone.callback(None)


class HandshakeTests(TestCase):
    """A server that never answers a TLS handshake."""

    timeout = 20

    async def test_closed(self) -> None:
        """The client gives up after its timeout, and closes the connection."""
        reactor, silent = theReactor(), Silent()
        factory = Factory.forProtocol(lambda: silent)
        factory.noisy = False
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        target = Target("tls", "127.0.0.1", port.getHost().port)
        with self.assertRaisesRegex(TimedOut, "no TLS handshake in 0.1 s"):
            await connect(reactor, target, 0.1)
        await silent.gone
