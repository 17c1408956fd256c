"""services/datagram.py: a reply that is longer than its request."""

from __future__ import annotations

import json
import socket

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import PATIENCE, Running, environment, temporaryFolder
from twistednet.services.datagram import TOO_LONG, Datagram

AMPLIFIER = """
from twistednet import Datagram


class Amplifier(Datagram):
    def reply(self, data, address):
        return data + data if data == b"amplify" else data
"""


class TooLongTests(SynchronousTestCase):
    """It is dropped and reported."""

    def test_transport(self) -> None:
        """The service reports it to its transport, and sends nothing."""
        calls: list[object] = []

        class Amplifier(Datagram):
            def reply(self, data: bytes, address: tuple[str, int]) -> bytes | None:
                return data + data

        class Port:
            def refuse(self, *arguments: object) -> None:
                calls.append(arguments)

        service = Amplifier(Clock())
        service.transport = Port()  # type: ignore[assignment]
        service.datagramReceived(b"abc", ("127.0.0.1", 50_001))
        self.assertEqual([(("127.0.0.1", 50_001), TOO_LONG)], calls)

    def test_daemon(self) -> None:
        """The log and the events have it, with and without a fault of datagrams."""
        folder = temporaryFolder(self)
        (folder / "amplifier.py").write_text(AMPLIFIER)
        flags = ("--only=datagram", "--datagram=udp:0", "--datagram-class=amplifier.Amplifier")
        for more in ((), ("--fault", "datagram: duplicate, the 9th")):
            events = folder / f"events{len(more)}"
            daemon = Running(
                *flags, *more, f"--events={events}", env=environment(PYTHONPATH=str(folder))
            )
            self.addCleanup(daemon.stop)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.settimeout(PATIENCE)
                peer.connect(daemon.address("datagram", "udp"))
                peer.send(b"amplify")
                peer.send(b"after")
                # Loopback keeps the order: a reply to the first would have come first.
                self.assertEqual(b"after", peer.recv(100))
                port = peer.getsockname()[1]
            daemon.waitFor(rf"datagram: refused 127.0.0.1:{port}: {TOO_LONG}$")
            daemon.waitFor(r"it would have 14 B, and the request has 7 B$")
            daemon.stop()
            lines = [json.loads(line) for line in events.read_text().splitlines()]
            limits = [(line["peer"], line["limit"]) for line in lines if "limit" in line]
            self.assertEqual([(f"127.0.0.1:{port}", TOO_LONG)], limits)
