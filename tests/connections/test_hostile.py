"""Peers that misbehave: each is ended for a clear reason, and disturbs no other."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from tests.support.processes import ANYWHERE, DaemonTests, readAll, running
from twistednet.connections.accepting import TrackingFactory
from twistednet.connections.conversations import UDPConversations
from twistednet.connections.datagrams import DatagramGuard
from twistednet.connections.taps import Recorder
from twistednet.connections.tracking import Connections
from twistednet.core.limits import LocalPeers, networksOf
from twistednet.core.settings import ServiceSettings
from twistednet.events.journal import Journal
from twistednet.events.model import Event, EventStream
from twistednet.inject.injector import FaultInjector


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def stuff(sock: socket.socket, data: bytes, patience: float = 0.1) -> int:
    """Send until nothing was taken for so long; return how much was taken."""
    sock.settimeout(patience)
    sent = 0
    try:
        while True:
            sent += sock.send(data)
    except TimeoutError:
        return sent


class NonReaderTests(TestCase):
    """Clients that send and never read."""

    def test_boundedAndEnded(self) -> None:
        """Each costs 64 KiB at most, others are served meanwhile, and all of them are closed."""
        with running(*ANYWHERE, "--stall-timeout", "2") as daemon:
            for service, data in (("echo", b"x" * 65536), ("answer", b"x\n" * 32768)):
                before = resident(daemon.process.pid)
                socks = [daemon.connect(service) for _ in range(5)]
                for sock in socks:
                    # More than the kernel's buffers hold, or it would not be stuck.
                    self.assertGreater(stuff(sock, data), 100_000)
                grown = resident(daemon.process.pid) - before
                self.assertLess(grown, 5 * 64 * 1024 + 2 * 1024 * 1024, service)
                with daemon.connect(service) as other:
                    other.sendall(b"how are u\n")
                    self.assertIn(other.recv(100), (b"how are u\n", b"fine\n"))
                for sock in socks:
                    host, port = sock.getsockname()
                    daemon.waitFor(f"{host}:{port} closed .*: write stall;")
                    sock.close()

    @pytest.mark.slow
    def test_inTheKernel(self) -> None:
        """slowhttptest -X, whose replies wait in the kernel and not in our queue, is cut."""
        program = shutil.which("slowhttptest")
        if program is None:
            raise SkipTest("slowhttptest is not installed")
        with running(*ANYWHERE, "--stall-timeout", "2") as daemon:
            host, port = daemon.address("hello")
            url = f"http://{host}:{port}/?name={'A' * 3000}"
            flags = ("-X", "-c", "8", "-r", "8", "-w", "512", "-y", "1024", "-k", "3", "-l", "30")
            client = subprocess.Popen([program, *flags, "-u", url], stdout=subprocess.DEVNULL)
            try:
                place = 0
                for _ in range(8):
                    place = daemon.waitFor(r"closed .*: write stall;", place).end()
            finally:
                client.kill()
                client.wait()

    @pytest.mark.slow
    def test_silent(self) -> None:
        """The only place is free again for others 10 s after a peer took it and sent nothing."""
        with running(*ANYWHERE, "--max-connections", "1") as daemon:
            with daemon.connect("echo") as silent, pytest.raises(ConnectionResetError):
                readAll(silent)
            daemon.waitFor("closed .*: silent; 0 B in, 0 B out, 1[01]")
            with daemon.connect("echo") as other:
                other.sendall(b"x")
                self.assertEqual(other.recv(1), b"x")

    def test_chat(self) -> None:
        """A person that never reads is disconnected, and the chat goes on."""
        with running(*ANYWHERE, "--stall-timeout", "2") as daemon:
            deaf, ann, ben = (daemon.connect("chat") for _ in range(3))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            host, port = deaf.getsockname()
            ended = f"{host}:{port} closed .*: (queue|write stall);"
            line = b"x" * 500 + b"\n"
            received = 0
            for _ in range(60):
                ann.sendall(line * 200)
                while received < 200:
                    received += ben.recv(1 << 20).count(b"\n")
                received -= 200
            daemon.waitFor(ended)
            for sock in (deaf, ann, ben):
                sock.close()


class LimitTests(DaemonTests):
    """A daemon with strict limits."""

    flags = (
        *ANYWHERE,
        "--limit-loopback",
        *("--max-peer-connections", "3", "--peer-rate", "5", "--max-connections", "6"),
        *("--idle-timeout", "1", "--handshake-timeout", "1"),
    )

    def from_(self, host: str, service: str = "echo") -> socket.socket:
        """Return a connection from this address of ours."""
        sock = socket.create_connection(
            self.daemon.address(service), timeout=20, source_address=(host, 0)
        )
        self.addCleanup(sock.close)
        return sock

    def isServed(self, sock: socket.socket) -> bool:
        """True if echo answers."""
        try:
            sock.sendall(b"x")
            return sock.recv(1) == b"x"
        except ConnectionError:
            return False

    def test_perPeer(self) -> None:
        """One address is limited; another address has a limit of its own."""
        mine = [self.from_("127.0.1.1") for _ in range(4)]
        self.assertEqual([self.isServed(sock) for sock in mine], [True, True, True, False])
        self.assertTrue(self.isServed(self.from_("127.0.1.2")))
        self.daemon.waitFor(r"echo: refused 127.0.1.1:\d+: connections per peer")
        for sock in mine:
            sock.close()
        self.daemon.waitFor("(?s)(127.0.1.1:.*closed.*){3}")

    def test_rate(self) -> None:
        """Five connections at once from one address are admitted; the sixth is too early."""
        for _ in range(5):
            sock = self.from_("127.0.2.1")
            self.assertTrue(self.isServed(sock))
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(readAll(sock), b"")
            self.logged("closed", sock)
        self.assertFalse(self.isServed(self.from_("127.0.2.1")))
        self.daemon.waitFor(r"echo: refused 127.0.2.1:\d+: connection rate")

    def test_idle(self) -> None:
        """A silent connection is closed, on every service."""
        for service in ("receive", "chat"):
            sock = self.from_("127.0.3.1", service)
            with pytest.raises(ConnectionResetError):
                readAll(sock)
            self.logged("closed.*: idle;", sock)

    def test_slowHeader(self) -> None:
        """A header that comes byte by byte does not extend the time."""
        sock = self.from_("127.0.4.1", "hello")
        sock.sendall(b"GET / HTTP/1.1\r\n")
        self.assertTrue(readAll(sock).startswith(b"HTTP/1.1 408"))
        self.logged("closed.*: HTTP header time;", sock)


class FloodTests(DaemonTests):
    """Many connections at once."""

    @pytest.mark.slow
    def test_tenThousandConnects(self) -> None:
        """Many from one peer leave the log short, and the next one is served."""
        address = self.daemon.address("echo")
        for _ in range(10_000):
            with socket.create_connection(address, timeout=20) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock = self.connect("echo")
        sock.sendall(b"x")
        self.assertEqual(sock.recv(1), b"x")
        self.daemon.waitFor(r"more opened\)")
        self.assertLess(len(self.daemon.log.splitlines()), 1000)

    def test_oneByteAtATime(self) -> None:
        """A client that trickles is served as it trickles."""
        sock = self.connect("answer")
        for byte in b"how are u\n":
            sock.sendall(bytes([byte]))
        self.assertEqual(sock.recv(10), b"fine\n")

    def test_hostileText(self) -> None:
        """No data of a peer acts on a terminal that shows the log."""
        hostile = "\x00\x1b[31m\r\n\u202e\u2028\x9b{self.transport}{a.b()}%s".encode() + b"\xff"
        for service in ("echo", "receive", "answer", "chat", "hello"):
            sock = self.connect(service)
            sock.sendall(hostile * 3)
            sock.shutdown(socket.SHUT_WR)
            readAll(sock)
            self.logged("closed", sock)
        sock = self.datagrams()
        sock.sendto(hostile, self.daemon.address("receive", "udp"))
        self.logged("sent", sock)
        shown = self.daemon.log.replace("\n", "").replace("\t", "")
        self.assertTrue(shown.isascii() and shown.isprintable())
        self.assertIn("{self.transport}{a.b()}%s", shown)


class TrustTests(SynchronousTestCase):
    """Connections from a trusted network."""

    def test_admitted(self) -> None:
        """They have no limits by address, as those of loopback have none."""
        clock, stream = Clock(), EventStream(print)
        connections = Connections(clock, stream, Journal(0))
        connections.configure(ServiceSettings(trust=LocalPeers(networksOf(["10.0.0.0/24"]))))
        made = TrackingFactory("echo", Factory.forProtocol(Protocol), connections)
        for host, admitted in (("10.0.0.1", 30), ("10.0.1.1", 10)):
            address = IPv4Address("TCP", host, 5)
            got = [made.buildProtocol(address) for _ in range(30)]
            self.assertEqual(admitted, 30 - got.count(None), host)


class GuardTests(SynchronousTestCase):
    """Sources of datagrams to which an answer would do harm."""

    def setUp(self) -> None:
        self.events: list[Event] = []
        self.got: list[Any] = []
        stream = EventStream(print)
        stream.attach(self.events.append)
        self.clock = Clock()
        self.replies = True
        audience = Recorder(stream, Journal(0))
        conversations = UDPConversations("datagram", self.clock, audience, count(1))
        self.guard = DatagramGuard(
            *("datagram", self, self.clock, stream, {5000}, conversations),
            FaultInjector(self.clock, stream),
        )
        self.guard.configure(ServiceSettings())

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self.got.append(addr)

    def refusal(self, host: str, port: int) -> str | None:
        """Return why a datagram from this source is dropped; None if it is not."""
        self.got.clear()
        self.events.clear()
        self.guard.datagramReceived(b"x", (host, port))
        self.assertEqual(len(self.got) + len(self.events), 1)
        return None if self.got else self.events[0].limit  # type: ignore[union-attr]

    def test_loops(self) -> None:
        """Port 0, ports of well-known services, our own ports and groups get no reply."""
        for host, port, limit in (
            ("10.0.0.1", 0, "source port 0"),
            ("10.0.0.1", 7, "source port under 1024"),
            ("127.0.0.1", 19, "source port under 1024"),
            ("127.0.0.1", 5000, "source is our own port"),
            ("10.0.0.1", 5000, "source is our own port"),
            ("224.0.0.1", 5001, "source is no single host"),
            ("255.255.255.255", 5001, "source is no single host"),
            ("ff02::1", 5001, "source is no single host"),
            ("fe80::1%eth0", 5001, None),
            ("10.0.0.1", 1024, None),
            ("127.0.0.1", 5001, None),
        ):
            self.assertEqual(self.refusal(host, port), limit, (host, port))

    def test_rate(self) -> None:
        """An address that is not loopback gets 20 replies a second."""
        limits = [self.refusal("10.0.0.2", 5001) for _ in range(21)]
        self.assertEqual(limits, [None] * 20 + ["datagram rate"])
        self.assertIsNone(self.refusal("10.0.0.3", 5001))
        self.clock.advance(0.05)
        self.assertIsNone(self.refusal("10.0.0.2", 5001))
        self.assertEqual([self.refusal("127.0.0.1", 5001) for _ in range(30)], [None] * 30)

    def test_trusted(self) -> None:
        """An address of a trusted network has no rate, but the checks of its source."""
        networks = LocalPeers(networksOf(["10.0.0.0/8"]))
        self.guard.configure(ServiceSettings(trust=networks))
        self.assertEqual([self.refusal("10.0.0.2", 5001) for _ in range(30)], [None] * 30)
        self.assertEqual("source port under 1024", self.refusal("10.0.0.2", 7))
        self.guard.configure(ServiceSettings(trust=networks, limitLoopback=True))
        limits = [self.refusal("10.0.0.2", 5001) for _ in range(21)]
        self.assertEqual(limits, [None] * 20 + ["datagram rate"])

    def test_noRepliesNoGuard(self) -> None:
        """A service that never replies logs datagrams from any port."""
        self.replies = False
        self.assertIsNone(self.refusal("10.0.0.1", 514))


class ForgedTests(DaemonTests):
    """Datagrams whose source is forged, from a raw socket."""

    def forge(self, source: tuple[str, int], payload: bytes) -> None:
        """Send the service a datagram that claims to come from this address."""
        if os.geteuid() != 0:
            raise SkipTest("only root has raw sockets")
        host, port = self.daemon.address("datagram", "udp")
        packet = struct.pack("!HHHH", source[1], port, 8 + len(payload), 0) + payload
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
            raw.bind((source[0], 0))
            raw.sendto(packet, (host, 0))

    def test_loop(self) -> None:
        """A datagram that claims to come from the port itself is not handled for ever."""
        for port, limit in (
            (0, "source port 0"),
            (19, "source port under 1024"),
            (self.daemon.address("datagram", "udp")[1], "source is our own port"),
        ):
            self.forge(("127.0.0.1", port), b"loop")
            self.daemon.waitFor(f"datagram: refused 127.0.0.1:{port}: {limit}")
        sock = self.datagrams()
        sock.sendto(b"after", self.daemon.address("datagram", "udp"))
        self.assertEqual(sock.recv(10), b"after")
        self.assertNotIn("sent 4 B: loop", self.daemon.log)
