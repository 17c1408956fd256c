"""daemon/startup.py: the table of ports, with a command to try each."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from twistednet.daemon.startup import table
from twistednet.services.catalog import SERVICES
from twistednet.transport.endpoints import Endpoint
from twistednet.transport.interfaces import Address

CATALOGUE = {service.name: service for service in SERVICES}


def tryIt(name: str, endpoint: str, host: Address) -> str:
    """Return the command that the table has for one port."""
    [_, row] = table([(CATALOGUE[name], Endpoint.parse(endpoint), host)]).splitlines()
    return row.split("  ")[-1]


class CommandTests(SynchronousTestCase):
    """A client connects to one address, also where the daemon listens on all of them."""

    def test_one(self) -> None:
        """The command names the address of the port."""
        for name, endpoint, host, command in (
            ("echo", "tcp:0", IPv4Address("TCP", "127.0.0.1", 80), "nc 127.0.0.1 80"),
            ("echo", "tcp6:0", IPv6Address("TCP", "::1", 80), "nc ::1 80"),
            ("datagram", "udp:0", IPv4Address("UDP", "127.0.0.1", 80), "nc -u 127.0.0.1 80"),
            ("hello", "tcp6:0", IPv6Address("TCP", "::1", 80), "curl http://[::1]:80/"),
            ("echo", "unix:/a/socket", UNIXAddress(b"/a/socket"), "nc -U /a/socket"),
        ):
            self.assertEqual(command, tryIt(name, endpoint, host), endpoint)

    def test_all(self) -> None:
        """For a port on all addresses, it names that of loopback."""
        every4, every6 = IPv4Address("TCP", "0.0.0.0", 80), IPv6Address("TCP", "::", 80)
        self.assertEqual("nc 127.0.0.1 80", tryIt("echo", "tcp:0:interface=0.0.0.0", every4))
        self.assertEqual("nc ::1 80", tryIt("echo", "tcp6:0:interface=::", every6))
        self.assertEqual("curl http://[::1]:80/", tryIt("hello", "tcp6:0:interface=::", every6))

    def test_tls(self) -> None:
        """A port of TLS is tried with a client of TLS, whatever the service."""
        every6 = IPv6Address("TCP", "::", 80)
        self.assertEqual(
            "openssl s_client -quiet -connect [::1]:80",
            tryIt("hello", "ssl:0:privateKey=k:interface=::", every6),
        )
