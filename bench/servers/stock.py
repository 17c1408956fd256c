"""The servers of stock Twisted: stock.py SERVICE... Prints its ports.

Services are echo, datagram and hello.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.protocols.wire import Echo
from twisted.web.resource import Resource
from twisted.web.server import Site

reactor: Any = _reactor


class Datagram(DatagramProtocol):
    transport: Any

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.transport.write(datagram, addr)


class Hello(Resource):
    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return b"Hello World!\n"


def listening(service: str) -> Any:
    if service == "datagram":
        return reactor.listenUDP(0, Datagram(), "127.0.0.1", 65536)
    factory: Any = Site(Hello()) if service == "hello" else Factory.forProtocol(Echo)
    return reactor.listenTCP(0, factory, backlog=1024, interface="127.0.0.1")


if __name__ == "__main__":
    print(*[listening(service).getHost().port for service in sys.argv[1:]], flush=True)
    reactor.run()
