"""After --uid: the daemon needs nothing that the other user may be unable to read."""

from __future__ import annotations

import http.client
import os
import pwd
import re
import signal
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.processes import ANYWHERE, PATIENCE, Running, environment, running

#: Requests to hello that twisted.web parses in ways of their own.
FORMS = (
    ("POST", "application/x-www-form-urlencoded", b"a=b"),
    ("POST", "multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"'
     b"\r\n\r\nb\r\n--x--\r\n"),
    ("PUT", "text/plain", b"x" * 50_000),
)  # fmt: skip
#: Rules of faults, one for each carrier.
RULES = ["echo: latency 1ms", "hello: status 503", "datagram: duplicate", "receive: stall"]


class PrivilegesTests(SynchronousTestCase):
    """A daemon that was started by root as nobody."""

    def setUp(self) -> None:
        if os.geteuid() != 0:
            raise SkipTest("this needs root")

    def get(self, url: re.Match[str], path: str, method: str = "GET", body: Any = None) -> bytes:
        """Return the body of a response of the admin site, which must be 200, 201 or 202."""
        client = http.client.HTTPConnection(url["host"], int(url["port"]), timeout=PATIENCE)
        self.addCleanup(client.close)
        headers = {"Authorization": f"Bearer {url['token']}", "X-Netdemo": "1"}
        client.request(method, path, body, headers | {"Content-Type": "application/json"})
        response = client.getresponse()
        self.assertIn(response.status, (200, 201, 202), path)
        return response.read()

    def form(self, daemon: Running, method: str, kind: str, body: bytes) -> None:
        client = http.client.HTTPConnection(*daemon.address("hello"), timeout=PATIENCE)
        self.addCleanup(client.close)
        client.request(method, "/", body, {"Content-Type": kind})
        self.assertIn(client.getresponse().status, (200, 405))

    def visit(self, daemon: Running, url: re.Match[str]) -> None:
        """Use the page, the API and each service once."""
        page = self.get(url, "/").decode()
        for file in re.findall(r'(?:src|href)="([a-z][a-z/.]+)"', page):
            self.get(url, f"/{file}")
        for path in ("openapi.json", "services", "connections", "faults", "scenario"):
            self.get(url, f"/api/v1/{path}")
        self.get(url, "/metrics")
        for form in FORMS:
            self.form(daemon, *form)
        for service in ("echo", "answer", "chat"):
            with daemon.connect(service) as sock:
                sock.sendall(b"how are u\n")
                self.assertTrue(sock.recv(100))
        rules = str(RULES).replace("'", '"')
        self.get(url, "/api/v1/faults", "PUT", f'{{"rules": {rules}}}')
        with daemon.connect("echo") as sock:
            sock.sendall(b"x")
            self.assertEqual(b"x", sock.recv(1))
        daemon.signal(signal.SIGHUP)
        daemon.waitFor("settings read again")

    def test_noLateImport(self) -> None:
        """Every module is imported, and every file of the page read, before root's rights end."""
        nobody = pwd.getpwnam("nobody")
        twistd = ("--uid", "nobody", "--gid", str(nobody.pw_gid))
        env = environment(NETDEMO_ADMIN="tcp:0", PYTHONPROFILEIMPORTTIME="1")
        with running(*ANYWHERE, twistd=twistd, env=env) as daemon:
            url = daemon.waitFor(
                r"admin: http://(?P<host>[^:]+):(?P<port>\d+)/\?token=(?P<token>\S+)"
            )
            self.visit(daemon, url)
            daemon.signal(signal.SIGTERM)
            self.assertEqual(-signal.SIGTERM, daemon.wait())
            after = daemon.log[url.end() :]
            self.assertEqual([], re.findall("^import time:.*$", after, re.MULTILINE))
            self.assertNotIn("Traceback", after)
