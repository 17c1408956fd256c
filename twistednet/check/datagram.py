"""Checks of echo over datagrams (RFC 862), and of what the datagram service adds to it."""

from __future__ import annotations

from twistednet.check.echo import pattern
from twistednet.check.model import Checklist
from twistednet.check.probe import Probe
from twistednet.client.datagrams import MAX_PAYLOAD_BYTES
from twistednet.client.errors import TimedOut

RULE = "RFC 862, UDP: the data of a datagram is sent back"

ECHO_DATAGRAMS = Checklist()


@ECHO_DATAGRAMS.check("one reply to each datagram", RULE)
async def oneReply(probe: Probe) -> None:
    socket = await probe.openDatagrams()
    socket.send(b"one?")
    probe.sent = "'one?'"
    replies: list[bytes] = []
    try:
        while True:
            replies.append((await socket.receive(0.5 if replies else probe.timeout))[0])
    except TimedOut:
        pass
    probe.came = f"{len(replies)} replies"
    probe.require(len(replies) == 1, f"{len(replies)} replies came to one datagram")


@ECHO_DATAGRAMS.check("same bytes", RULE)
async def sameBytes(probe: Probe) -> None:
    data = bytes(range(256))
    probe.requireSame(await probe.exchange(await probe.openDatagrams(), data), data)


@ECHO_DATAGRAMS.check("CR, LF and NUL at the end", RULE + ", these too")
async def endKept(probe: Probe) -> None:
    socket = await probe.openDatagrams()
    for data in (b"line\n", b"line\r\n", b"line\0", b"line\r\n\0"):
        probe.requireSame(await probe.exchange(socket, data), data)


@ECHO_DATAGRAMS.check("an empty datagram", RULE + "; RFC 768: a length of 8 is valid")
async def empty(probe: Probe) -> None:
    probe.requireSame(await probe.exchange(await probe.openDatagrams(), b""), b"")


@ECHO_DATAGRAMS.check(f"{MAX_PAYLOAD_BYTES:,} bytes", RULE + "; RFC 768: length")
async def largest(probe: Probe) -> None:
    data = pattern(MAX_PAYLOAD_BYTES)
    probe.requireSame(await probe.exchange(await probe.openDatagrams(), data), data)


@ECHO_DATAGRAMS.check("no reply longer than its request", "wire.md, datagram: no amplification")
async def noAmplification(probe: Probe) -> None:
    socket = await probe.openDatagrams()
    for size in (1, 10, 100, 1000):
        reply = await probe.exchange(socket, b"?" * size)
        probe.require(len(reply) <= size, f"{len(reply)} bytes came to {size}")


@ECHO_DATAGRAMS.check("the reply comes from the server's port", "RFC 1122, 4.1.3.5: source address")
async def replyPort(probe: Probe) -> None:
    socket = await probe.openDatagrams()
    probe.sent = "'from where?'"
    socket.send(b"from where?")
    _, sender = await socket.receive()
    probe.came = f"a reply from port {sender[1]}"
    probe.require(sender[1] == probe.target.port, f"the request went to port {probe.target.port}")


@ECHO_DATAGRAMS.check("many senders at once", RULE)
async def manySenders(probe: Probe) -> None:
    sockets = [await probe.openDatagrams() for _ in range(20)]
    for number, socket in enumerate(sockets):
        socket.send(b"sender %d" % number)
    for number, socket in enumerate(sockets):
        probe.requireSame((await socket.receive())[0], b"sender %d" % number)
    probe.sent = "a datagram from each of 20 sockets"


DATAGRAM = Checklist(list(ECHO_DATAGRAMS.checks))


@DATAGRAM.check("bye gets bye", "wire.md, datagram: bye ends a sender's conversation")
async def bye(probe: Probe) -> None:
    probe.requireSame(await probe.exchange(await probe.openDatagrams(), b"bye"), b"bye")


@DATAGRAM.check(
    "bye ends only its sender's conversation", "wire.md, datagram: its next one starts another"
)
async def byeIsForOne(probe: Probe) -> None:
    leaver, other = await probe.openDatagrams(), await probe.openDatagrams()
    await probe.exchange(leaver, b"bye")
    probe.requireSame(await probe.exchange(other, b"other"), b"other")
    probe.requireSame(await probe.exchange(leaver, b"again"), b"again")
