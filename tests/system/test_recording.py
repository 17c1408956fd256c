"""sinks/sinks.py and the taps: what a daemon remembers and writes of real clients."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import skipUnless

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.processes import (
    PATIENCE,
    TWISTD,
    Running,
    asked,
    line,
    readAll,
    readUntil,
    run,
    running,
    temporaryFolder,
)
from tests.system.test_exact import certificates
from twistednet.core.settings import kebabCase
from twistednet.daemon.daemon import Daemon
from twistednet.events.chunks import MAX_BYTES
from twistednet.events.journal import Conversation
from twistednet.events.model import Closed, Event, Opened, Received, Sent
from twistednet.events.pcapng import pcapng
from twistednet.services.catalog import loadServices
from twistednet.settings.loading import load
from twistednet.settings.sources import Given

Client = socket.socket


class ChildDaemon(Daemon):
    """A daemon in the test's own process, whose signals it leaves alone."""

    def _takeSignals(self) -> None:
        """They are the test's."""


class _Served(TestCase):
    """Daemons here, and clients with plain sockets in a thread."""

    def setUp(self) -> None:
        self.folder = temporaryFolder(self)

    def serve(self, service: str, listen: str, **settings: Any) -> Daemon:
        from twisted.internet import reactor

        services = loadServices()
        given = {kebabCase(key): Given(key, value) for key, value in settings.items()}
        given |= {service: Given("listen", listen), "only": Given("only", service)}
        given["admin"] = Given("admin", "off")
        self.settings = load(given, None, services, environment={})
        daemon = ChildDaemon(reactor, services, self.settings, lambda: self.settings)
        daemon.listen()
        daemon.startService()
        self.addCleanup(self._end, daemon)
        return daemon

    def _end(self, daemon: Daemon) -> Deferred[None]:
        stopped = daemon.stopService()
        daemon.abort()
        return stopped

    def connect(self, daemon: Daemon) -> Client:
        """A client's socket, connected; over UDP, too."""
        [(_, endpoint, host)] = daemon.ports
        if hasattr(host, "name"):
            client = socket.socket(socket.AF_UNIX)
            address: Any = host.name
        else:
            kind = socket.SOCK_DGRAM if endpoint.isDatagram else socket.SOCK_STREAM
            client = socket.socket(socket.AF_INET, kind)
            address = (host.host, host.port)
        self.addCleanup(client.close)
        client.settimeout(PATIENCE)
        client.connect(address)
        return client

    def next(self, daemon: Daemon, kind: type = Closed, count: int = 1) -> Deferred[None]:
        """Fires at the next event of this kind (the `count`-th)."""
        happened: Deferred[None] = Deferred()
        left = count

        def sink(event: Event) -> None:
            nonlocal left
            left -= isinstance(event, kind)
            if not left:
                daemon.events.detach(sink)
                happened.callback(None)

        daemon.events.attach(sink)
        return happened

    async def talk(self, daemon: Daemon, do: Callable[[Client], Any]) -> Conversation:
        """What the journal has of a client that did this, once it is over."""
        closed = self.next(daemon)
        client = self.connect(daemon)
        await deferToThread(do, client)
        await closed
        *_, last = daemon.journal
        return last


def chunked(one: Conversation, direction: str) -> list[bytes]:
    return [chunk.data for chunk in one.chunks if chunk.direction == direction]


def callbacks(one: Conversation) -> list[tuple[str, bytes, str]]:
    return [(chunk.direction, chunk.data, chunk.callback) for chunk in one.chunks]


class JournalTests(_Served):
    """The journal has what a client's socket sent and got."""

    EVERY = bytes(range(256))

    def exchange(self, client: Client) -> None:
        """All there is to bytes, in two pieces, each awaited."""
        for piece in (self.EVERY, b"again"):
            client.sendall(piece)
            got = b""
            while len(got) < len(piece):
                got += client.recv(1000)
            self.assertEqual(piece, got)
        client.close()

    def expect(self, one: Conversation) -> None:
        self.assertEqual(
            [
                ("in", self.EVERY, "dataReceived"),
                ("out", self.EVERY, "dataReceived"),
                ("in", b"again", "dataReceived"),
                ("out", b"again", "dataReceived"),
                ("in", b"", "connectionLost"),
            ],
            callbacks(one),
        )
        times = [0, *(chunk.at for chunk in one.chunks)]
        self.assertEqual(sorted(times), times)

    async def test_tcp(self) -> None:
        """Over TCP: chunks, callbacks, addresses, counts."""
        daemon = self.serve("echo", "tcp:0")
        peer = ""

        def exchange(client: Client) -> None:
            nonlocal peer
            peer = "{}:{}".format(*client.getsockname())
            self.exchange(client)

        one = await self.talk(daemon, exchange)
        self.expect(one)
        [(_, _, host)] = daemon.ports
        self.assertEqual(("tcp", peer, f"127.0.0.1:{host.port}"), (one.kind, one.peer, one.host))
        self.assertEqual((261, 261, "client FIN"), (one.bytesIn, one.bytesOut, one.closed))

    async def test_untapped(self) -> None:
        """What is over holds nothing: no cycle is left for a collection of garbage."""
        daemon = self.serve("echo", "tcp:0")
        transports = []

        def exchange(client: Client) -> None:
            client.sendall(b"x")
            client.recv(1)
            transports.extend(connection.transport for connection in daemon.connections)
            self.assertIsNotNone(transports[0].tap)
            client.close()

        await self.talk(daemon, exchange)
        self.assertIsNone(transports[0].tap)

    async def test_everyAddress(self) -> None:
        """Our address is the one that the client came to, and not that of all there are."""
        daemon = self.serve("echo", "tcp:0:interface=0.0.0.0")
        [(_, _, host)] = daemon.ports
        one = await self.talk(daemon, lambda client: client.close())
        self.assertEqual(f"127.0.0.1:{host.port}", one.host)

    async def test_unix(self) -> None:
        """Over a UNIX socket, whose address is ours alone."""
        path = self.folder / "echo.sock"
        one = await self.talk(self.serve("echo", f"unix:{path}"), self.exchange)
        self.expect(one)
        self.assertEqual(("unix", "unix socket", f"unix:{path}"), (one.kind, one.peer, one.host))

    async def test_tls(self) -> None:
        """Over TLS the journal has the plain text, as the service does; counts are the wire's."""
        context = ssl.create_default_context()
        certificates(self.folder).configure_trust(context)
        files = f"privateKey={self.folder}/key.pem:certKey={self.folder}/cert.pem"

        def exchange(client: Client) -> None:
            with context.wrap_socket(client, server_hostname="localhost") as secure:
                self.exchange(secure)

        one = await self.talk(self.serve("echo", f"ssl:0:{files}"), exchange)
        self.expect(one)
        self.assertEqual("tls", one.kind)
        self.assertGreater(one.bytesIn, 500)

    async def test_udp(self) -> None:
        """Over UDP: each datagram, an empty one and the largest too."""
        daemon = self.serve("datagram", "udp:0")
        datagrams = [b"", b"x", bytes(60_000), b"bye"]

        def exchange(client: Client) -> None:
            for datagram in datagrams:
                client.send(datagram)
                self.assertEqual(datagram, client.recv(70_000))

        one = await self.talk(daemon, exchange)
        self.assertEqual("udp", one.kind)
        # The largest, in both directions, is more than is kept of one conversation.
        begin = [("in", b""), ("out", b""), ("in", b"x"), ("out", b"x"), ("in", bytes(60_000))]
        self.assertEqual(begin, [chunk[1:3] for chunk in one.chunks[:5]])
        self.assertTrue(one.truncated)
        total = sum(map(len, datagrams))
        self.assertEqual((total, total, "service"), (one.bytesIn, one.bytesOut, one.closed))

    async def test_http(self) -> None:
        """HTTP: the request as it was sent, and the whole answer, writeSequence or not."""
        request = b"GET /?name=Michael HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answers = []

        def ask(client: Client) -> None:
            client.sendall(request)
            answers.append(readAll(client))
            client.close()

        one = await self.talk(self.serve("hello", "tcp:0"), ask)
        self.assertEqual((request, answers[0]), (one.data("in"), one.data("out")))
        self.assertIn(b"Hello World, Michael!", one.data("out"))

    async def test_chat(self) -> None:
        """Chat: what others say is sent by no callback of this connection's own."""
        daemon = self.serve("chat", "tcp:0")

        def converse(client: Client) -> bytes:
            with self.connect(daemon) as other:
                line(client)
                line(other)
                heard = asked(client, b"hello")
                client.close()
                return heard

        one = await self.talk(daemon, converse)
        self.assertIn(b"guest-", one.data("out"))
        self.assertIn("later", [chunk.callback for chunk in one.chunks])

    async def test_halfClose(self) -> None:
        """A FIN is an empty chunk, and what answers it is sent inside of its callback."""

        def ask(client: Client) -> None:
            client.sendall(b"how are u")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(b"fine", readAll(client))
            client.close()

        one = await self.talk(self.serve("answer", "tcp:0"), ask)
        self.assertEqual(
            [
                ("in", b"how are u", "dataReceived"),
                ("in", b"", "readConnectionLost"),
                ("out", b"fine", "readConnectionLost"),
            ],
            callbacks(one),
        )

    async def test_reasons(self) -> None:
        """Each way to end is told apart."""

        def finish(client: Client) -> None:
            client.close()

        def reset(client: Client) -> None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

        def bye(client: Client) -> None:
            client.sendall(b"bye\n")
            readAll(client)
            client.close()

        def tooLong(client: Client) -> None:
            client.sendall(b"x" * 20 + b"\n")
            readAll(client)
            client.close()

        def wait(client: Client) -> None:
            self.assertRaises(ConnectionResetError, client.recv, 1)

        for do, reason in (
            (finish, "client FIN"),
            (reset, "client RST"),
            (bye, "service"),
            (tooLong, "message"),
        ):
            one = await self.talk(self.serve("answer", "tcp:0", maxMessage=10), do)
            self.assertEqual(reason, one.closed)
        idle = await self.talk(self.serve("answer", "tcp:0", idleTimeout=0.5), wait)
        self.assertEqual("idle", idle.closed)

    async def test_enough(self) -> None:
        """After 64 KiB of a conversation its transport is tapped no more; all is served."""
        daemon = self.serve("echo", "tcp:0")
        data = os.urandom(MAX_BYTES)

        def exchange(client: Client) -> list[Any]:
            taps = []
            for _ in range(2):
                client.sendall(data)
                self.assertEqual(data, readUntil(client, lambda got: len(got) == len(data)))
                taps += [connection.transport.tap for connection in daemon.connections]
            client.close()
            return taps

        one = await self.talk(daemon, exchange)
        self.assertTrue(one.truncated)
        inwards, outwards = one.data("in"), one.data("out")
        self.assertEqual(MAX_BYTES, len(inwards) + len(outwards))
        self.assertTrue(data.startswith(inwards) and data.startswith(outwards))
        self.assertEqual((2 * len(data),) * 2, (one.bytesIn, one.bytesOut))

    async def test_off(self) -> None:
        """With `journal` 0 nothing is remembered, and no transport is tapped."""
        daemon = self.serve("echo", "tcp:0", journal=0)
        closed, opened = self.next(daemon), self.next(daemon, Opened)
        client = self.connect(daemon)
        await opened
        [connection] = daemon.connections
        self.assertIsNone(connection.transport.tap)
        await deferToThread(self.exchange, client)
        await closed
        self.assertEqual([], list(daemon.journal))

    async def test_reload(self) -> None:
        """A changed `journal` holds at once."""
        daemon = self.serve("echo", "tcp:0")
        await self.talk(daemon, self.exchange)
        self.settings = replace(self.settings, journal=0)
        daemon.reload()
        self.assertEqual([], list(daemon.journal))

    @skipUnless(shutil.which("tshark"), "tshark is not installed")
    async def test_tshark(self) -> None:
        """What tshark follows of an export is what the client sent and got."""
        one = await self.talk(self.serve("echo", "tcp:0"), self.exchange)
        file = self.folder / "one.pcapng"
        file.write_bytes(b"".join(pcapng([one])))
        command = ["tshark", "-r", str(file), "-q", "-z", "follow,tcp,raw,0"]
        done = await deferToThread(subprocess.run, command, capture_output=True, text=True)
        rows = [row for row in done.stdout.splitlines() if row.strip("\t").isalnum()]
        sides = {"in": b"", "out": b""}
        for row in rows:
            sides["out" if row[0] == "\t" else "in"] += bytes.fromhex(row)
        self.assertEqual({"in": self.EVERY + b"again", "out": self.EVERY + b"again"}, sides)


class ChunkTests(_Served):
    """Sinks that want every chunk."""

    async def test_late(self) -> None:
        """One that comes late hears those who are there already, as long as it stays."""
        daemon = self.serve("echo", "tcp:0", journal=0)
        opened = self.next(daemon, Opened)
        client = self.connect(daemon)
        await opened
        got: list[Event] = []
        await deferToThread(self._ask, client, b"unheard")
        daemon.events.attach(got.append, chunks=True)
        await deferToThread(self._ask, client, b"heard")
        [connection] = daemon.connections
        whose = (connection.id, "echo", connection.peer)
        received, sent = got
        self.assertEqual(Received(*whose, b"heard", "dataReceived", received.at), received)
        self.assertEqual(Sent(*whose, b"heard", "dataReceived", sent.at), sent)
        daemon.events.detach(got.append)
        await deferToThread(self._ask, client, b"no more")
        self.assertEqual(2, len(got))
        self.assertIsNone(connection.transport.tap)

    def _ask(self, client: Client, data: bytes) -> None:
        client.sendall(data)
        self.assertEqual(data, client.recv(100))

    async def test_failing(self) -> None:
        """One that raises at a chunk is taken off; the connection and the journal go on."""
        daemon = self.serve("echo", "tcp:0")

        def fail(event: Event) -> None:
            raise ValueError("mine")

        daemon.events.attach(fail, chunks=True)

        def exchange(client: Client) -> None:
            self._ask(client, b"one")
            self._ask(client, b"two")
            client.close()

        one = await self.talk(daemon, exchange)
        self.assertEqual((b"onetwo", "client FIN"), (one.data("in"), one.closed))
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))
        self.assertEqual((), daemon.events.chunked)

    async def test_failingJournal(self) -> None:
        """Nor does a journal that raises: it is taken off like any sink."""
        daemon = self.serve("echo", "tcp:0")

        def fail(*arguments: Any) -> bool:
            raise ValueError("mine")

        self.patch(daemon.journal, "_forget", fail)
        closed = self.next(daemon)
        client = self.connect(daemon)
        await deferToThread(self._ask, client, b"one")
        await deferToThread(self._ask, client, b"two")
        client.close()
        await closed
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class FileTests(TestCase):
    """`--events`, as a user gives it."""

    def daemon(self, events: str, *flags: str, **more: Any) -> Running:
        daemon = Running("--only=echo", "--echo=tcp:0", f"--events={events}", *flags, **more)
        self.addCleanup(daemon.close)
        return daemon

    def exchange(self, daemon: Running, data: bytes = b"hello\xff") -> None:
        with daemon.connect("echo") as client:
            client.sendall(data)
            self.assertEqual(data, client.recv(100))

    KINDS = ["opened", "received", "sent", "received", "closed"]

    def test_file(self) -> None:
        """All that happened stands in the file, in its order, and is no part of the log."""
        path = temporaryFolder(self) / "events"
        daemon = self.daemon(str(path), "--events-payload=3")
        self.exchange(daemon)
        daemon.stop()
        events = told(path)
        self.assertEqual(self.KINDS, [one["event"] for one in events])
        self.assertEqual({1}, {one["id"] for one in events})
        self.assertEqual(("hel", 6), (events[1]["data"], events[1]["size"]))
        self.assertNotIn('"event"', daemon.log)

    def test_standardOutput(self) -> None:
        """`-` is standard output, which the log leaves to the events alone."""
        out = temporaryFolder(self) / "out"
        out.write_text("{}\n")
        flags = ("--only=echo", "--echo=tcp:0", "--admin=off", "--events=-")
        script = f'exec "$0" -n --pidfile= netdemo "$@" 2>&1 >>{out}'
        command = ["sh", "-c", script, TWISTD, *flags]
        daemon = Running(command=command)
        self.addCleanup(daemon.close)
        self.exchange(daemon)
        daemon.stop()
        before, *events = told(out)
        self.assertEqual(({}, self.KINDS), (before, [one["event"] for one in events]))

    def test_nobodyReads(self) -> None:
        """A pipe that nobody reads holds nothing up; what was dropped is counted."""
        path = temporaryFolder(self) / "pipe"
        os.mkfifo(path)
        daemon = self.daemon(str(path), "--events-payload=100000")
        with daemon.connect("echo") as client:
            # Each line is some 64 KiB: the pipe, and what may wait, is full after some twenty.
            for _ in range(40):
                client.sendall(b"x" * 60_000)
                readUntil(client, lambda got: len(got) == 60_000)
        daemon.waitFor(r"events are not written to .*/pipe: they are read too slowly")
        daemon.stop()
        self.assertIsNotNone(daemon.waitFor(r"events that were not written to \S+: \d+$"))

    def test_fullDisk(self) -> None:
        """A disk that is full holds nothing up, and is told of."""
        daemon = self.daemon("/dev/full")
        for _ in range(3):
            self.exchange(daemon)
        daemon.waitFor("events are not written to /dev/full: no space left on device")
        self.exchange(daemon)
        daemon.stop()
        daemon.waitFor(r"events that were not written to /dev/full: 20$")

    def test_cannot(self) -> None:
        """Where nothing can be written, one line at start says so, and nothing is left."""
        folder = temporaryFolder(self)
        for events, why in (
            (f"{folder}/no/file", f"--events {folder}/no/file: no such file or directory"),
            (str(folder), f"--events {folder}: is a directory"),
        ):
            done = run(
                *("-n", "--pidfile=", "netdemo", "--echo=tcp:0", "--only=echo", "--admin=off"),
                f"--events={events}",
            )
            self.assertEqual((1, f"twistd netdemo: {why}\n"), (done.returncode, done.stderr))

    def test_background(self) -> None:
        """In the background there is no standard output."""
        done = run("netdemo", "--events=-")
        self.assertEqual(1, done.returncode)
        self.assertIn("--events -: there is no standard output without twistd -n", done.stderr)

    def test_rotated(self) -> None:
        """A file that was moved away is made anew at SIGHUP, and nothing is lost."""
        path = temporaryFolder(self) / "events"
        daemon = self.daemon(str(path))
        self.exchange(daemon)
        daemon.waitFor(r"closed \(#1\)")
        path.rename(f"{path}.1")
        since = len(daemon.log)
        daemon.signal(1)
        daemon.waitFor("settings read again", since)
        self.exchange(daemon)
        daemon.stop()
        self.assertEqual({1}, {one["id"] for one in told(Path(f"{path}.1"))})
        self.assertEqual(self.KINDS, [one["event"] for one in told(path)])
        self.assertEqual({2}, {one["id"] for one in told(path)})

    def test_changed(self) -> None:
        """The settings file may name another file, one that cannot be, or standard output."""
        folder = temporaryFolder(self)
        config = folder / "netdemo.toml"

        def write(events: str) -> None:
            config.write_text(f'only = "echo"\necho = "tcp:0"\nevents = "{events}"\n')

        write("one")
        with running("--config", str(config)) as daemon:
            self.exchange(daemon)
            daemon.waitFor(r"closed \(#1\)")
            for events, answer in (
                ("no/where", "settings not changed: --events .*/no/where: no such file"),
                ("-", "settings not changed: --events -: the log goes to standard output"),
                ("two", "settings read again"),
            ):
                since = len(daemon.log)
                write(events)
                daemon.signal(1)
                daemon.waitFor(answer, since)
            self.exchange(daemon)
            daemon.waitFor(r"closed \(#2\)")
            since = len(daemon.log)
            write("off")
            daemon.signal(1)
            daemon.waitFor("settings read again", since)
            self.exchange(daemon)
            daemon.stop()
        self.assertEqual({1}, {one["id"] for one in told(folder / "one")})
        self.assertEqual({2}, {one["id"] for one in told(folder / "two")})
