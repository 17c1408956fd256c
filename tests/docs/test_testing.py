"""What docs/testing.md shows is true."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineOnlyReceiver
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.support.servers import serve
from twistednet import check, client, load
from twistednet.client.reactors import theReactor

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()


class PageTests(SynchronousTestCase):
    """The first example, as it stands there."""

    def test_firstExample(self) -> None:
        """The first test of the page passes, with a client that says hello."""
        found = re.search(r"```python\n(def test_my_client.*?)```", PAGE, re.DOTALL)
        assert found is not None
        source = (
            "import socket\n"
            "def my_client(host, port):\n"
            "    with socket.create_connection((host, port)) as client:\n"
            "        client.sendall(b'hello')\n"
            "        assert client.recv(5) == b'hello'\n" + found[1]
        )
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "test_page.py").write_text(source)
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
            command += ["-p", "no:schemathesis"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        self.assertIn("1 passed", done.stdout)


class KeyValues(LineOnlyReceiver):
    """The service of the page's checks and traffic; its keys are its clients' own."""

    delimiter = b"\n"

    def connectionMade(self) -> None:
        self.values: dict[bytes, bytes] = {}

    def lineReceived(self, line: bytes) -> None:
        verb, key, *value = line.split(b" ")
        if verb == b"set":
            self.values[key] = value[0]
        self.sendLine(b"ok" if verb == b"set" else self.values.get(key, b"none"))


class PluginTests(TestCase):
    """The checks and the traffic that the page shows for a service of one's own."""

    def example(self, name: str) -> Any:
        """Return the object of that name from the page's block that makes it."""
        blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
        [source] = (block for block in blocks if f"\n{name} = " in block)
        made: dict[str, Any] = {}
        exec(source, made)
        return made[name]

    def target(self) -> client.Target:
        factory = Factory.forProtocol(KeyValues)
        factory.noisy = False
        port = theReactor().listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return client.Target("tcp", "127.0.0.1", port.getHost().port)

    async def test_checks(self) -> None:
        """A right server passes every check."""
        checks = self.example("checks").checks(isDatagram=False)
        results = await check.conform(theReactor(), self.target(), checks)
        verdicts = {result.name: result.verdict for result in results}
        self.assertEqual(verdicts.pop("a value can be read back"), "pass")
        self.assertEqual(set(verdicts.values()), {"pass"}, results)

    async def test_traffic(self) -> None:
        """Every answer of a right server is right."""
        traffic = self.example("traffic")
        tally = await load.load(theReactor(), self.target(), traffic, connections=2, seconds=0.2)
        self.assertGreater(tally.answered, 0)
        self.assertEqual({}, tally.errors)
        self.assertEqual((b"get 7", b"none 7"), traffic.datagrams(7, 64))


class FunctionTests(TestCase):
    """The coroutines of `twistednet.client`, in the test's own reactor."""

    def at(self, service: str) -> str:
        server = serve(self, service)
        return f"{server.host}:{server.port}"

    async def test_values(self) -> None:
        """Each returns a plain value."""
        data = bytes(range(256))
        self.assertEqual(await client.echo(self.at("echo"), data), data)
        self.assertEqual(await client.ask(self.at("answer"), "how are u"), "fine")
        self.assertEqual(await client.datagram(self.at("datagram"), b"hi"), b"hi")
        self.assertEqual(await client.hello(self.at("hello"), "Zoë"), "Hello World, Zoë!")
        self.assertIsNone(await client.send(self.at("receive"), b"hi"))
        lines = await client.chat(self.at("chat"), "hi")
        self.assertEqual(lines[1:], ["* nobody else is in lobby", "byebye"])

    async def test_conversation(self) -> None:
        """`opened` keeps the connection for many messages."""
        with serve(self, "answer") as server:
            target = client.Target("tcp", server.host, server.port)
            async with client.opened("ask", target) as session:
                answers = [await session.say(b"how are u") for _ in range(3)]
            self.assertEqual((answers, len(server.connections)), ([b"fine"] * 3, 1))

    async def test_errors(self) -> None:
        """Each error has a type of its own, and the exit status of the command."""
        target = self.at("receive")
        with self.assertRaises(client.TimedOut) as silent:
            await client.ask(target, "how are u", timeout=0.1)
        with self.assertRaises(client.Unexpected):
            await client.hello(self.at("answer"))
        with serve(self, "echo") as server:
            gone = f"{server.host}:{server.port}"
        with self.assertRaises(client.CannotConnect) as refused:
            await client.echo(gone, b"x")
        with self.assertRaises(client.BadTarget) as wrong:
            await client.echo("nonsense", b"x")
        statuses = [one.exception.status for one in (wrong, refused, silent)]
        self.assertEqual(statuses, [2, 3, 4])
