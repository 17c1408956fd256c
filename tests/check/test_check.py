"""`netdemo check`: it passes right servers, and finds the known faults of others."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.internet.task import deferLater
from twisted.protocols import wire
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from tests.support.servers import serve
from twistednet.check import Result, TimeLimits, conform, connections, loadChecks
from twistednet.cli.commands import netdemo
from twistednet.client import Target
from twistednet.client.reactors import theReactor

reactor = theReactor()
CHECKS = loadChecks()

SLOW_READER = "half-close with a slow reader"
IDLE = "an idle connection is kept"
BANNER = "no data before the client's"
RESET = "a RST ends only its connection"
HALF_CLOSE = "half-close answered in full"


class _Case(TestCase):
    """Servers in this process and in another one."""

    timeout = 60

    def listen(self, protocol: Callable[[], Any]) -> Target:
        factory = Factory.forProtocol(protocol)  # type: ignore[arg-type]
        factory.noisy = False
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return Target("tcp", "127.0.0.1", port.getHost().port)

    def listenDatagram(self, protocol: DatagramProtocol) -> Target:
        protocol.noisy = False  # type: ignore[attr-defined]
        port = reactor.listenUDP(0, protocol, "127.0.0.1", 65_536)
        self.addCleanup(port.stopListening)
        return Target("udp", "127.0.0.1", port.getHost().port)

    async def verdicts(
        self,
        target: Target,
        service: str,
        only: str | None = None,
        timeout: float = 2.0,
        checkSeconds: float = 10.0,
    ) -> dict[str, str]:
        checks = CHECKS[service].checks(target.isDatagram, slow=only is not None)
        if only is not None:
            checks = [check for check in checks if check.name == only]
            self.assertEqual(len(checks), 1, only)
        self.results = await conform(reactor, target, checks, TimeLimits(timeout, checkSeconds))
        # What the server in this process has to do to end its connections.
        await deferLater(reactor, 0.01, lambda: None)
        return {result.name: result.verdict for result in self.results}

    def failed(self, verdicts: dict[str, str]) -> set[str]:
        return {name for name, verdict in verdicts.items() if verdict == "fail"}


class OwnDaemonTests(_Case):
    """Our own daemon passes every check of each of its services."""

    async def passes(self, service: str, kind: str, listen: str | None = None) -> None:
        settings = {} if listen is None else {"listen": listen}
        server = serve(self, service, **settings)
        transport = "udp" if (listen or service).startswith(("udp", "datagram")) else "tcp"
        target = Target(transport, server.host, server.port)
        verdicts = await self.verdicts(target, kind, timeout=5.0)
        self.assertEqual(set(verdicts.values()), {"pass"}, self.results)
        self.assertEqual(len(verdicts), len(CHECKS[kind].checks(target.isDatagram)))

    @pytest.mark.slow
    async def test_echo(self) -> None:
        """Echo over connections."""
        await self.passes("echo", "echo")

    @pytest.mark.slow
    async def test_discard(self) -> None:
        """Receive is what RFC 863 calls discard."""
        await self.passes("receive", "discard")

    async def test_discardDatagrams(self) -> None:
        """Receive over datagrams too."""
        await self.passes("receive", "discard", "udp:0")

    async def test_answer(self) -> None:
        """Answer."""
        await self.passes("answer", "answer")

    async def test_idle(self) -> None:
        """An idle connection is kept, also by HTTP, where a request has less time."""
        self.patch(connections, "IDLE_SECONDS", 1.5)

        async def check(service: str) -> None:
            server = serve(self, service, handshake_timeout=0.5)
            target = Target("tcp", server.host, server.port)
            verdicts = await self.verdicts(target, service, IDLE, timeout=5.0)
            self.assertEqual(verdicts, {IDLE: "pass"}, self.results)

        services = ("echo", "answer", "hello")
        await gatherResults([Deferred.fromCoroutine(check(service)) for service in services])

    async def test_notIdle(self) -> None:
        """A server that closes idle connections fails."""
        # The daemon looks once a second, and must have seen the silence begin.
        self.patch(connections, "IDLE_SECONDS", 3.0)
        server = serve(self, "echo", idle_timeout=0.1)
        target = Target("tcp", server.host, server.port)
        verdicts = await self.verdicts(target, "echo", IDLE, timeout=5.0)
        self.assertEqual(verdicts, {IDLE: "fail"}, self.results)

    async def test_datagram(self) -> None:
        """Datagram, with its bye."""
        await self.passes("datagram", "datagram")

    async def test_echoDatagrams(self) -> None:
        """Datagram is echo over UDP too."""
        await self.passes("datagram", "echo")

    async def test_hello(self) -> None:
        """Hello."""
        await self.passes("hello", "hello")

    async def test_unix(self) -> None:
        """The check of a RST is not applicable to a UNIX socket."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        server = serve(self, "answer", listen=f"unix:{folder.name}/socket")
        assert server.path is not None
        verdicts = await self.verdicts(Target("unix", server.path), "answer")
        self.assertEqual(verdicts.pop(RESET), "n/a")
        self.assertEqual(set(verdicts.values()), {"pass"}, self.results)


class StockTests(_Case):
    """Twisted's own protocols, whose faults are known."""

    async def test_echo(self) -> None:
        """wire.Echo loses what it has not yet sent when a FIN comes."""
        verdicts = await self.verdicts(self.listen(wire.Echo), "echo", HALF_CLOSE)
        self.assertEqual(verdicts, {HALF_CLOSE: "fail"})

    async def test_echoOtherwise(self) -> None:
        """wire.Echo passes the checks that are not about half-close."""
        target = self.listen(wire.Echo)
        for only in ("8-bit clean", "many small writes in order", BANNER):
            self.assertEqual(await self.verdicts(target, "echo", only), {only: "pass"})

    async def test_time(self) -> None:
        """wire.Time counts from 1970, and RFC 868 from 1900."""
        verdicts = await self.verdicts(self.listen(wire.Time), "time")
        self.assertEqual(self.failed(verdicts), {"seconds since 1900, then a FIN"})
        [fault] = (result for result in self.results if result.verdict == "fail")
        self.assertIn("counts from 1970", fault.why)

    async def test_chargen(self) -> None:
        """wire.Chargen sends no lines."""
        verdicts = await self.verdicts(self.listen(wire.Chargen), "chargen")
        self.assertEqual(self.failed(verdicts), {"lines of 72 printing characters"})

    async def test_daytime(self) -> None:
        """wire.Daytime writes text instead of bytes, so nothing comes."""
        name = "one line, then a FIN"
        target = self.listen(wire.Daytime)
        self.assertEqual(await self.verdicts(target, "daytime", name, 0.3), {name: "fail"})
        self.flushLoggedErrors(TypeError)

    async def test_qotdAndDiscard(self) -> None:
        """wire.QOTD and wire.Discard are right."""
        verdicts = await self.verdicts(self.listen(wire.QOTD), "qotd")
        self.assertEqual(set(verdicts.values()), {"pass"}, self.results)
        name = "nothing comes back"
        target = self.listen(wire.Discard)
        self.assertEqual(await self.verdicts(target, "discard", name), {name: "pass"})


class Faulty(Protocol):
    """An echo, whose subclasses have one fault each."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[union-attr]


class Banner(Faulty):
    def connectionMade(self) -> None:
        self.transport.write(b"220 welcome\r\n")  # type: ignore[union-attr]


class SevenBit(Faulty):
    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(bytes(byte & 0x7F for byte in data))


class Telnet(Faulty):
    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data.replace(b"\r\n", b"\n"))


class Once(Faulty):
    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.loseConnection()  # type: ignore[union-attr]


class Reversed(Faulty):
    before = b""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data + self.before)
        self.before = data


class OneAtATime(Faulty):
    """Serves one connection at a time, as a loop around accept does."""

    serving: Protocol | None = None

    def dataReceived(self, data: bytes) -> None:
        OneAtATime.serving = OneAtATime.serving or self
        if OneAtATime.serving is self:
            super().dataReceived(data)

    def connectionLost(self, reason: Any = None) -> None:
        if OneAtATime.serving is self:
            OneAtATime.serving = None


@implementer(IHalfCloseableProtocol)
class Hanging(Faulty):
    """Answers after a FIN, and never closes."""

    def readConnectionLost(self) -> None:
        pass

    def writeConnectionLost(self) -> None:
        pass


class Short(Faulty):
    """Loses everything after the first MiB."""

    count = 0

    def dataReceived(self, data: bytes) -> None:
        self.count += len(data)
        if self.count <= 1024 * 1024:
            super().dataReceived(data)


class EchoFaultTests(_Case):
    """Each fault of an echo is found by the check for it."""

    async def finds(self, server: type[Protocol], *names: str) -> None:
        target = self.listen(server)
        for name in names:
            self.assertEqual(await self.verdicts(target, "echo", name, 0.4), {name: "fail"})

    async def test_banner(self) -> None:
        """A greeting before the client has sent anything."""
        await self.finds(Banner, BANNER, "exact bytes")

    async def test_sevenBit(self) -> None:
        """It clears the eighth bit."""
        await self.finds(SevenBit, "8-bit clean")

    async def test_newlines(self) -> None:
        """It turns CRLF into LF."""
        await self.finds(Telnet, "exact bytes")

    async def test_once(self) -> None:
        """It closes after the first answer."""
        await self.finds(Once, "exact bytes", "one byte at a time", "16 MiB round trip")

    async def test_reversed(self) -> None:
        """It sends the chunk before again."""
        await self.finds(Reversed, "many small writes in order", "one byte at a time")

    async def test_oneAtATime(self) -> None:
        """It serves one client at a time."""
        await self.finds(OneAtATime, "simultaneous connections")

    async def test_hanging(self) -> None:
        """It never sends its FIN."""
        await self.finds(Hanging, HALF_CLOSE)

    async def test_hangingAfterMuch(self) -> None:
        """It never sends its FIN, to a client that reads slowly either."""
        await self.finds(Hanging, SLOW_READER)

    async def test_short(self) -> None:
        """It loses bytes."""
        await self.finds(Short, "16 MiB round trip", "a client that reads late gets everything")

    async def test_report(self) -> None:
        """A failure has the rule, what was sent, what came, and what is wrong."""
        await self.verdicts(self.listen(Telnet), "echo", "exact bytes", 0.3)
        [result] = self.results
        self.assertIn("RFC 862", result.rule)
        self.assertEqual(result.sent, r"'This is a test message\r\n'")
        self.assertEqual(result.came, r"'This is a test message\n'")
        self.assertIn("byte 23", result.why)


class Naive(Protocol):
    """Answers as a tutorial does: it takes the result of one recv for a question."""

    def dataReceived(self, data: bytes) -> None:
        answer = {b"how are u": b"fine", b"how old are u": b"nicai"}.get(data, b"Nothing")
        self.transport.write(answer)  # type: ignore[union-attr]


class Always(Protocol):
    """Sends the greeting after each empty line, and never closes."""

    came = b""

    def dataReceived(self, data: bytes) -> None:
        self.came += data
        while b"\r\n\r\n" in self.came:
            self.came = self.came.partition(b"\r\n\r\n")[2]
            self.transport.write(  # type: ignore[union-attr]
                b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello World!"
            )


class OtherFaultTests(_Case):
    """Servers that keep half of the rules, and which half."""

    async def test_naiveAnswers(self) -> None:
        """A server without framing passes the checks of bare messages only."""
        verdicts = await self.verdicts(self.listen(Naive), "answer", timeout=0.3)
        passed = set(verdicts) - self.failed(verdicts)
        self.assertEqual(passed, {"a bare message gets a bare answer", BANNER})

    async def test_naiveHTTP(self) -> None:
        """A server that always sends 200 fails where another status, body or a FIN is due."""
        verdicts = await self.verdicts(self.listen(Always), "hello", timeout=0.3)
        passed = set(verdicts) - self.failed(verdicts) - {"half-close is answered"}
        right = {"GET gets the greeting", "any path gets the greeting", "HTML is escaped"}
        right |= {"a connection is kept", "one byte at a time", "pipelined requests"}
        right |= {"simultaneous connections", "a pause does not end a connection", RESET, BANNER}
        self.assertEqual(passed, right)

    async def test_notDiscard(self) -> None:
        """An echo is not a discard server, over connections and datagrams."""
        for name in ("nothing comes back", "a FIN is answered with a FIN"):
            target = self.listen(Faulty if name.startswith("nothing") else Hanging)
            self.assertEqual(await self.verdicts(target, "discard", name, 0.3), {name: "fail"})
        target = self.listenDatagram(Datagrams(lambda data: [data]))
        self.assertEqual(await self.verdicts(target, "discard"), {"no reply": "fail"})

    async def test_smallDatagrams(self) -> None:
        """Over UDP right replies of the simple services pass, and wrong ones fail."""
        now = (int(time.time()) + 2_208_988_800).to_bytes(4, "big")
        for service, right, wrong in (
            ("time", now, now + b"!"),
            ("daytime", b"Friday, November 20, 2026\r\n", b"two\r\nlines\r\n"),
            ("qotd", b"Well begun is half done.\r\n", b"x" * 513),
            ("qotd", b"x" * 511, b"x" * 512),
            ("chargen", b"x" * 512, b"x" * 513),
        ):
            for reply, verdict in ((right, "pass"), (wrong, "fail")):
                target = self.listenDatagram(Datagrams(lambda data, reply=reply: [reply]))
                self.assertEqual(set((await self.verdicts(target, service)).values()), {verdict})

    async def test_endless(self) -> None:
        """A check that would never end is ended and fails."""

        class Deaf(Protocol):
            def connectionMade(self) -> None:
                self.transport.pauseProducing()  # type: ignore[union-attr]

        name = "16 MiB are accepted"
        verdicts = await self.verdicts(self.listen(Deaf), "discard", name, 0.1, 0.3)
        self.assertEqual(verdicts, {name: "fail"})
        self.assertIn("not done after 0.3 s", self.results[0].why)

    async def test_runOut(self) -> None:
        """A silent server gets a verdict from the checks that had time; the others say so."""
        target, checks = self.listen(Protocol), CHECKS["answer"].checks(isDatagram=False)
        ended: list[Result] = []
        limits = TimeLimits(silence=0.3, check=5.0, run=1.5)
        results = await conform(reactor, target, checks, limits, ended.append)
        self.assertEqual([check.name for check in checks], [one.name for one in results])
        self.assertEqual(results, ended)
        verdicts = [result.verdict for result in results]
        failed = verdicts.count("fail")
        self.assertIn(failed, range(1, 6), results)
        self.assertEqual(["fail"] * failed + ["skip"] * (len(checks) - failed), verdicts)
        skipped = [result.why for result in results if result.verdict == "skip"]
        for why in skipped:
            self.assertRegex(why, "^not (finished|run): the run took 1.5 s; --run-timeout SECONDS ")
        self.assertTrue(skipped[-1].startswith("not run"))

    async def test_slowChecks(self) -> None:
        """A slow check has more time, and so has a run with one."""
        self.patch(connections, "IDLE_SECONDS", 0.6)
        [check] = [one for one in CHECKS["echo"].checks(False, slow=True) if one.slow]
        limits = TimeLimits(check=0.1, run=0.1)
        [result] = await conform(reactor, self.listen(Faulty), [check], limits)
        self.assertEqual("pass", result.verdict, result)


class Datagrams(DatagramProtocol):
    """A UDP server that sends the replies that `answer` returns for each datagram."""

    def __init__(self, answer: Callable[[bytes], list[bytes]]) -> None:
        self.answer = answer

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        for reply in self.answer(datagram):
            self.transport.write(reply, addr)  # type: ignore[union-attr]


class OtherPort(DatagramProtocol):
    """Replies from another port than the request went to."""

    def __init__(self, other: Datagrams) -> None:
        self.other = other

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.other.transport.write(datagram, addr)  # type: ignore[union-attr]


class DatagramFaultTests(_Case):
    """Each fault of a datagram echo is found by the check for it."""

    async def finds(self, target: Target, name: str) -> None:
        self.assertEqual(await self.verdicts(target, "datagram", name, 0.3), {name: "fail"})

    async def test_faults(self) -> None:
        """Replies that are doubled, changed, missing, cut or too long, and none to bye."""
        faults: list[tuple[str, Callable[[bytes], list[bytes]]]] = [
            ("one reply to each datagram", lambda data: [data, data]),
            ("same bytes", lambda data: [data.upper()]),
            ("an empty datagram", lambda data: [data] if data else []),
            ("65,507 bytes", lambda data: [data[:8192]]),
            ("no reply longer than its request", lambda data: [data + b"!"]),
            ("bye gets bye", lambda data: [] if data == b"bye" else [data]),
        ]
        for name, answer in faults:
            await self.finds(self.listenDatagram(Datagrams(answer)), name)

    async def test_otherPort(self) -> None:
        """A reply from another port."""
        other = Datagrams(lambda data: [])
        self.listenDatagram(other)
        target = self.listenDatagram(OtherPort(other))
        await self.finds(target, "the reply comes from the server's port")


class OthersTests(_Case):
    """Programs of others, with the verdicts that tests with plain sockets confirm."""

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        if shutil.which(command[0]) is None:
            self.skipTest(f"{command[0]} is not installed")
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.addCleanup(process.wait)
        # With its children, one a connection, of which ncat's may be stuck.
        self.addCleanup(os.killpg, process.pid, signal.SIGKILL)
        return process

    async def portOf(self, process: subprocess.Popen[bytes]) -> Target:
        """Return where it listens, from the kernel's tables."""
        for _ in range(500):
            sockets = set()
            for file in Path(f"/proc/{process.pid}/fd").iterdir():
                # It may have closed the file since it was listed.
                with contextlib.suppress(FileNotFoundError):
                    sockets.update(re.findall(r"socket:\[(\d+)\]", os.readlink(file)))
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
                _, local, _, state, *_, inode = line.split()[:10]
                if state == "0A" and inode in sockets:
                    return Target("tcp", "127.0.0.1", int(local.split(":")[1], 16))
            await deferLater(reactor, 0.01, lambda: None)
        raise AssertionError(f"{process.args!r} does not listen")

    @pytest.mark.slow
    async def test_socat(self) -> None:
        """socat passes every check of echo."""
        process = self.start("socat", "TCP-LISTEN:0,bind=127.0.0.1,fork", "EXEC:cat")
        verdicts = await self.verdicts(await self.portOf(process), "echo")
        self.assertEqual(set(verdicts.values()), {"pass"}, self.results)

    @pytest.mark.slow
    async def test_ncat(self) -> None:
        """ncat drops data in transit when it sees a FIN.

        Sometimes all data has passed by then. And it relays both ways with blocking
        writes, so that it sometimes hangs when much data goes both ways at once. For
        these checks either verdict is right.
        """
        process = self.start("ncat", "-k", "-l", "-c", "cat", "127.0.0.1", "0")
        verdicts = await self.verdicts(await self.portOf(process), "echo")
        sometimes = {
            SLOW_READER,
            "16 MiB round trip",
            "a client that reads late gets everything",
        }
        self.assertEqual(self.failed(verdicts) - sometimes, {HALF_CLOSE}, self.results)


class CommandTests(SynchronousTestCase):
    """`netdemo check` on the command line."""

    def check(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "twistednet.cli.main", "check", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )

    def serve(self, service: str) -> str:
        server = serve(self, service)
        return f"{server.host}:{server.port}"

    def test_reports(self) -> None:
        """JSON and JUnit XML hold the same results, and a failure is status 1."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        file = f"{folder.name}/junit.xml"
        target = self.serve("hello")
        done = self.check(
            *(target, "--as", "echo", "--timeout", "1", "--json", "--junit", file),
            *("--only", "8-bit", "--only", "banner", "--only", "no data before"),
        )
        results = json.loads(done.stdout)["results"]
        verdicts = {result["name"]: result["verdict"] for result in results}
        self.assertEqual(verdicts, {"8-bit clean": "fail", BANNER: "pass"})
        suite = ElementTree.parse(file).getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("2", "1"))
        self.assertEqual([case.get("name") for case in suite], list(verdicts))
        self.assertEqual(len(suite.findall("testcase/failure")), 1)
        self.assertEqual((done.returncode, done.stderr), (1, ""))

    def test_plain(self) -> None:
        """In a pipe the report is plain lines; status 0 if nothing failed."""
        done = self.check(self.serve("answer"), "--as", "answer", "--only", "a known question")
        self.assertEqual(done.stdout.splitlines()[0], "pass  a known question  [wire.md, answer]")
        self.assertIn("1 passed, 0 failed", done.stdout)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def silent(self) -> str:
        """Return the address of a server that accepts connections and never answers."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.addCleanup(listener.close)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def test_oneByOne(self) -> None:
        """Each check is reported as it ends; those that there is no time for, in the end."""
        command = [sys.executable, "-m", "twistednet.cli.main", "check", self.silent()]
        flags = ["--as", "answer", "--timeout", "1", "--run-timeout", "3"]
        process = subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        with process.stdout as report:  # type: ignore[union-attr]
            self.assertEqual("fail  a known question  [wire.md, answer]\n", report.readline())
            self.assertIs(None, process.poll())
            rest = report.read()
        self.assertRegex(rest, r"(?m)^skip  .*\n +(sent .*; )?not run: the run took 3 s;")
        self.assertRegex(rest.splitlines()[-1], r": 0 passed, \d+ failed, 0 not .*, \d+ not run$")
        self.assertEqual(1, process.wait(timeout=20))

    def test_noTime(self) -> None:
        """Status 4 if nothing failed, but not all was checked; JUnit has these as skipped."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        file = f"{folder.name}/junit.xml"
        flags = ("--timeout", "9", "--run-timeout", "0.4", "--junit", file)
        done = self.check(self.silent(), "--as", "answer", *flags)
        self.assertEqual((4, ""), (done.returncode, done.stderr))
        suite = ElementTree.parse(file).getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures")), (suite.get("skipped"), "0"))

    def test_checkTimeout(self) -> None:
        """--check-timeout ends a check; it is never less than the server may be silent."""
        only = ("--as", "echo", "--only", "round trip")
        done = self.check(self.silent(), *only, "--check-timeout", "0.4")
        self.assertIn("not done after 0.4 s; --check-timeout SECONDS allows more", done.stdout)
        self.assertEqual((1, ""), (done.returncode, done.stderr))

    def test_list(self) -> None:
        """--list prints every check of a service with its rule, and runs none."""
        for service, checks in CHECKS.items():
            isDatagram = checks.streams is None
            target = "udp:127.0.0.1:1" if isDatagram else "tcp:127.0.0.1:1"
            done = CliRunner().invoke(netdemo, ["check", target, "--as", service, "--list"])
            self.assertEqual(done.exit_code, 0, done.output)
            for check in checks.checks(isDatagram, slow=True):
                self.assertIn(check.name, done.output)
                self.assertIn(f"[{check.rule}]", done.output)

    def test_closedPort(self) -> None:
        """A closed port gives status 3 and one line."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            done = self.check(f"127.0.0.1:{port}", "--as", "echo")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("connection refused", done.stderr)

    def test_closedDatagramPort(self) -> None:
        """Over UDP the kernel's refusal is enough for the same."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        done = self.check(f"udp:127.0.0.1:{port}", "--as", "datagram")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("connection refused", done.stderr)

    def test_usage(self) -> None:
        """A service without checks over UDP and an unknown check give status 2."""
        for arguments in (("udp:127.0.0.1:9", "--as", "hello"), ("a:1", "--as", "nonsense")):
            done = self.check(*arguments)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
        done = self.check("127.0.0.1:9", "--as", "echo", "--only", "nonsense")
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
