"""The servers of asyncio: loops.py asyncio|uvloop echo|datagram|hello. Prints its port."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

HELLO = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 13\r\n\r\nHello World!\n"
)


class Echo(asyncio.Protocol):
    """An echo with backpressure: it does not read from a client that does not read."""

    transport: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()


class Datagram(asyncio.DatagramProtocol):
    transport: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


class Hello(Echo):
    """HTTP without parsing: it only finds the end of a request, the least that Python can do."""

    def __init__(self) -> None:
        self._request = b""

    def data_received(self, data: bytes) -> None:
        *requests, self._request = (self._request + data).split(b"\r\n\r\n")
        self.transport.write(HELLO * len(requests))


async def serve(service: str) -> None:
    loop = asyncio.get_running_loop()
    at = ("127.0.0.1", 0)
    if service == "datagram":
        transport, _ = await loop.create_datagram_endpoint(Datagram, at)
        print(transport.get_extra_info("sockname")[1], flush=True)
    else:
        protocol = {"echo": Echo, "hello": Hello}[service]
        server = await loop.create_server(protocol, *at, backlog=1024)
        print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1] == "uvloop":
        import uvloop

        uvloop.run(serve(sys.argv[2]))
    else:
        asyncio.run(serve(sys.argv[2]))
