"""Clients of other projects against faults: each does what its manual says."""

from __future__ import annotations

import json
import shutil
import subprocess

import requests
from requests.adapters import HTTPAdapter
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from urllib3.util import Retry

from tests.support.processes import PATIENCE
from tests.support.servers import serve
from twistednet.testing import Server

#: Requests /1 to /4, over one connection as long as it lasts. A request that fails on a reused
#: connection is sent again, as Node's manual says of `request.reusedSocket`.
_NODE = """
const http = require("http");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const told = [];
function end() {
    agent.destroy();
    console.log(JSON.stringify(told));
}
function ask(number) {
    if (number > 4) return end();
    const request = http.get(process.argv[1] + number, { agent }, (response) => {
        response.resume().on("end", () => {
            told.push(response.statusCode);
            setImmediate(ask, number + 1);
        });
    });
    request.on("error", (error) => {
        told.push(error.code);
        request.reusedSocket ? ask(number) : end();
    });
}
ask(1);
"""


class ClientTestCase(SynchronousTestCase):
    """A server with faults, and a client program."""

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start the program, with pipes; it ends with the test."""
        if not shutil.which(command[0]):
            raise SkipTest(f"{command[0]} is not installed")
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def finished(self, *command: str, input: str = "") -> tuple[int, str, str]:
        """Return the exit status, standard output and standard error."""
        process = self.start(*command)
        output, complaints = process.communicate(input, PATIENCE)
        return process.returncode, output, complaints

    def met(self, server: Server, fault: str, acts: int, connections: int) -> None:
        """Check how often the fault has acted, over how many connections."""
        counted = server.journal().count(f" fault {fault}: "), len(server.connections)
        self.assertEqual((acts, connections), counted, server.journal())


class RedisTests(ClientTestCase):
    """redis-cli, which reads its commands from a pipe."""

    def ask(self, server: Server, *words: str) -> tuple[list[str], list[str]]:
        """Return the replies, and the errors."""
        where = ("-h", server.host, "-p", str(server.port))
        commands = "".join(f"ECHO {word}\n" for word in words)
        _, answers, complaints = self.finished("redis-cli", *where, input=commands)
        return answers.split(), complaints.splitlines()

    def serve(self, *faults: str) -> Server:
        return serve(self, "echo", echoClass="tests.support.respecho.RESPEcho", faults=list(faults))

    def test_asksForHelp(self) -> None:
        """A reset of what it requests when it starts has no visible effect."""
        server = self.serve("reset at first byte, first 1")
        self.assertEqual((["a", "b"], []), self.ask(server, "a", "b"))
        self.met(server, "reset", 1, 2)

    def test_reconnects(self) -> None:
        """A command that gets a RST fails; the next one connects again, and succeeds."""
        server = self.serve('reset after 1 byte, matching "lost"')
        answers, complaints = self.ask(server, "a", "lost", "b", "lost", "c")
        self.assertEqual(["a", "b", "c"], answers)
        self.assertEqual(["Error: Connection reset by peer"] * 2, complaints)
        self.met(server, "reset", 2, 3)

    def test_FIN(self) -> None:
        """It distinguishes a FIN in place of the reply from a RST."""
        server = self.serve('close before reply, matching "lost"')
        answers, complaints = self.ask(server, "a", "lost", "b")
        self.assertEqual(["a", "b"], answers)
        self.assertEqual(["Error: Server closed the connection"], complaints)
        self.met(server, "close", 1, 2)


class RequestsTests(ClientTestCase):
    """requests, with the retries of urllib3."""

    def session(self, **retry: int) -> requests.Session:
        session = requests.Session()
        self.addCleanup(session.close)
        session.mount("http://", HTTPAdapter(max_retries=Retry(backoff_factor=0, **retry)))
        return session

    def check(self, fault: str, name: str) -> None:
        """The first two requests fail, and the third succeeds."""
        server = serve(self, "hello", faults=[f"{fault}, first 2"])
        url = f"http://{server.host}:{server.port}/?name=requests"
        got = self.session(total=3).get(url, timeout=PATIENCE)
        self.assertEqual((200, "Hello World, requests!"), (got.status_code, got.text))
        self.met(server, name, 2, 3)

    def test_reset(self) -> None:
        """A RST at once."""
        self.check("reset at accept", "reset")

    def test_close(self) -> None:
        """A FIN in place of the response."""
        self.check("close before reply", "close")

    def test_givesUp(self) -> None:
        """With two attempts it fails, with the RST as the reason."""
        server = serve(self, "hello", faults=["reset at accept, first 2"])
        with self.assertRaises(requests.ConnectionError) as caught:
            self.session(total=1).get(f"http://{server.host}:{server.port}/", timeout=PATIENCE)
        self.assertIn("Connection reset by peer", str(caught.exception))
        self.met(server, "reset", 2, 2)

    def test_timeout(self) -> None:
        """After its timeout it tries again, and gets the response."""
        server = serve(self, "hello", faults=["silence, first 1"])
        got = self.session(read=1).get(f"http://{server.host}:{server.port}/", timeout=1)
        self.assertEqual("Hello World!", got.text)
        self.met(server, "silence", 1, 2)


class ProgramTests(ClientTestCase):
    """Other programs, each with what it alone shows."""

    def test_curl(self) -> None:
        """curl distinguishes how a response was broken (curl(1), EXIT CODES)."""
        for fault, status in {
            "truncate after 200 bytes": 18,
            "silence": 28,
            "close before reply": 52,
            "reset at first byte": 56,
        }.items():
            server = serve(self, "hello", faults=[fault])
            url = f"http://{server.host}:{server.port}/?name={'x' * 999}"
            patience = "0.5" if fault == "silence" else str(PATIENCE)
            got, _, _ = self.finished("curl", "-s", "-m", patience, url)
            self.assertEqual(status, got, fault)

    def test_node(self) -> None:
        """Only a request on a reused connection is sent again."""
        for fault, expected in {
            'close before reply, matching "/3", 1 times': [200, 200, "ECONNRESET", 200, 200],
            'reset after 1 byte, matching "/3", 1 times': [200, 200, "ECONNRESET", 200, 200],
            "reset at first byte, first 1": ["ECONNRESET"],
        }.items():
            server = serve(self, "hello", faults=[fault])
            url = f"http://{server.host}:{server.port}/"
            status, told, _ = self.finished("node", "-e", _NODE, url)
            self.assertEqual((0, expected), (status, json.loads(told)), fault)
            self.met(server, fault.split()[0], 1, 2 if 200 in expected else 1)

    def test_wrongPort(self) -> None:
        """Clients with a connected UDP socket never see datagrams from another port."""
        for command in ("socat - UDP:{}:{}", "ncat -u {} {}"):
            server = serve(self, "datagram", faults=["wrong port, first 1"])
            client = self.start(*command.format(server.host, server.port).split())
            assert client.stdin is not None
            assert client.stdout is not None
            for word in ("lost\n", "seen\n"):
                client.stdin.write(word)
                client.stdin.flush()
                server.waitFor(lambda server, sent=word: sent.encode() in server.datagrams)
            self.assertEqual("seen\n", client.stdout.readline())
            self.met(server, "wrong port", 1, 0)
