"""bench: a generator reports what went over the wire, and a wrong answer is an error."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest
from twisted.trial.unittest import SkipTest, SynchronousTestCase

import bench.__main__
from bench.__main__ import GENERATORS, measured, ready
from bench.measure import Bench, Sample, flooded, messages, readWrk
from bench.peers import PEERS, Peer, Server, build
from bench.plot import drawn
from bench.processes import Broken, busy, own, until
from bench.report import _FIGURES, heading, ratios, table, tables
from bench.workloads import WORKLOADS, Workload
from tests.support.processes import PATIENCE, ROOT, DaemonTests, running, temporaryFolder

#: An echo server that changes the byte with this number.
WRONG = 3000
WRONG_STREAM = f"""
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
echoed = 0
while data := bytearray(connection.recv(65536)):
    if echoed <= {WRONG} < echoed + len(data):
        data[{WRONG} - echoed] ^= 1
    echoed += len(data)
    connection.sendall(data)
"""
WRONG_DATAGRAMS = """
import socket
port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
port.bind(("127.0.0.1", 0))
print(port.getsockname()[1], flush=True)
while True:
    data, sender = port.recvfrom(65536)
    port.sendto(data[:-1] + b"x" if data[-1:] != b"x" else data[:-1] + b"y", sender)
"""


@cache
def generators() -> Bench:
    """The generators, built once for all tests."""
    if shutil.which("cc") is None:
        raise SkipTest("cc is not installed")
    folder = tempfile.mkdtemp(prefix="bench-")
    for name in GENERATORS:
        build(f"cc -O2 -o {{built}}/{name} {{here}}/load/{name}.c", Path(folder))
    return Bench(Path(folder), core=min(os.sched_getaffinity(0)), seconds=0.1)


def script(case: SynchronousTestCase, text: str, service: str = "echo") -> Peer:
    """A server that is this script."""
    path = temporaryFolder(case) / "script.py"
    path.write_text(text)
    return Peer("script", {service: f"{{python}} {path}"}, needs="socket")


class GeneratorTests(DaemonTests):
    """The load generators, against the daemon."""

    def load(self, words: str, service: str, kind: str = "") -> Sample:
        server = Server(self.daemon.process.pid, (self.daemon.address(service, kind)[1],))
        return messages(generators(), server, words)

    def test_answers(self) -> None:
        """A question of one length is answered by an answer of another."""
        found = self.load("tcp -c 2 -d 3 -q 'how are u' -a fine", "answer")
        self.assertGreater(found["messages"], 100)
        self.assertEqual(found["bytesOut"] / len("how are u\n"), found["bytesIn"] / len("fine\n"))

    def test_wrongAnswer(self) -> None:
        """An answer that is not the one expected is told apart by its first wrong byte."""
        error = self.assertRaises(Broken, self.load, "tcp -q 'how are u' -a find", "answer")
        self.assertIn("wrong answer: byte 3 of connection 0 is 65, not 64", str(error))

    def test_datagrams(self) -> None:
        """Every datagram that was sent, and none else, came back."""
        for many in ("-c 4 -d 3 -s 8", "-s 65507"):
            found = self.load(f"udp {many}", "datagram", "udp")
            self.assertGreater(found["messages"], 10)
            self.assertEqual((found["lost"], found["bytesIn"]), (0, found["bytesOut"]))

    def test_cost(self) -> None:
        """A message costs the daemon time, but no more than it took."""
        found = self.load("tcp -c 4 -t 0.5", "echo")
        self.assertGreater(found["cpu"], 0)
        self.assertLess(found["cpu"], 1.1 * found["seconds"] / found["messages"] * 1e6)
        self.assertLessEqual(found["p50"], found["p99"])
        self.assertLess(found["p50"] * found["messages"] / 4, found["seconds"] * 1e6 * 2)


class AgreementTests(SynchronousTestCase):
    """What a generator says, and what the daemon's log says."""

    def served(self, words: str) -> tuple[Sample, list[tuple[int, int]]]:
        """What it says, and the bytes in and out of each connection that the log tells of."""
        with running("--only", "echo", "--echo", "tcp:0") as daemon:
            server = Server(daemon.process.pid, (daemon.address("echo")[1],))
            found = messages(generators(), server, words)
            daemon.stop()
            closed = re.findall(r"closed \(#\d+\): client FIN; (\d+) B in, (\d+) B out", daemon.log)
        return found, [(int(taken), int(given)) for taken, given in closed]

    def test_bytes(self) -> None:
        """They agree to the byte about a few connections with many messages."""
        found, closed = self.served("tcp -c 3 -d 2 -s 100")
        self.assertEqual(len(closed), 3)
        self.assertEqual(sum(taken for taken, _ in closed), found["bytesOut"])
        self.assertEqual(sum(given for _, given in closed), found["bytesIn"])
        self.assertGreater(found["messages"], 100)

    def test_connectAnew(self) -> None:
        """And about many connections with one message each."""
        found, closed = self.served("tcp -w 0 -c 2 -r -t 0.001")
        # Those that are opened last are not used, and perhaps not even accepted.
        used = [one for one in closed if one != (0, 0)]
        self.assertEqual(set(used), {(64, 64)})
        self.assertEqual(64 * len(used), found["bytesOut"])
        self.assertGreaterEqual(len(used), 2)


class WrongServerTests(SynchronousTestCase):
    """Servers that are not worth measuring."""

    def why(self, peer: Peer, service: str, words: str) -> str:
        """What is said of it in the results of a run."""
        workload = Workload("one", "One", {service: words})
        [found] = measured(workload, [peer], generators(), generators().core, 1)
        return str(found["script"]["error"])

    def test_wrongByte(self) -> None:
        """One wrong bit of a stream is found, and where."""
        why = self.why(script(self, WRONG_STREAM), "echo", "tcp -s 100")
        self.assertRegex(why, rf"wrong answer: byte {WRONG} of connection 0 is .., not ..")

    def test_wrongDatagram(self) -> None:
        """So is a wrong datagram."""
        why = self.why(script(self, WRONG_DATAGRAMS), "echo", "udp -s 100")
        self.assertIn("wrong answer: the bytes of datagram", why)

    def test_closes(self) -> None:
        """One that hangs up is an error, not a fast server."""
        closing = WRONG_STREAM.replace("connection.sendall(data)", "connection.close(); break")
        self.assertIn("closed", self.why(script(self, closing), "echo", "tcp"))

    def test_doesNotStart(self) -> None:
        """One that does not start says why, on one line."""
        peer = script(self, "raise SystemExit('not today\\nreally: no')")
        self.assertEqual(self.why(peer, "echo", "tcp"), "really: no")

    def test_disturbed(self) -> None:
        """A run beside others' work is tried again, and the least disturbed one counts."""
        runs = iter([{"others": 0.5}, {"others": 0.2}, {"others": 0.3}, {"others": 0.01}])
        self.patch(bench.__main__, "_sample", lambda *_: next(runs))
        workload = Workload("one", "One", {"echo": ""})
        peer = Peer("any", {"echo": ""}, needs="socket")
        rounds = measured(workload, [peer], Bench(ROOT, 0, 0), 0, 2)
        self.assertEqual(rounds, [{"any": {"others": 0.2}}, {"any": {"others": 0.01}}])

    def test_missing(self) -> None:
        """One that is not installed, or does not compile, is left out, and a line says so."""
        peers = [
            Peer("Cobol", {}, needs="cobol-of-old"),
            Peer("Wrong", {}, needs="cc", build="cc -o {built}/no {here}/no.c"),
        ]
        able, skipped = ready(peers, generators().built)
        self.assertEqual(able, [])
        self.assertEqual(skipped[0], "Cobol: cobol-of-old is not installed")
        self.assertRegex(skipped[1], r"Wrong: cc .*no\.c: No such file")


def cost(user: float, system: float) -> Sample:
    return {"user": user, "system": system, "cpu": user + system}


class ReportTests(SynchronousTestCase):
    """Tables and the drawing."""

    rounds: ClassVar[Any] = [
        {"C": cost(0.5, 1.5), "netdemo": cost(2.0, 1.0)},
        {"C": cost(0.5, 3.5), "netdemo": cost(3.0, 1.0)},
        {"C": cost(0.5, 8.5), "netdemo": {"error": "no <luck>"}},
    ]

    def test_ratios(self) -> None:
        """A ratio is of two figures of one round, and is missing where either is."""
        self.assertEqual(ratios(self.rounds, "netdemo", "C", "cpu"), [1.5, 1.0])

    def test_table(self) -> None:
        """Medians, with minimum and maximum; errors stand below the table."""
        lines = table("One", "message", self.rounds).splitlines()
        self.assertEqual(
            lines[2:],
            [
                "| server | CPU per message, us | user + system | server / C | netdemo / server |",
                "| --- | --- | --- | --- | --- |",
                "| C | 4.00 (2.00-9.00) | 0.50 + 3.50 |  | 1.25 (1.00-1.50) |",
                "| netdemo | 3.50 (3.00-4.00) | 2.50 + 1.00 | 1.25 (1.00-1.50) |  |",
                "",
                "- netdemo: no <luck>",
            ],
        )

    def test_disturbed(self) -> None:
        """A note below a table counts the runs that other processes disturbed."""
        rounds: Any = [{"C": cost(1, 1) | {"others": others}} for others in (0.02, 0.3, 1.5)]
        self.assertEqual(
            table("One", "message", rounds).splitlines()[-1],
            "- In 2 of 3 runs other processes were busy (0.3 to 1.5 cores).",
        )

    def test_page(self) -> None:
        """docs/performance.md and its drawing have each workload, as it is written now."""
        page = (ROOT / "docs" / "performance.md").read_text()
        drawing = ElementTree.parse(ROOT / "docs" / "performance.svg")
        texts = {element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")}
        known = {heading(figure, one.unit) for one in WORKLOADS for figure in _FIGURES}
        known |= {"server", "user + system", "server / C", "netdemo / server"}
        for workload in WORKLOADS:
            self.assertIn(workload.title, texts)
            shown = page.partition(f"### {workload.title}\n\n")[2].partition("\n\n")[0]
            head, _, *rows = [line.strip("| ").split(" | ") for line in shown.splitlines()]
            self.assertEqual(set(head) - known, set())
            names = {name for name, _, _ in workload.contestants(PEERS)}
            self.assertEqual({row[0] for row in rows}, names)

    def test_drawing(self) -> None:
        """A bar is as long as its median is large."""
        one = {"title": "a < b", "unit": "message", "rounds": [self.rounds[0]], "seconds": 1}
        machine = {"CPU": "<any>", "kernel": "1", "Python": "3"}
        picture = ElementTree.fromstring(drawn({"machine": machine, "workloads": {"one": one}}))
        svg = "{http://www.w3.org/2000/svg}"
        bars = {
            group[0].text: sum(float(bar.get("width", 0)) for bar in group.iter(f"{svg}rect"))
            for group in picture.iter(f"{svg}g")
            if group.get("class")
        }
        self.assertApproximates(bars["netdemo"] / bars["C"], 1.5, 0.01)

    def test_wrk(self) -> None:
        """wrk's figures are read in the unit that it chose for each."""
        said = (
            "  Latency Distribution\n     50%  330.00us\n     75%    1.00ms\n"
            "     90%    1.10ms\n     99%    1.65ms\n"
            "  120019 requests in 1.00s, 9.27MB read\nRequests/sec: 120019.42\n"
        )
        found = readWrk(said)
        self.assertEqual((found["p50"], found["p99"]), (330, 1650))
        self.assertEqual((found["messages"], found["rate"]), (120019, 120019.42))


def command(*arguments: str) -> subprocess.Popen[str]:
    """The command, as it is typed."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def children(pid: int) -> list[int]:
    """Processes that it has started, and has not waited for."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def lives(pid: int) -> bool:
    """Is there such a process, and has it not ended?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class OthersTests(SynchronousTestCase):
    """What the rest of the machine does meanwhile."""

    def test_ours(self) -> None:
        """What our own processes took is not counted as others', once they are gone."""
        spin = "import os\nwhile sum(os.times()[:2]) < 0.5: pass"
        before = own()
        subprocess.run([sys.executable, "-c", spin], check=True)
        self.assertApproximates(own() - before, 0.5, 0.1)

    def test_busy(self) -> None:
        """The machine is at least as busy as we are."""
        others, before = busy(), own()
        while own() - before < 0.2:
            pass
        self.assertGreaterEqual(busy() - others, 0.15)


class CommandTests(SynchronousTestCase):
    """`python -m bench`."""

    def setUp(self) -> None:
        generators()  # Or the reason why not.

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = command(*arguments)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    @pytest.mark.slow
    def test_run(self) -> None:
        """C and the daemon: a file of figures, and a table of what stands in it."""
        path = temporaryFolder(self) / "found.json"
        path.write_text('{"workloads": {"older": {"title": "T", "unit": "U", "rounds": []}}}')
        process = self.start(
            *("--only", "tcp-50", "--peers", "C", "netdemo", "--seconds", "0.2"),
            *("--repeat", "2", "--json", str(path)),
        )
        printed, said = process.communicate(timeout=3 * PATIENCE)
        self.assertEqual(process.returncode, 0, said)
        found = json.loads(path.read_text())
        self.assertEqual(set(found), {"machine", "skipped", "workloads"})
        self.assertEqual(set(found["workloads"]), {"older", "tcp-50"})
        rounds = found["workloads"]["tcp-50"]["rounds"]
        self.assertEqual([list(one) for one in rounds], [["C", "netdemo"]] * 2)
        for one in rounds:
            for sample in one.values():
                self.assertGreater(min(sample["messages"], sample["rate"], sample["cpu"]), 0)
        self.assertEqual(printed, tables(found) + "\n")

    def interrupt(self, number: int) -> int:
        """Its status, once neither it nor a server or client of its is left."""
        process = self.start("--only", "tcp-1", "--peers", "C", "--seconds", "0.3")
        assert process.stderr is not None
        process.stderr.readline()  # The first run is over.
        until(lambda: len(children(process.pid)) == 2, "a server and its client")
        started = children(process.pid)
        process.send_signal(number)
        status = process.wait(PATIENCE)
        until(lambda: not any(map(lives, started)), "the end of all")
        return status

    @pytest.mark.slow
    def test_interrupted(self) -> None:
        """Ctrl-C, a SIGTERM or a SIGKILL leaves no process behind."""
        self.assertEqual(self.interrupt(signal.SIGINT), 130)
        self.assertEqual(self.interrupt(signal.SIGTERM), 130)
        self.assertEqual(self.interrupt(signal.SIGKILL), -signal.SIGKILL)

    def test_flood(self) -> None:
        """The flood that is told of was sent, while the stream was served."""
        built = generators()
        [peer] = [one for one in PEERS if one.name == "netdemo"]
        with peer.serving("flood", built.built, built.core) as server:
            found = flooded(built, server, "tcp -c 2 + udp -f 5000")
        self.assertApproximates(found["flood"], 5000, 2500)
        self.assertGreater(found["messages"], 10)

    def test_everyWorkload(self) -> None:
        """Each has somebody to compare the daemon with."""
        for workload in WORKLOADS:
            names = [name for name, _, _ in workload.contestants(PEERS)]
            self.assertIn("netdemo", names, workload.name)
            self.assertGreater(len(names), 1, workload.name)
