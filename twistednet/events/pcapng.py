"""Conversations as a capture file (pcapng) that Wireshark and tshark open.

No packet was captured. Segments are rebuilt from what services read and wrote: the
bytes, their order, their times and who closed are true; how the network had cut them,
acknowledged them or sent them twice is not known. The file says so itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import pack
from typing import NamedTuple

from twistednet.events.chunks import Chunk
from twistednet.events.journal import Conversation

#: Bytes of a segment: what fits a packet of 64 KiB, over IPv6 too.
MSS = 65_475

_SAYS_SO = (
    "Not captured but rebuilt by twistednet from what its services read and wrote. Bytes, "
    "order, times and who closed are true; segmentation, acknowledgements, sequence numbers "
    "and windows are made up. Under TLS this is the plain text."
)
_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
# MSS, a window scale of 7, and one byte that fills up.
_SYN_OPTIONS = pack("!BBHBBBB", 2, 4, MSS, 3, 3, 7, 1)

_Address = IPv4Address | IPv6Address


class _End(NamedTuple):
    """One side of a conversation."""

    address: _Address
    port: int


class _Packet(NamedTuple):
    time: float
    data: bytes
    comment: str


def pcapng(conversations: Iterable[Conversation]) -> Iterator[bytes]:
    """The parts of the file, the packets of all conversations in order of time."""
    yield _block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), _SAYS_SO)
    # Raw IP, of either version; times in microseconds.
    yield _block(1, pack("<HHI", 101, 0, 0))
    for packet in merge(*map(packets, conversations), key=lambda packet: packet.time):
        yield _enhanced(packet)


def packets(conversation: Conversation) -> Iterator[_Packet]:
    """Yield the packets that may have been on the wire, with the actions of faults as comments."""
    if conversation.kind == "udp":
        return _datagrams(conversation)
    return _Segments(conversation).all()


def _datagrams(one: Conversation) -> Iterator[_Packet]:
    peer, host = _ends(one)
    said = [_about(one)]
    for part in one.story():
        if not isinstance(part, Chunk):
            said.append(str(part))
            continue
        source, target = (peer, host) if part.direction == "in" else (host, peer)
        comment = "; ".join([*said, part.callback])
        said.clear()
        yield _Packet(one.opened + part.at, _udp(source, target, part.data), comment)


class _Side:
    """One side of a connection: what it has sent, in sequence numbers."""

    def __init__(self, end: _End, first: int) -> None:
        self.end = end
        self.next = first
        self.hasEnded = False


class _Segments:
    """The segments of one connection."""

    def __init__(self, one: Conversation) -> None:
        peer, host = _ends(one)
        self._one = one
        # Different for each: a port may be used again, within one capture.
        first = one.id * 0x9E3779B1
        self._peer = _Side(peer, first)
        self._host = _Side(host, first ^ 0x5BD1E995)
        #: What faults did since the last segment.
        self._said: list[str] = []

    def all(self) -> Iterator[_Packet]:
        one, peer, host = self._one, self._peer, self._host
        yield self._segment(one.opened, peer, _SYN, comment=_about(one))
        yield self._segment(one.opened, host, _SYN | _ACK)
        yield self._segment(one.opened, peer, _ACK)
        for part in one.story():
            if not isinstance(part, Chunk):
                self._said.append(str(part))
            else:
                side = peer if part.direction == "in" else host
                yield from self._chunk(one.opened + part.at, side, part.data, part.callback)
        if one.closed is not None and one.seconds is not None:
            last = one.chunks[-1].at if one.chunks else 0.0
            yield from self._end(one.opened + max(last, one.seconds), one.closed)

    def _chunk(self, time: float, side: _Side, data: bytes, comment: str) -> Iterator[_Packet]:
        if not data:
            yield from self._fin(time, side, comment)
        for start in range(0, len(data), MSS):
            push = _PSH if start + MSS >= len(data) else 0
            yield self._segment(time, side, _ACK | push, data[start : start + MSS], comment)

    def _end(self, time: float, reason: str) -> Iterator[_Packet]:
        comment = f"closed: {reason}"
        if self._one.truncated:
            comment += "; it had more than is kept"
        if reason == "connection lost":
            return
        if reason == "client RST":
            yield self._segment(time, self._peer, _RST | _ACK, comment=comment)
        elif _isFin(self._one, reason):
            if reason == "client FIN":
                yield from self._fin(time, self._peer, comment)
            yield from self._fin(time, self._host, comment)
            yield self._segment(time, self._peer, _ACK)
        else:
            yield self._segment(time, self._host, _RST | _ACK, comment=comment)

    def _fin(self, time: float, side: _Side, comment: str) -> Iterator[_Packet]:
        if not side.hasEnded:
            side.hasEnded = True
            yield self._segment(time, side, _FIN | _ACK, comment=comment)

    def _segment(
        self, time: float, side: _Side, flags: int, data: bytes = b"", comment: str = ""
    ) -> _Packet:
        other = self._host if side is self._peer else self._peer
        acknowledged = other.next if flags & _ACK else 0
        segment = _tcp(side.end, other.end, side.next, acknowledged, flags, data)
        side.next += len(data) + bool(flags & (_SYN | _FIN))
        comment = "; ".join([*self._said, *([comment] if comment else [])])
        self._said.clear()
        return _Packet(time, segment, comment)


def _isFin(one: Conversation, reason: str) -> bool:
    """True if a connection with this reason ends with our FIN."""
    if reason.startswith("fault "):
        resets = {"fault reset", *(f"fault {mark.fault}" for mark in one.marks if mark.isReset)}
        return reason not in resets
    return reason in ("client FIN", "service", "message", "messages") or reason.startswith("HTTP")


def _about(one: Conversation) -> str:
    """Return the comment of the first packet of a conversation."""
    about = f"#{one.id} {one.service} {one.kind}"
    if one.kind == "unix":
        about += f": {one.host}; the addresses are made up"
    return about


def _ends(one: Conversation) -> tuple[_End, _End]:
    peer, host = _end(one.peer), _end(one.host)
    if peer is None or host is None:
        # No internet addresses: a UNIX socket.
        return (
            _End(IPv4Address("127.85.88.1"), 1024 + one.id % 64_512),
            _End(IPv4Address("127.85.88.2"), 1),
        )
    return peer, host


def _end(place: str) -> _End | None:
    """Of an address as text, such as [::1]:80."""
    host, _, port = place.rpartition(":")
    try:
        return _End(ip_address(host.strip("[]")), int(port))
    except ValueError:
        return None


# Packets: RFC 791, RFC 8200, RFC 9293, RFC 768


def _tcp(source: _End, target: _End, sequence: int, ack: int, flags: int, data: bytes) -> bytes:
    options = _SYN_OPTIONS if flags & _SYN else b""
    numbers = (sequence & 0xFFFFFFFF, ack & 0xFFFFFFFF)
    offset = (20 + len(options)) // 4 << 4
    head = pack("!HHIIBBH", source.port, target.port, *numbers, offset, flags, 0xFFFF)
    rest = pack("!H", 0) + options + data
    check = _checksum(_pseudo(source, target, 6, len(head) + 2 + len(rest)) + head + rest)
    return _ip(source, target, 6, head + pack("!H", check) + rest)


def _udp(source: _End, target: _End, data: bytes) -> bytes:
    size = 8 + len(data)
    head = pack("!HHH", source.port, target.port, size)
    # None at all is written as 0, and so 0 as its other form.
    check = _checksum(_pseudo(source, target, 17, size) + head + data) or 0xFFFF
    return _ip(source, target, 17, head + pack("!H", check) + data)


def _ip(source: _End, target: _End, protocol: int, data: bytes) -> bytes:
    addresses = source.address.packed + target.address.packed
    if isinstance(source.address, IPv6Address):
        return pack("!IHBB", 6 << 28, len(data), protocol, 64) + addresses + data
    head = pack("!BBHHHBB", 0x45, 0, 20 + len(data), 0, 0x4000, 64, protocol)
    return head + pack("!H", _checksum(head + addresses)) + addresses + data


def _pseudo(source: _End, target: _End, protocol: int, size: int) -> bytes:
    return source.address.packed + target.address.packed + pack("!II", size, protocol)


def _checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071), of data that are not all zero."""
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF
    return 0xFFFF - (total or 0xFFFF)


# Blocks: the pcapng specification (draft-ietf-opsawg-pcapng)


def _enhanced(packet: _Packet) -> bytes:
    micros = round(packet.time * 1e6)
    size = len(packet.data)
    head = pack("<IIIII", 0, micros >> 32, micros & 0xFFFFFFFF, size, size)
    return _block(6, head + _padded(packet.data), packet.comment)


def _block(kind: int, body: bytes, comment: str = "") -> bytes:
    if comment:
        text = comment.encode()
        body += pack("<HH", 1, len(text)) + _padded(text) + bytes(4)
    size = 12 + len(body)
    return pack("<II", kind, size) + body + pack("<I", size)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
