"""events/pcapng.py: capture files that say what was said, to tshark too."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, NamedTuple
from unittest import skipUnless

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.journals import act, add
from tests.support.processes import temporaryFolder
from twistednet.events.journal import Journal
from twistednet.events.model import Closed, Opened
from twistednet.events.pcapng import MSS, pcapng

V4 = ("127.0.0.1:50000", "127.0.0.1:8888")
V6 = ("[::1]:50000", "[::1]:8888")
BEGIN = 1_700_000_000.0
UNIX = ("unix socket", "unix:/run/echo.sock")

Chunks = list[tuple[str, bytes]]


def recorded(
    chunks: Chunks,
    ends: tuple[str, str] = V4,
    kind: str = "tcp",
    reason: str | None = "client FIN",
    journal: Journal | None = None,
    number: int = 1,
) -> Journal:
    """A journal with a conversation of these chunks, 10 ms apart; the next a minute later."""
    journal = Journal() if journal is None else journal
    time = BEGIN + 60.0 * len(journal)
    journal(Opened(number, "echo", ends[0], kind, ends[1], 50.0, time))
    for n, (direction, data) in enumerate(chunks, 1):
        add(journal, number, 50 + n / 100, direction, data, "dataReceived")
    if reason is not None:
        journal(Closed(number, "echo", ends[0], reason, 0, 0, (len(chunks) + 1) / 100))
    return journal


class Packet(NamedTuple):
    """What a reader of the file sees."""

    time: float
    source: str
    target: str
    protocol: int
    flags: str
    sequence: int
    acknowledged: int
    data: bytes
    comment: str


def blocks(file: bytes) -> Iterator[tuple[int, bytes]]:
    """The blocks of a pcapng file, whose frames must be right."""
    while file:
        kind, size = struct.unpack_from("<II", file)
        assert size % 4 == 0
        assert struct.unpack_from("<I", file, size - 4)[0] == size
        yield kind, file[8 : size - 4]
        file = file[size:]


def option(options: bytes) -> str:
    """The comment among the options, which must be the only one."""
    if not options:
        return ""
    code, size = struct.unpack_from("<HH", options)
    end = 4 + size + -size % 4
    assert (code, options[end:]) == (1, bytes(4))
    return options[4 : 4 + size].decode()


def checked(data: bytes) -> bytes:
    """`data`, whose internet checksum must be right, added up word by word."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF, hex(total)
    return data


def parsed(file: bytes) -> list[Packet]:
    """The packets of a file, all lengths and checksums checked."""
    (first, section), (second, interface), *rest = blocks(file)
    assert (first, second) == (0x0A0D0D0A, 1)
    assert section[:8] == struct.pack("<IHH", 0x1A2B3C4D, 1, 0)
    assert "rebuilt" in option(section[16:])
    assert interface == struct.pack("<HHI", 101, 0, 0)
    packets = []
    for kind, body in rest:
        assert kind == 6
        _, high, low, size, original = struct.unpack_from("<IIIII", body)
        assert size == original
        comment = option(body[20 + size + -size % 4 :])
        packets.append(packet((high << 32 | low) / 1e6, body[20 : 20 + size], comment))
    return packets


def packet(time: float, ip: bytes, comment: str) -> Packet:
    if ip[0] >> 4 == 4:
        assert struct.unpack_from("!H", ip, 2)[0] == len(checked(ip[:20])) + len(ip[20:])
        protocol, source, target, rest = ip[9], ip[12:16], ip[16:20], ip[20:]
    else:
        assert struct.unpack_from("!H", ip, 4)[0] == len(ip) - 40
        protocol, source, target, rest = ip[6], ip[8:24], ip[24:40], ip[40:]
    checked(source + target + struct.pack("!II", len(rest), protocol) + rest)
    ports = struct.unpack_from("!HH", rest)
    ends = [
        f"{ip_address(host)}:{port}" for host, port in zip((source, target), ports, strict=True)
    ]
    if protocol == 17:
        size, checksum = struct.unpack_from("!HH", rest, 4)
        assert size == len(rest)
        assert checksum != 0
        return Packet(time, *ends, 17, "", 0, 0, rest[8:], comment)
    sequence, acknowledged, offset, flags = struct.unpack_from("!IIBB", rest, 4)
    names = "".join(name for bit, name in enumerate("FSRPA") if flags & 1 << bit)
    data = rest[(offset >> 4) * 4 :]
    return Packet(time, *ends, 6, names, sequence, acknowledged, data, comment)


def streams(packets: list[Packet]) -> dict[str, bytes]:
    """What each side sent, put together as a receiver does, by sequence numbers alone."""
    sent: dict[str, bytes] = {}
    following: dict[str, int] = {}
    for one in packets:
        if "S" in one.flags:
            following[one.source], sent[one.source] = one.sequence, b""
        assert one.sequence == following[one.source]
        if "A" in one.flags:
            assert one.acknowledged == following[one.target]
        size = len(one.data) + ("S" in one.flags) + ("F" in one.flags)
        following[one.source] = (one.sequence + size) % (1 << 32)
        sent[one.source] += one.data
    return sent


def joined(chunks: Chunks, direction: str) -> bytes:
    return b"".join(data for side, data in chunks if side == direction)


SIDES = st.sampled_from(["in", "out"])
CHUNKS = st.lists(st.tuples(SIDES, st.binary(min_size=1, max_size=300)), max_size=30)
REASONS = st.sampled_from(["client FIN", "client RST", "service", "idle", "connection lost", None])


class StreamTests(SynchronousTestCase):
    """Connections."""

    @given(CHUNKS, st.sampled_from([V4, V6, UNIX]), REASONS, st.integers(1, 1 << 40))
    def test_anyChunks(self, chunks: Chunks, ends: Any, reason: Any, number: int) -> None:
        """Whatever was said comes out again, and each chunk is a segment with its time."""
        file = b"".join(pcapng(recorded(chunks, ends, "tcp", reason, number=number)))
        packets = parsed(file)
        client = packets[0].source
        sent = streams(packets)
        self.assertEqual(joined(chunks, "in"), sent.pop(client))
        self.assertEqual([joined(chunks, "out")], list(sent.values()))
        said = [(one.time, one.source == client, one.data) for one in packets if one.data]
        expected = [
            (BEGIN + n / 100, side == "in", data) for n, (side, data) in enumerate(chunks, 1)
        ]
        self.assertEqual(expected, [(round(time, 5), *rest) for time, *rest in said])

    def test_split(self) -> None:
        """A chunk that no packet holds is split, and only its last segment pushes."""
        journal = Journal()
        data = bytes(range(256)) * 256
        packets = parsed(b"".join(pcapng(recorded([("in", data)], journal=journal))))
        said = [(one.flags, len(one.data)) for one in packets if one.data]
        self.assertEqual([("A", MSS), ("PA", len(data) - MSS)], said)
        self.assertEqual(data, streams(packets)["127.0.0.1:50000"])

    def flags(self, reason: str | None, *chunks: tuple[str, bytes]) -> list[str]:
        """Who sent which flags, after the three segments of the beginning."""
        packets = parsed(b"".join(pcapng(recorded(list(chunks), reason=reason))))
        self.assertEqual(["S", "SA", "A"], [one.flags for one in packets[:3]])
        client = packets[0].source
        return [f"{'>' if one.source == client else '<'}{one.flags}" for one in packets[3:]]

    def test_ends(self) -> None:
        """Each reason to close has its segments: whose FIN, whose RST."""
        fin = ("in", b"")
        for reason, expected in (
            (None, []),
            ("client FIN", [">FA", "<FA", ">A"]),
            ("client RST", [">RA"]),
            ("connection lost", []),
            ("service", ["<FA", ">A"]),
            ("messages", ["<FA", ">A"]),
            ("HTTP body", ["<FA", ">A"]),
            ("idle", ["<RA"]),
            ("shutdown", ["<RA"]),
        ):
            self.assertEqual(expected, self.flags(reason), reason)
        self.assertEqual([">FA", "<PA", "<FA", ">A"], self.flags("client FIN", fin, ("out", b"x")))
        self.assertEqual([">FA", "<RA"], self.flags("write stall", fin))

    def test_comments(self) -> None:
        """The file says what a conversation was, which callback ran, and how it ended."""
        file = b"".join(pcapng(recorded([("in", b"hi")])))
        comments = [one.comment for one in parsed(file)]
        self.assertEqual(
            ["#1 echo tcp", "", "", "dataReceived", "closed: client FIN", "closed: client FIN", ""],
            comments,
        )

    def test_faults(self) -> None:
        """What a fault did stands on the next packet, and whether its end is a FIN or a RST."""
        for reason, rule, did, flags in (
            ("fault reset", "echo: reset at close", "reset", "RA"),
            (
                "fault truncate",
                "echo: truncate after 2 bytes with RST",
                "0 of 2 B passed, reset",
                "RA",
            ),
            ("fault truncate", "echo: truncate after 2 bytes", "0 of 2 B passed, end", "FA"),
            ("fault close", "hello: close in body", "close in body for GET /reset", "FA"),
        ):
            journal = recorded([("in", b"hi"), ("out", b"ho")], reason=None)
            act(journal, 1, 50.015, "2 B 0.001 s later", "echo: latency 1ms")
            act(journal, 1, 50.03, did, rule)
            journal(Closed(1, "echo", V4[0], reason, 0, 0, 0.04))
            packets = parsed(b"".join(pcapng(journal)))
            late = "fault latency: 2 B 0.001 s later (echo: latency 1ms; 1 by now); dataReceived"
            last = f"{reason}: {did} ({rule}; 1 by now); closed: {reason}"
            told = {one.comment: one.flags for one in packets if "fault" in one.comment}
            self.assertEqual({late: "PA", last: flags}, told)

    def test_truncated(self) -> None:
        """It says where more was said than is kept."""
        packets = parsed(b"".join(pcapng(recorded([("in", bytes(70_000))], reason="idle"))))
        self.assertEqual("closed: idle; it had more than is kept", packets[-1].comment)

    def test_unix(self) -> None:
        """A UNIX socket has no address: one is made up, and the file says so."""
        packets = parsed(b"".join(pcapng(recorded([], UNIX, "unix"))))
        self.assertEqual(("127.85.88.1:1025", "127.85.88.2:1"), packets[0][1:3])
        self.assertEqual(
            "#1 echo unix: unix:/run/echo.sock; the addresses are made up", packets[0].comment
        )

    def test_scope(self) -> None:
        """The scope of a link-local address stays out: a packet has none."""
        ends = ("[fe80::1%eth0]:50000", "[fe80::2%eth0]:8888")
        packets = parsed(b"".join(pcapng(recorded([], ends))))
        self.assertEqual(("fe80::1:50000", "fe80::2:8888"), packets[0][1:3])

    def test_several(self) -> None:
        """Of several conversations all packets stand in the order of time."""
        journal = recorded([("in", b"1"), ("out", b"2")])
        recorded([("in", b"3")], V6, journal=journal, number=2)
        times = [one.time for one in parsed(b"".join(pcapng(journal)))]
        self.assertEqual(sorted(times), times)
        self.assertEqual(8 + 7, len(times))


class DatagramTests(SynchronousTestCase):
    """Conversations over UDP."""

    @given(st.lists(st.tuples(SIDES, st.binary(max_size=300)), max_size=30), st.booleans())
    def test_anyDatagrams(self, chunks: Chunks, isV6: bool) -> None:
        """Each datagram is a packet: empty ones, and those whose checksum would be 0."""
        packets = parsed(b"".join(pcapng(recorded(chunks, V6 if isV6 else V4, "udp", "quiet"))))
        self.assertEqual([data for _, data in chunks], [one.data for one in packets])
        sides = ["in" if one.source.endswith(":50000") else "out" for one in packets]
        self.assertEqual([side for side, _ in chunks], sides)

    def test_faults(self) -> None:
        """What a fault did stands on the next datagram."""
        journal = recorded([("in", b"a"), ("in", b"b")], V4, "udp", None)
        act(journal, 1, 50.0, "in 2 pieces", "datagram: duplicate")
        act(journal, 1, 50.015, "0 of 1 B passed", "datagram: loss 1%")
        self.assertEqual(
            [
                "#1 echo udp; fault duplicate: in 2 pieces (datagram: duplicate; 1 by now); "
                "dataReceived",
                "fault loss: 0 of 1 B passed (datagram: loss 1%; 1 by now); dataReceived",
            ],
            [one.comment for one in parsed(b"".join(pcapng(journal)))],
        )

    def test_sizes(self) -> None:
        """From nothing to the most that UDP carries."""
        for ends, size in ((V4, 0), (V4, 65_507), (V6, 65_507)):
            packets = parsed(b"".join(pcapng(recorded([("in", b"x" * size)], ends, "udp"))))
            self.assertEqual([b"x" * size], [one.data for one in packets])

    def test_zeroChecksum(self) -> None:
        """A checksum of 0 would mean that there is none, and is written as 0xFFFF."""
        [one] = parsed(b"".join(pcapng(recorded([("in", b"\0\0")], V4, "udp"))))
        file = b"".join(pcapng(recorded([("in", b"\0\0")], V4, "udp")))
        [_, _, (_, body)] = blocks(file)
        checksum = struct.unpack_from("!H", body, 20 + 20 + 6)[0]
        journal = recorded([("in", struct.pack("!H", checksum))], V4, "udp")
        [_, _, (_, body)] = blocks(b"".join(pcapng(journal)))
        self.assertEqual(0xFFFF, struct.unpack_from("!H", body, 20 + 20 + 6)[0])
        self.assertEqual("#1 echo udp; dataReceived", one.comment)


def tshark(*arguments: str) -> str:
    command = ["tshark", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


@skipUnless(shutil.which("tshark"), "tshark is not installed")
class TsharkTests(SynchronousTestCase):
    """What Wireshark's own reader makes of the files."""

    def test_follow(self) -> None:
        """Following each stream gives the bytes of both sides, and nothing is wrong."""
        everything = bytes(range(256))
        hostile: list[Chunks] = [
            [("in", everything), ("out", everything[::-1])],
            [("in", b"x" * 65_000), ("out", b"y")],
            [("out", b"\x1b[2J\n"), ("in", b"\0"), ("in", b""), ("out", b"after the FIN")],
            [],
            [("in", bytes([n])) for n in everything],
        ]
        journal = Journal()
        for number, (chunks, ends, reason) in enumerate(
            zip(
                hostile,
                (V4, V6, UNIX, V4, V4),
                ("client FIN", "client RST", "client FIN", "service", "idle"),
                strict=True,
            ),
            1,
        ):
            recorded(chunks, ends, "tcp", reason, journal, number)
        file = temporaryFolder(self) / "all.pcapng"
        file.write_bytes(b"".join(pcapng(journal)))
        for number, chunks in enumerate(hostile):
            told = tshark("-r", str(file), "-q", "-z", f"follow,tcp,raw,{number}")
            lines = re.findall(r"^(\t?)([0-9a-f]+)$", told, re.MULTILINE)
            for direction, tab in (("in", ""), ("out", "\t")):
                got = b"".join(bytes.fromhex(text) for side, text in lines if side == tab)
                self.assertEqual(joined(chunks, direction), got, told)
        wrong = "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0"
        for analysis in ("retransmission", "out_of_order", "lost_segment", "ack_lost_segment"):
            wrong += f" || tcp.analysis.{analysis}"
        self.assertEqual("", tshark("-r", str(file), "-Y", wrong))

    def test_datagrams(self) -> None:
        """Datagrams of all sizes have their bytes, and no wrong checksum."""
        data = [b"", b"x", bytes(range(256)), b"z" * 60_000]
        chunks = [(side, one) for one in data for side in ("in", "out")][:7]
        file = temporaryFolder(self) / "udp.pcapng"
        file.write_bytes(b"".join(pcapng(recorded(chunks, V4, "udp", "quiet"))))
        fields = ("-T", "fields", "-e", "udp.length", "-e", "udp.checksum.status")
        told = tshark("-r", str(file), "-d", "udp.port==8888,data", *fields)
        self.assertEqual([f"{8 + len(one)}\t1" for _, one in chunks], told.splitlines())

    def test_faults(self) -> None:
        """What faults did can be looked for."""
        journal = recorded([("in", b"hi")], reason=None)
        act(journal, 1, 50.02, "reset", "echo: reset at close")
        journal(Closed(1, "echo", V4[0], "fault reset", 0, 0, 0.04))
        file = temporaryFolder(self) / "faults.pcapng"
        file.write_bytes(b"".join(pcapng(journal)))
        fields = ("-T", "fields", "-e", "tcp.flags.str", "-e", "frame.comment")
        told = tshark("-r", str(file), "-Y", 'frame.comment contains "fault"', *fields)
        self.assertRegex(told, r"^\S*R\S*\tfault reset: reset \(echo: reset at close; 1 by now\)")
        self.assertEqual(1, len(told.splitlines()))
