"""Settings of a service's own: from every source, refused, read again, and in the fixture."""

from __future__ import annotations

import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.support.processes import asked, environment, run, running, temporaryFolder
from twistednet import testing
from twistednet.core.settings import BadSetting, ServiceSettings, number, setting, trueOrFalse
from twistednet.services.catalog import SERVICES, Service
from twistednet.services.echo import Echo
from twistednet.settings.loading import load
from twistednet.settings.schema import Settings
from twistednet.settings.sources import Given

# A package as its author writes it: a service with two settings of its own, over TCP and UDP.
KV = """
from dataclasses import dataclass
from twisted.internet.protocol import DatagramProtocol
from twistednet import Messages, MessagesFactory, Service
from twistednet.core.settings import number, setting, trueOrFalse

@dataclass(frozen=True)
class KVSettings:
    maxKeys: int = setting(100, number(int, 1), "keys that are kept")
    readOnly: bool = setting(False, trueOrFalse, "change nothing")

class KVFactory(MessagesFactory):
    def configure(self, settings):
        super().configure(settings)
        self.own = settings.of(KVSettings)

class KV(Messages):
    def messageReceived(self, text):
        own = self.factory.own
        self.send(f"{own.maxKeys} {own.readOnly}")

class KVDatagrams(DatagramProtocol):
    def __init__(self, protocol):
        pass
    def configure(self, settings):
        self.own = settings.of(KVSettings)
    def datagramReceived(self, datagram, addr):
        self.transport.write(str(self.own.maxKeys).encode(), addr)

SERVICE = Service(
    "kv", ("tcp:6380", "udp:6380"), "keeps keys", KV, KVFactory, KVDatagrams, settings=KVSettings
)
"""


def package(folder: Path) -> None:
    """Install this service into a folder, as pip would."""
    (folder / "kv.py").write_text(KV)
    info = folder / "kv-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kv\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[twistednet.services]\nkv = kv:SERVICE\n")


@dataclass(frozen=True)
class OwnSettings:
    """What the service `own` declares."""

    maxKeys: int = setting(100, number(int, 1), "keys that are kept")
    readOnly: bool = setting(False, trueOrFalse, "change nothing")


OWN = Service("own", ("tcp:0",), "is a test", Echo, settings=OwnSettings)
INSTALLED = {service.name: service for service in (*SERVICES, OWN)}


class LoadingTests(SynchronousTestCase):
    """`settings.of(OwnSettings)`."""

    def own(
        self, flags: dict[str, Any] | None = None, config: str | None = None, **environment: str
    ) -> OwnSettings:
        """What the service gets from these sources."""
        given = {key: Given(f"--{key}", value) for key, value in (flags or {}).items()}
        return load(given, config, INSTALLED, environment).of(OwnSettings)

    def test_sources(self) -> None:
        """Flags over environment over file over defaults, as all settings."""
        file = temporaryFolder(self) / "netdemo.toml"
        file.write_text("max-keys = 1\nread-only = true\n")
        config = str(file)
        self.assertEqual(OwnSettings(), self.own())
        self.assertEqual(OwnSettings(1, True), self.own({}, config))
        self.assertEqual(OwnSettings(2, True), self.own({}, config, NETDEMO_MAX_KEYS="2"))
        self.assertEqual(
            OwnSettings(3, True), self.own({"max-keys": "3"}, config, NETDEMO_MAX_KEYS="2")
        )

    def test_refusals(self) -> None:
        """A value that is wrong is refused with the place where it was written."""
        file = temporaryFolder(self) / "netdemo.toml"
        file.write_text("max-keys = 0\n")
        wrong = "is out of range: use a whole number of 1 or more"
        for arguments, variables, line in (
            (({"max-keys": "0"},), {}, f"--max-keys: '0' {wrong}"),
            ((), {"NETDEMO_MAX_KEYS": "0"}, f"NETDEMO_MAX_KEYS: '0' {wrong}"),
            (({}, str(file)), {}, f"{file}: max-keys: 0 {wrong}"),
            (
                (),
                {"NETDEMO_MAX_KEY": "1"},
                "NETDEMO_MAX_KEY: no such setting; did you mean NETDEMO_MAX_KEYS?",
            ),
        ):
            with self.assertRaises(BadSetting) as caught:
                self.own(*arguments, **variables)
            self.assertEqual(line, str(caught.exception))

    def test_kubernetes(self) -> None:
        """A setting whose name begins like a variable of Kubernetes is read all the same."""

        @dataclass(frozen=True)
        class PortSettings:
            portLimit: int = setting(1, number(int, 1), "ports")

        own = Service("own", ("tcp:0",), "is a test", Echo, settings=PortSettings)
        variables = {"NETDEMO_PORT_LIMIT": "3", "NETDEMO_PORT": "tcp://10.0.0.1:80"}
        settings = load({}, None, {"own": own}, variables)
        self.assertEqual(3, settings.of(PortSettings).portLimit)

    def test_withoutDaemon(self) -> None:
        """A unit test gets the defaults, or what it gives."""
        self.assertEqual(OwnSettings(), ServiceSettings().of(OwnSettings))
        given = OwnSettings(maxKeys=5)
        self.assertEqual(given, ServiceSettings(own={OwnSettings: given}).of(OwnSettings))
        self.assertEqual(OwnSettings(), Settings(listen={}, protocols={}).of(OwnSettings))


class DaemonTests(TestCase):
    """A daemon with an installed package, whose service has settings of its own."""

    def setUp(self) -> None:
        self.folder = temporaryFolder(self)
        package(self.folder)
        self.environment = environment(PYTHONPATH=str(self.folder))

    def test_help(self) -> None:
        """`--help` has a line for each; a range error is one line, and then the end."""
        flat = " ".join(run("netdemo", "--help", env=self.environment).stdout.split())
        self.assertIn("--max-keys= keys that are kept [100]", flat)
        self.assertIn("--read-only change nothing", flat)
        why = "'0' is out of range: use a whole number of 1 or more"
        result = run("-n", "--pidfile=", "netdemo", "--max-keys=0", env=self.environment)
        self.assertEqual(
            (1, f"twistd netdemo: --max-keys: {why}\n"),
            (result.returncode, result.stderr),
        )

    def test_reload(self) -> None:
        """Factory and datagram protocol get them at start and at SIGHUP; a wrong one changes
        nothing."""
        config = self.folder / "netdemo.toml"

        def settings(own: str) -> None:
            config.write_text(f'only = "kv"\nkv = ["tcp:0", "udp:0"]\n{own}\n')

        settings("max-keys = 3")
        flags = ("--config", str(config), "--read-only")
        with running(*flags, env=self.environment) as daemon:
            stream = daemon.connect("kv")
            self.addCleanup(stream.close)
            datagrams = socket.socket(type=socket.SOCK_DGRAM)
            self.addCleanup(datagrams.close)
            datagrams.settimeout(20)
            datagrams.connect(daemon.address("kv", "udp"))

            def own() -> tuple[bytes, bytes]:
                datagrams.send(b"?")
                return asked(stream, b"?"), datagrams.recv(100)

            self.assertEqual((b"3 True", b"3"), own())
            for text, logged, expected in (
                ("max-keys = 4", "settings read again", (b"4 True", b"4")),
                ("max-keys = 0", "settings not changed: .*max-keys: 0 is out", (b"4 True", b"4")),
            ):
                settings(text)
                daemon.signal(signal.SIGHUP)
                daemon.waitFor(logged)
                self.assertEqual(expected, own())

    def test_fixture(self) -> None:
        """`netdemo.serve("kv", maxKeys=3)`, also as max_keys."""
        self.patch(testing.parent.sys, "path", [str(self.folder), *testing.parent.sys.path])
        for settings in ({"maxKeys": 3}, {"max_keys": 3}):
            with (
                testing.serve("kv", **settings) as server,
                socket.create_connection((server.host, server.port), 20) as client,
            ):
                self.assertEqual(b"3 False", asked(client, b"?"))
        with self.assertRaises(testing.CannotServe) as caught:
            testing.serve("kv", maxKeys=0)
        self.assertEqual(
            "kv: maxKeys: 0 is out of range: use a whole number of 1 or more", str(caught.exception)
        )
