"""Services of other packages in `netdemo check` and `netdemo load`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.metadata import EntryPoint
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.servers import serve
from twistednet.check import ServiceChecks, loadChecks
from twistednet.core import plugins
from twistednet.load import Traffic, loadTraffic

#: A package with checks and traffic for a service, which an echo happens to serve.
KV = """
import sys
print("kv is loaded", file=sys.stderr)

from twistednet.check import Checklist, Probe, ServiceChecks, addConnectionChecks
from twistednet.client import Stream
from twistednet.load import Exchange, Traffic

STREAMS = Checklist()

@STREAMS.check("a value comes back", "kv.md, get")
async def value(probe: Probe) -> None:
    probe.sent = "get a"
    stream = await probe.connect()
    stream.write(b"get a\\n")
    await probe.expect(stream, b"get a\\n")

@STREAMS.check("a value is upper case", "kv.md, values")
async def upper(probe: Probe) -> None:
    stream = await probe.connect()
    stream.write(b"get a\\n")
    probe.require((await stream.readLine()).isupper(), "it is not")

async def _serves(probe: Probe, stream: Stream) -> None:
    stream.write(b"a")
    await probe.expect(stream, b"a")

addConnectionChecks(STREAMS, _serves)
checks = ServiceChecks("kv", STREAMS)
traffic = Traffic(
    "kv",
    lambda target, size: Exchange.of(b"get a\\n", b"get a\\n"),
    lambda number, size: (b"get %d" % number, b"get %d" % number),
)
"""


class PluginTests(SynchronousTestCase):
    """`--as` with what entry points name."""

    def install(self, **points: str) -> None:
        """Have the commands of this test find a package with these entry points."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = folder.name
        about = Path(folder.name) / "kv-1.0.dist-info"
        about.mkdir()
        (Path(folder.name) / "kv.py").write_text(KV)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: kv\nVersion: 1.0\n")
        groups = (f"[twistednet.{group}]\nkv = {value}\n" for group, value in points.items())
        (about / "entry_points.txt").write_text("".join(groups))

    def netdemo(self, *arguments: str) -> tuple[int, str, list[str]]:
        """Return the command's status, its output, and the lines of its standard error."""
        done = subprocess.run(
            [sys.executable, "-m", "twistednet.cli.main", *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([self.path, *sys.path])},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        errors = done.stderr.splitlines()
        self.isLoaded = "kv is loaded" in errors
        return done.returncode, done.stdout, [line for line in errors if line != "kv is loaded"]

    def target(self, service: str = "echo") -> str:
        server = serve(self, service)
        return f"{server.host}:{server.port}"

    def test_check(self) -> None:
        """The checks of a plugin run like ours: with verdicts, rules and the exit status."""
        self.install(checks="kv:checks")
        status, out, errors = self.netdemo("check", self.target(), "--as", "kv", "--only", "value")
        self.assertEqual((1, []), (status, errors))
        self.assertIn("pass  a value comes back  [kv.md, get]\n", out)
        self.assertIn("fail  a value is upper case  [kv.md, values]\n", out)
        _, listed, _ = self.netdemo("check", "127.0.0.1:1", "--as", "kv", "--list")
        self.assertIn("a RST ends only its connection  [", listed)
        status, _, [error] = self.netdemo("check", "udp:127.0.0.1:1", "--as", "kv")
        self.assertEqual(2, status)
        self.assertIn("kv has no checks over UDP", error)

    def test_load(self) -> None:
        """The traffic of a plugin is sent and its answers are judged, over TCP and UDP."""
        self.install(loads="kv:traffic")
        for target in (self.target(), f"udp:{self.target('datagram')}"):
            status, out, errors = self.netdemo("load", target, "--as", "kv", "-t", "0.2")
            self.assertEqual((0, []), (status, errors))
            self.assertIn("errors: none", out)

    def test_help(self) -> None:
        """--help of the two commands lists the plugin; that of netdemo does not load it."""
        self.install(checks="kv:checks", loads="kv:traffic")
        for command, names in (("check", "qotd|kv]"), ("load", "hello|kv]")):
            status, out, _ = self.netdemo(command, "--help")
            self.assertEqual((0, True, True), (status, names in out, self.isLoaded), out)
        status, out, errors = self.netdemo("--help")
        self.assertEqual((0, False, []), (status, self.isLoaded, errors))

    def test_misspelt(self) -> None:
        """A misspelt name gets a suggestion, on one line."""
        self.install(checks="kv:checks", loads="kv:traffic")
        for command in ("check", "load"):
            status, out, [error] = self.netdemo(command, "127.0.0.1:1", "--as", "kvv")
            self.assertEqual((2, ""), (status, out))
            self.assertIn("unknown service 'kvv'; did you mean kv?", error)

    def test_bad(self) -> None:
        """A plugin that cannot be used is one line that names its entry point, and status 1."""
        for command, group in (("check", "checks"), ("load", "loads")):
            self.install(**{group: "nowhere:kv"})
            status, out, errors = self.netdemo(command, "127.0.0.1:1", "--as", "echo")
            point = f"the entry point kv = nowhere:kv (twistednet.{group})"
            why = "does not load: No module named 'nowhere'"
            self.assertEqual((1, "", [f"netdemo: {point} {why}"]), (status, out, errors))

    def test_why(self) -> None:
        """The line says what is wrong: a name that exists, or an object of another type."""
        for found, load, why in (
            (ServiceChecks("echo"), loadChecks, "has a name that exists: echo; choose another"),
            (Traffic("kv"), loadChecks, "is not a twistednet.check.ServiceChecks: Traffic("),
            (Traffic("echo"), loadTraffic, "has a name that exists: echo; choose another"),
            (ServiceChecks("kv"), loadTraffic, "is not a twistednet.load.Traffic: ServiceChecks("),
        ):
            self.patch(EntryPoint, "load", lambda point, found=found: found)
            point = EntryPoint("kv", "kv:object", "twistednet.tests")
            self.patch(plugins, "entry_points", lambda group, point=point: [point])
            with self.assertRaises(plugins.BadPlugin) as caught:
                load()
            self.assertIn("the entry point kv = kv:object (twistednet.", str(caught.exception))
            self.assertIn(why, str(caught.exception))
