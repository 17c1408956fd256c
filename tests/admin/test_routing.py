"""The admin site as HTTP: paths, methods, files, limits of its own, its document."""

from __future__ import annotations

import json
import re
import signal
import socket
from contextlib import ExitStack

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.support.adminsite import Admin, AdminTests
from tests.support.processes import environment, readAll, running, temporaryFolder
from twistednet.admin.control import description
from twistednet.admin.places import PLACES
from twistednet.admin.port import AdminPort
from twistednet.core.secrets import Secrets
from twistednet.events.model import EventStream
from twistednet.settings.schema import Settings


class SiteTests(AdminTests):
    """One daemon."""

    def test_paths(self) -> None:
        """What is not there, what cannot be done there, and what no parameter is."""
        for status, method, path in (
            (404, "GET", "/nothing"),
            (404, "GET", "/api/v1/nothing"),
            (404, "GET", "/api/v1/services/"),
            (404, "GET", "/../config.py"),
            (404, "GET", "/../openapi.json"),
            (404, "GET", "/%2e%2e/config.py"),
            (404, "GET", "/..%2fconfig.py"),
            (404, "GET", "/page.py"),
            (404, "GET", "//etc/passwd"),
            (404, "GET", "/.hidden.js"),
            (404, "GET", "/index.html/x.js"),
            (404, "GET", "/%ff.js"),
            (404, "GET", "/api/v1/try/x"),
            (404, "GET", "/api/v1/try/99999999999999999999"),
            (404, "GET", "/api/v1/try/%c2%b2"),
            (405, "POST", "/version"),
            (405, "GET", "/api/v1/reload"),
            (405, "PROPFIND", "/livez"),
            (400, "GET", "/version?x=1"),
            (400, "GET", "/api/v1/events?service=a&service=b"),
            (400, "GET", "/api/v1/events?service=%ff"),
            (400, "GET", "/api/v1/events?" + "&".join(f"a{n}" for n in range(100))),
        ):
            got = self.admin.ask(path, method, X_Netdemo="1")
            self.assertEqual(status, got.status, (method, path, got.body))
            self.assertIn("error", got.json)

    def test_allow(self) -> None:
        """A method that is not for this path is told which are; OPTIONS tells them too."""
        got = self.admin.ask("/api/v1/reload")
        self.assertEqual("OPTIONS, POST", got.headers["Allow"])
        got = self.admin.ask("/version", "OPTIONS")
        self.assertEqual((204, "GET, HEAD, OPTIONS"), (got.status, got.headers["Allow"]))

    def test_head(self) -> None:
        """HEAD is GET without its body."""
        for path in ("/version", "/", "/metrics", "/api/v1/events"):
            got = self.admin.ask(path, "HEAD")
            self.assertEqual((200, b""), (got.status, got.body), path)

    def test_files(self) -> None:
        """The page's files, with their types, sent again only when they have changed."""
        for path, kind in (
            ("/", "text/html; charset=utf-8"),
            ("/index.html", "text/html; charset=utf-8"),
            ("/icon.svg", "image/svg+xml"),
        ):
            got = self.admin.ask(path)
            self.assertEqual((200, kind), (got.status, got.headers["Content-Type"]))
            self.assertEqual("no-cache", got.headers["Cache-Control"])
            again = self.admin.ask(path, If_None_Match=got.headers["ETag"])
            self.assertEqual((304, b""), (again.status, again.body))
            other = self.admin.ask(path, If_None_Match='"other"')
            self.assertEqual(got.body, other.body)

    def test_pageIsSafe(self) -> None:
        """No script or style stands in the page itself, which the policy would not run, and
        nothing comes from elsewhere."""
        page = self.admin.ask("/").body.decode()
        self.assertNotRegex(page, r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=")
        self.assertNotRegex(page, r"(?:src|href)=.?(?:https?:)?//")

    def test_bodyLimit(self) -> None:
        """A body has a limit of its own, whatever that of the services is."""
        with socket.create_connection((self.admin.host, self.admin.port), 20) as sock:
            sock.sendall(
                b"POST /api/v1/try HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n"
            )
            self.assertIn(b" 413 ", sock.recv(1000).splitlines()[0])

    def test_services(self) -> None:
        """Every service that listens, with its sockets and what it has done."""
        answer = self.admin.ask("/api/v1/services").json
        services = {one["name"]: one for one in answer["services"]}
        self.assertEqual({"echo", "receive", "answer", "datagram", "hello", "chat"}, set(services))
        [listener] = services["echo"]["listeners"]
        host, port = self.daemon.address("echo")
        self.assertEqual(
            ("tcp", host, port), tuple(listener[one] for one in ("kind", "host", "port"))
        )
        kinds = [one["kind"] for one in services["receive"]["listeners"]]
        self.assertEqual(["tcp", "udp"], kinds)
        self.assertEqual(([], False), (answer["down"], answer["draining"]))


class LimitTests(TestCase):
    """A crowd on either side."""

    def test_crowdAtServices(self) -> None:
        """When the services let nobody more in, the admin site still does."""
        flags = ("--only", "echo", "--echo", "tcp:0", "--max-connections", "1")
        with running(*flags, "--admin", "tcp:0") as daemon, daemon.connect("echo") as first:
            first.sendall(b"x")
            first.recv(1)
            with daemon.connect("echo") as second:
                self.assertEqual(b"", readAll(second))
            self.assertEqual(200, Admin(daemon).ask("/livez").status)

    def test_crowdAtAdmin(self) -> None:
        """The site has a limit of its own, at which the oldest connection that waits gives way;
        the services do not feel it."""
        flags = ("--only", "echo", "--echo", "tcp:0", "--admin", "tcp:0")
        with running(*flags) as daemon, ExitStack() as stack:
            admin = Admin(daemon)
            first, *_ = [
                stack.enter_context(socket.create_connection((admin.host, admin.port), 20))
                for _ in range(PLACES + 1)
            ]
            with self.assertRaises(ConnectionResetError):
                first.recv(1)
            with daemon.connect("echo") as sock:
                sock.sendall(b"x")
                self.assertEqual(b"x", sock.recv(1))


class ControlTests(TestCase):
    """Reload and drain, asked for over HTTP."""

    def test_reload(self) -> None:
        """New settings hold at once; of wrong ones the one line that says why comes back."""
        config = temporaryFolder(self) / "netdemo.toml"
        config.write_text('only = ["echo"]\necho = "tcp:0"\n')
        with running("--config", str(config), "--admin", "tcp:0") as daemon:
            admin = Admin(daemon)
            config.write_text('only = ["echo", "chat"]\necho = "tcp:0"\nchat = "tcp:0"\n')
            self.assertEqual(200, admin.ask("/api/v1/reload", "POST").status)
            names = [one["name"] for one in admin.ask("/api/v1/services").json["services"]]
            self.assertEqual({"echo", "chat"}, set(names))
            config.write_text("echoo = 1\n")
            wrong = admin.ask("/api/v1/reload", "POST")
            self.assertEqual(409, wrong.status)
            self.assertIn("echoo: no such key; did you mean echo?", wrong.json["error"])
            config.write_text(
                'echo = "tcp:0"\nonly = ["echo"]\nadmin-token = "another-token-now"\n'
            )
            self.assertEqual(200, admin.ask("/api/v1/reload", "POST").status)
            self.assertEqual(401, admin.ask("/version").status)
            self.assertEqual(200, admin.ask("/version", token="another-token-now").status)

    def test_movedAtReload(self) -> None:
        """The site stays where it is until the next start, and the log says so."""
        config = temporaryFolder(self) / "netdemo.toml"
        settings = 'only = ["echo"]\necho = "tcp:0"\nadmin = "tcp:0"\n'
        config.write_text(settings)
        with running("--config", str(config), env=environment(NETDEMO_ADMIN="")) as daemon:
            admin = Admin(daemon)
            config.write_text(settings.replace('admin = "tcp:0"', 'admin = "off"'))
            self.assertEqual(200, admin.ask("/api/v1/reload", "POST").status)
            daemon.waitFor("the endpoint of admin changes at the next start")
            self.assertEqual(200, admin.ask("/livez").status)

    def test_hostsAtReload(self) -> None:
        """The names of the site are those of the last settings that were read."""
        config = temporaryFolder(self) / "netdemo.toml"
        settings = 'only = ["echo"]\necho = "tcp:0"\nadmin = "tcp:0"\n'
        config.write_text(settings + 'admin-hosts = ["old.example"]\n')
        with running("--config", str(config), env=environment(NETDEMO_ADMIN="")) as daemon:
            admin = Admin(daemon)

            def statuses() -> list[int]:
                hosts = ("old.example", "new.example", "localhost")
                return [admin.ask("/version", Host=host).status for host in hosts]

            self.assertEqual([200, 421, 200], statuses())
            config.write_text(settings + 'admin-hosts = ["new.example"]\n')
            self.assertEqual(200, admin.ask("/api/v1/reload", "POST").status)
            self.assertEqual([421, 200, 200], statuses())

    def test_drain(self) -> None:
        """Who is there is served on; who watches is told, and holds nothing up; status 0."""
        with running("--only", "echo", "--echo", "tcp:0", "--admin", "tcp:0") as daemon:
            admin = Admin(daemon)
            with daemon.connect("echo") as sock:
                sock.sendall(b"x")
                sock.recv(1)
                watcher = socket.create_connection((admin.host, admin.port), 20)
                self.addCleanup(watcher.close)
                watcher.sendall(
                    b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n"
                    b"Authorization: Bearer %b\r\n\r\n" % admin.token.encode()
                )
                watcher.recv(1000)
                self.assertEqual(202, admin.ask("/api/v1/drain", "POST").status)
                daemon.waitFor("draining")
                self.assertEqual(409, admin.ask("/api/v1/drain", "POST").status)
                self.assertEqual(503, admin.ask("/readyz").status)
                sock.sendall(b"y")
                self.assertEqual(b"y", sock.recv(1))
            self.assertIn(b"event: end", readAll(watcher))
            self.assertEqual(0, daemon.wait())
            self.assertIn("stopped; connections: 1, 1 by client FIN", daemon.log)

    def test_secondSignal(self) -> None:
        """A signal after a drain that was asked for over HTTP is a second one."""
        with running("--only", "echo", "--echo", "tcp:0", "--admin", "tcp:0") as daemon:
            with daemon.connect("echo") as sock:
                sock.sendall(b"x")
                sock.recv(1)
                Admin(daemon).ask("/api/v1/drain", "POST")
                daemon.waitFor("draining")
                daemon.signal(signal.SIGTERM)
                daemon.waitFor("aborting connections: 1")
            daemon.wait()


class DocumentTests(SynchronousTestCase):
    """The OpenAPI document against the routes."""

    def setUp(self) -> None:
        class Daemon:
            secrets = Secrets()
            ports = connections = journal = None
            events = EventStream(lambda sink: None)

        port = AdminPort(Clock(), Daemon(), Settings(listen={}, protocols={}))
        self.routes = port.routes
        self.document = json.loads(description())

    def test_routes(self) -> None:
        """It has every route and no other, with the parameters that each takes."""
        told = {
            (method.upper(), path): operation
            for path, operations in self.document["paths"].items()
            for method, operation in operations.items()
        }
        self.assertEqual({(one.method, one.path) for one in self.routes}, set(told))
        for route in self.routes:
            operation = told[route.method, route.path]
            parameters = operation.get("parameters", [])
            query = {one["name"] for one in parameters if one.get("in") == "query"}
            self.assertEqual(set(route.query), query, route)
            path = {one["name"] for one in parameters if one.get("in") == "path"}
            self.assertEqual(set(re.findall(r"\{(\w+)\}", route.path)), path, route)
            needsNone = {} in operation.get("security", [])
            self.assertEqual(route.isOpen, needsNone, route)
            changes = {"$ref": "#/components/parameters/Changes"} in parameters
            self.assertEqual(route.method in ("POST", "PUT", "DELETE"), changes, route)

    def test_references(self) -> None:
        """Whatever it refers to is there."""
        found = re.findall(r'"#/components/(\w+)/(\w+)"', json.dumps(self.document))
        self.assertGreater(len(found), 20)
        for kind, name in found:
            self.assertIn(name, self.document["components"][kind])
