"""Who may ask the admin site for what."""

from __future__ import annotations

import http.client
import os
import socket
import ssl

import trustme
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.support.adminsite import Admin, AdminTests
from tests.support.processes import run, running, temporaryFolder
from twistednet.admin import access
from twistednet.admin.access import Access
from twistednet.admin.replies import jsonReply
from twistednet.admin.routing import AdminSite, Route, Router
from twistednet.core.limits import LocalPeers, networksOf

TOKEN = "0123456789abcdef"
PEERS = LocalPeers(networksOf(["192.0.2.0/28"]))


class MatrixTests(AdminTests):
    """One daemon on loopback."""

    def test_matrix(self) -> None:
        """Every way to be turned away has its status, and only who may gets in."""
        admin = self.admin
        here = f"127.0.0.1:{admin.port}"
        wrong = {"Authorization": "Bearer x"}
        right = {"Authorization": f"Bearer {admin.token}"}
        foreign = {"Origin": "http://evil.example"}
        for status, method, path, headers in (
            # No token, and a wrong one.
            (401, "GET", "/api/v1/services", {}),
            (401, "GET", "/version", {}),
            (401, "POST", "/api/v1/reload", {"X-Netdemo": "1"}),
            (401, "GET", "/api/v1/services", wrong),
            (401, "GET", "/api/v1/services", {"Cookie": f"netdemo-{admin.port}=x"}),
            (401, "GET", f"/api/v1/services?token={admin.token}", {}),
            (401, "GET", "/?token=x", {}),
            (401, "GET", "/version", {"Authorization": admin.token}),
            (401, "GET", "/version", {"Authorization": "Bearer \xff\xfe"}),
            # The token.
            (200, "GET", "/api/v1/services", right),
            (200, "GET", "/version", {"Authorization": f"token {admin.token}"}),
            (200, "GET", "/version", {"Authorization": f"bearer {admin.token}"}),
            # The files of the page, which anybody can read in the package.
            (200, "GET", "/", {}),
            (404, "GET", "/no/such/thing", {}),
            # What needs none on loopback.
            (200, "GET", "/metrics", {}),
            (200, "GET", "/livez", {}),
            (200, "GET", "/readyz", {}),
            (200, "GET", "/readyz", wrong),
            # A host that is not ours, whatever else is right.
            (421, "GET", "/api/v1/services", {**right, "Host": "evil.example"}),
            (421, "GET", "/metrics", {"Host": f"evil.example:{admin.port}"}),
            (421, "GET", "/livez", {"Host": "127.evil.example"}),
            (421, "GET", "/livez", {"Host": "localhost.evil.example"}),
            (421, "GET", "/livez", {"Host": "192.0.2.1"}),
            (421, "GET", f"/?token={admin.token}", {"Host": "evil.example"}),
            (200, "GET", "/livez", {"Host": "LocalHost:1"}),
            (200, "GET", "/livez", {"Host": "localhost."}),
            (200, "GET", "/livez", {"Host": "[::1]:8800"}),
            (200, "GET", "/livez", {"Host": "127.0.0.1"}),
            # A page of another origin.
            (403, "GET", "/api/v1/services", {**right, **foreign}),
            (403, "GET", "/metrics", foreign),
            (403, "GET", "/version", {**right, "Origin": "null"}),
            (403, "GET", "/version", {**right, "Origin": f"https://{here}"}),
            (403, "GET", "/version", {**right, "Origin": "http://127.0.0.1:1"}),
            (403, "GET", f"/?token={admin.token}", foreign),
            (403, "POST", "/api/v1/reload", {**right, **foreign, "X-Netdemo": "1"}),
            (200, "GET", "/version", {**right, "Origin": f"http://{here}"}),
            # A change of state without the header that no page elsewhere can send.
            (403, "POST", "/api/v1/reload", right),
            (403, "POST", "/api/v1/drain", right),
            (403, "POST", "/api/v1/try", right),
            (403, "DELETE", "/livez", right),
            (200, "POST", "/api/v1/reload", {**right, "X-Netdemo": "1"}),
        ):
            got = admin.ask(path, method, token=None, **{"X-Netdemo": "", **headers})
            self.assertEqual(status, got.status, (method, path, headers, got.body))
            self.assertIn("default-src 'self'", got.headers["Content-Security-Policy"])
            self.assertIn("frame-ancestors 'none'", got.headers["Content-Security-Policy"])
            self.assertEqual("nosniff", got.headers["X-Content-Type-Options"])
            self.assertEqual("no-referrer", got.headers["Referrer-Policy"])
            self.assertNotIn("Access-Control-Allow-Origin", got.headers)
        self.assertNotIn("draining", self.daemon.log)

    def test_firstVisit(self) -> None:
        """The URL that was printed brings a cookie, and a URL without the token."""
        visit = self.admin.ask(f"/?token={self.admin.token}", token=None)
        self.assertEqual((303, "/"), (visit.status, visit.headers["Location"]))
        cookie, *attributes = visit.headers["Set-Cookie"].split("; ")
        self.assertEqual({"HttpOnly", "SameSite=Strict", "Path=/api/v1"}, set(attributes))
        self.assertNotIn(self.admin.token, cookie)
        got = self.admin.ask("/api/v1/services", token=None, Cookie=f"other=1; {cookie}")
        self.assertEqual(200, got.status)
        page = self.admin.ask("/", token=None)
        self.assertEqual(200, page.status)
        self.assertEqual("text/html; charset=utf-8", page.headers["Content-Type"])

    def test_noHost(self) -> None:
        """HTTP/1.0 needs no Host, as the checks of some balancers have none."""
        with socket.create_connection((self.admin.host, self.admin.port), 20) as sock:
            sock.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
            self.assertEqual(b"200", sock.recv(100).split()[1])


class SlowingTests(SynchronousTestCase):
    """Wrong tokens, on a clock of the test's."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.access = Access(self.clock, TOKEN, frozenset({"netdemo.example"}), PEERS)
        route = Route("GET", "/secret", lambda asked: jsonReply("yes"))
        health = Route("GET", "/open", lambda asked: jsonReply("ok"), isOpen=True)
        self.site = AdminSite(
            Router(self.access, [route, health], lambda asked: jsonReply("file")),
            lambda peer, limit: None,
        )

    def ask(
        self, token: str, peer: str = "192.0.2.1", path: str = "/secret", host: str = "localhost"
    ) -> StringTransport:
        """One request on a connection from `peer` to 192.0.2.9."""
        transport = StringTransport(
            hostAddress=IPv4Address("TCP", "192.0.2.9", 8800),
            peerAddress=IPv4Address("TCP", peer, 1),
        )
        channel = self.site.buildProtocol(None)
        channel.makeConnection(transport)
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n"
        head += f"Authorization: Bearer {token}\r\n" if token else ""
        channel.dataReceived(f"{head}\r\n".encode())
        # If the machine is busy, the request waits for its turn.
        self.clock.advance(0)
        self.addCleanup(channel.connectionLost, Failure(ConnectionDone()))
        return transport

    def status(self, transport: StringTransport) -> str:
        return transport.value()[9:12].decode()

    def test_tenWrongTokens(self) -> None:
        """After ten an address waits, and is told to; nobody else does, and nobody who is
        right."""
        first = [self.status(self.ask("wrong")) for _ in range(access.MAX_WRONG_TOKENS)]
        self.assertEqual(["401"] * 10, first)
        slowed = self.ask("wrong")
        self.assertEqual(b"", slowed.value())
        self.clock.advance(access.DELAY_SECONDS)
        self.assertEqual("429", self.status(slowed))
        self.assertIn(b"Retry-After: 10\r\n", slowed.value())
        self.assertEqual("401", self.status(self.ask("wrong", "192.0.2.2")))
        self.assertEqual("200", self.status(self.ask(TOKEN)))
        # No token at all is no guess.
        self.assertEqual("401", self.status(self.ask("")))
        self.clock.advance(access.RETRY_SECONDS)
        self.assertEqual("401", self.status(self.ask("wrong")))
        self.assertEqual(b"", self.ask("wrong").value())

    def test_goneWhileWaiting(self) -> None:
        """Who does not wait for the answer leaves nothing behind."""
        for _ in range(access.MAX_WRONG_TOKENS):
            self.ask("wrong")
        before = len(self.clock.getDelayedCalls())
        transport = StringTransport(peerAddress=IPv4Address("TCP", "192.0.2.1", 1))
        channel = self.site.buildProtocol(None)
        channel.makeConnection(transport)
        channel.dataReceived(
            b"GET /secret HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n"
        )
        self.clock.advance(0)
        channel.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(before, len(self.clock.getDelayedCalls()))
        self.assertEqual(b"", transport.value())

    def test_public(self) -> None:
        """To an address that is not loopback nothing is open, and our names are those that
        were given, and the address itself."""
        for status, token, path, host in (
            ("401", "", "/open", "192.0.2.9"),
            ("200", TOKEN, "/open", "192.0.2.9:8800"),
            ("200", TOKEN, "/open", "Netdemo.example:8800"),
            ("421", TOKEN, "/open", "192.0.2.8"),
            ("421", TOKEN, "/open", "other.example"),
        ):
            got = self.status(self.ask(token, path=path, host=host))
            self.assertEqual(status, got, (token, path, host))

    def test_untrusted(self) -> None:
        """Without TLS nobody outside the trusted networks gets an answer, not even with the
        token, which would be sent in the clear."""
        for peer, status in (("192.0.2.15", "200"), ("192.0.2.16", "403"), ("::1", "200")):
            self.assertEqual(status, self.status(self.ask(TOKEN, peer)), peer)


class BindTests(TestCase):
    """Where the site may listen, and what it says at the start."""

    def test_publicBindRefused(self) -> None:
        """Without TLS it is for this machine alone: one line says what is missing."""
        for endpoint in ("tcp:0:interface=0.0.0.0", "tcp6:0:interface=::"):
            result = run(
                *("-n", "--pidfile=", "--uid", "nobody", "netdemo", "--only", "echo"),
                *("--echo", "tcp:0", "--admin", endpoint),
            )
            self.assertEqual(1, result.returncode, result.stdout)
            self.assertEqual(1, len(result.stderr.splitlines()), result.stderr)
            self.assertIn(f"admin: cannot listen on {endpoint}: ", result.stderr)
            self.assertIn("TLS is missing", result.stderr)
            self.assertIn("--trust NETWORK", result.stderr)

    def test_trust(self) -> None:
        """With a network that is trusted it may be open without TLS, but not without the
        token; and root need not drop its privileges."""
        flags = ("--only", "echo", "--echo", "tcp:0:interface=0.0.0.0", "--trust", "192.0.2.0/24")
        with running(*flags, "--admin", "tcp:0:interface=0.0.0.0") as daemon:
            admin = Admin(daemon)
            self.assertEqual(200, admin.ask("/api/v1/services").status)
            self.assertEqual(401, admin.ask("/api/v1/services", token=None).status)

    def test_trustEverybody(self) -> None:
        """Networks that are everybody are refused: one line, exit status 1."""
        for given in (["0.0.0.0/0"], ["::/0"], ["0.0.0.0/1", "128.0.0.0/1"], ["::ffff:0:0/96"]):
            flags = [flag for one in given for flag in ("--trust", one)]
            result = run("-n", "--pidfile=", "netdemo", "--admin", "off", *flags)
            self.assertEqual(1, result.returncode, result.stdout)
            self.assertRegex(
                result.stderr, r"\Atwistd netdemo: --trust: \S+ is everybody: [^\n]+\n\Z"
            )

    def test_portTaken(self) -> None:
        """One line that names the flag, and nothing stays open."""
        with running("--only", "echo", "--echo", "tcp:0", "--admin", "tcp:0") as daemon:
            port = Admin(daemon).port
            result = run(
                *("-n", "--pidfile=", "netdemo", "--only", "echo", "--echo", "tcp:0"),
                *("--admin", f"tcp:{port}"),
            )
        self.assertEqual(1, result.returncode)
        self.assertEqual(
            f"twistd netdemo: admin: cannot listen on tcp:{port}: address already in use "
            "(`ss -ltnp` shows by whom); --admin ENDPOINT moves it, --admin off drops it\n",
            result.stderr,
        )

    def test_ownToken(self) -> None:
        """A token that somebody chose is taken, and not shown in the log."""
        flags = ("--only", "echo", "--echo", "tcp:0", "--admin", "tcp:0", "--admin-token", TOKEN)
        with running(*flags) as daemon:
            port = daemon.waitFor(r"admin: http://127\.0\.0\.1:(\d+)/$")[1]
            self.assertNotIn(TOKEN, daemon.log)
            with socket.create_connection(("127.0.0.1", int(port)), 20) as sock:
                sock.sendall(
                    f"GET /version HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}"
                    "\r\n\r\n".encode()
                )
                self.assertEqual(b"200", sock.recv(100).split()[1])

    def test_tls(self) -> None:
        """Behind TLS the cookie is for TLS alone, the URL says https, and all may come."""
        folder = temporaryFolder(self)
        trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
            str(folder / "pem")
        )
        endpoint = f"ssl:0:privateKey={folder}/pem:interface=0.0.0.0"
        nobody = ("--uid", "nobody", "--gid", "nogroup") if os.geteuid() == 0 else ()
        folder.chmod(0o755)
        flags = ("--only", "echo", "--echo", "tcp:0", "--admin", endpoint)
        with running(*flags, twistd=nobody) as daemon:
            port, token = daemon.waitFor(
                r"admin: https://127\.0\.0\.1:(\d+)/\?token=(\S+)$"
            ).groups()
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection("127.0.0.1", int(port), context=context)
            self.addCleanup(connection.close)
            connection.request("GET", f"/?token={token}")
            response = connection.getresponse()
            self.assertIn("; Secure", response.headers["Set-Cookie"])
