"""Faulty responses of a real daemon, as curl, Python's HTTP clients and Chromium see them."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.adminsite import AdminTests
from tests.support.browser import browser
from tests.support.processes import PATIENCE, ROOT, readAll, readUntil, running, temporaryFolder
from tests.support.servers import serve
from tests.system.test_exact import certificates
from tests.system.test_faults import connected
from twistednet.faults.kinds.responses import RESPONSE_KINDS

#: Seconds that a client waits for what is delayed by minutes.
SOON = 0.8


class ServerRecord(NamedTuple):
    """What each client makes of a fault.

    curl: its exit status, then its message or the body. http.client, requests and httpx: an
    exception, or status and body. Chromium: an error, or status and body.
    """

    curl: str
    python: str
    requests: str
    httpx: str
    chromium: str


FINE = "200 Hello World!"

#: "No error" is looked for too, where a client accepts what it should not.
SEEN = {
    "status 503": ServerRecord(
        curl="0 503 Service Unavailable",
        python="503 503 Service Unavailable",
        requests="503 503 Service Unavailable",
        httpx="503 503 Service Unavailable",
        chromium="503 503 Service Unavailable",
    ),
    "redirect loop": ServerRecord(
        curl=r"47 .*Maximum \(9\) redirects followed",
        python="302 302 Found",
        requests="TooManyRedirects Exceeded 30 redirects",
        httpx="TooManyRedirects",
        chromium="ERR_TOO_MANY_REDIRECTS",
    ),
    "redirect chain of 3": ServerRecord(
        curl="0 Hello World!", python="302 302 Found", requests=FINE, httpx=FINE, chromium=FINE
    ),
    # requests raises ReadTimeout only for headers that are late.
    "latency before body 1min": ServerRecord(
        curl="28 .* with 0 out of 12 bytes received",
        python="TimeoutError",
        requests="ConnectionError .*Read timed out",
        httpx="ReadTimeout",
        chromium="200 TimeoutError",
    ),
    "latency in body 1min": ServerRecord(
        curl="28 .* with 6 out of 12 bytes received",
        python="TimeoutError",
        requests="ConnectionError .*Read timed out",
        httpx="ReadTimeout",
        chromium="200 TimeoutError",
    ),
    # Taken for HTTP/0.9, which all of them refuse.
    "no status line": ServerRecord(
        curl="1 .*Received HTTP/0.9 when not allowed",
        python="BadStatusLine.*Server: twistednet",
        requests="ConnectionError .*BadStatusLine.*Server: twistednet",
        httpx="RemoteProtocolError illegal status line.*Server: twistednet",
        chromium="ERR_INVALID_HTTP_RESPONSE",
    ),
    # Chromium looks for the status line in the first few bytes only.
    "bytes before status line": ServerRecord(
        curl="1 .*Received HTTP/0.9 when not allowed",
        python="BadStatusLine.*garbage",
        requests="ConnectionError .*BadStatusLine.*garbage",
        httpx="RemoteProtocolError illegal status line.*garbage",
        chromium="ERR_INVALID_HTTP_RESPONSE",
    ),
    # RFC 9110, 8.6, allows it.
    "duplicate content-length": ServerRecord(
        curl="0 Hello World!", python=FINE, requests=FINE, httpx=FINE, chromium=FINE
    ),
    # curl goes by the last one, http.client by the first.
    "conflicting content-length": ServerRecord(
        curl=r"18 .*\b1 bytes",
        python=FINE,
        requests=r"InvalidHeader .*\(12, 13\)",
        httpx="RemoteProtocolError conflicting Content-Length headers",
        chromium="ERR_RESPONSE_HEADERS_MULTIPLE_CONTENT_LENGTH",
    ),
    "bad chunk size": ServerRecord(
        curl="56 .*hex",
        python=r"IncompleteRead\(0 bytes read",
        requests="ChunkedEncodingError .*InvalidChunkLength",
        httpx="RemoteProtocolError illegal chunk header",
        chromium="ERR_INVALID_CHUNKED_ENCODING",
    ),
    "truncated body": ServerRecord(
        curl=r"18 .*\b1 bytes",
        python=r"IncompleteRead\(12 bytes read, 1 more",
        requests=r"ChunkedEncodingError .*IncompleteRead\(12 bytes read, 1 more",
        httpx="RemoteProtocolError .*received 12 bytes, expected 13",
        chromium="ERR_CONTENT_LENGTH_MISMATCH",
    ),
    # What comes after the body is thrown away with the connection.
    "surplus body": ServerRecord(
        curl="0 Hello World!", python=FINE, requests=FINE, httpx=FINE, chromium=FINE
    ),
    # http.client decodes nothing.
    "wrong content-encoding": ServerRecord(
        curl="61 .*Error while processing content unencoding",
        python=FINE,
        requests="ContentDecodingError",
        httpx="DecodingError",
        chromium="ERR_CONTENT_DECODING_FAILED",
    ),
    "endless headers": ServerRecord(
        curl="56 .*Too large response headers",
        python="HTTPException.*got more than 100 headers",
        requests="ConnectionError .*got more than 100 headers",
        httpx="RemoteProtocolError Receive buffer too long",
        chromium="ERR_RESPONSE_HEADERS_TOO_BIG",
    ),
    # All but httpx take a FIN for the end of the headers, which RFC 9112, 8, calls incomplete.
    "close in headers": ServerRecord(
        curl="0 ",
        python="200 ",
        requests="200 ",
        httpx="RemoteProtocolError Server disconnected without sending a response",
        chromium="200 ",
    ),
    "close in body": ServerRecord(
        curl=r"18 .*\b6 bytes",
        python=r"IncompleteRead\(6 bytes read, 6 more",
        requests=r"ChunkedEncodingError .*IncompleteRead\(6 bytes read, 6 more",
        httpx="RemoteProtocolError .*received 6 bytes, expected 12",
        chromium="ERR_CONTENT_LENGTH_MISMATCH",
    ),
    "reset in headers": ServerRecord(
        curl="56 .*Connection reset by peer",
        python="ConnectionResetError",
        requests="ConnectionError .*ConnectionResetError",
        httpx="ReadError .*Connection reset by peer",
        chromium="ERR_CONNECTION_RESET",
    ),
    "reset in body": ServerRecord(
        curl="56 .*Connection reset by peer",
        python="ConnectionResetError",
        requests="ChunkedEncodingError .*ConnectionResetError",
        httpx="ReadError .*Connection reset by peer",
        chromium="ERR_CONNECTION_RESET",
    ),
}

#: What the table of the documentation calls other than the client does, and what that is.
ACCEPTED = {
    "no error": "0 |200 ",
    "does not follow": "302",
    "does not decode": "200 Hello",
}
_COLUMNS = ("curl", "python", "requests", "httpx", "chromium")


def _documented(client: str) -> dict[str, str]:
    """Return what docs/fault-kinds.md says of a client, by rule, up to the first comma."""
    page = (ROOT / "docs" / "fault-kinds.md").read_text()
    rows = re.findall(r"^\| (.+) \|$", page.partition("### What clients make")[2], re.MULTILINE)
    cells = [row.split(" | ") for row in rows[1:] if "---" not in row]
    return {row[0]: row[1 + _COLUMNS.index(client)].partition(",")[0] for row in cells}


_FETCH = """
const [paths, limit, done] = arguments;
const get = async (path) => {
  const signal = AbortSignal.timeout(path.includes("latency") ? limit : 1e5);
  let status = "";
  try {
    const reply = await fetch(path, {signal});
    status = reply.status;
    return `${status} ${await reply.text()}`;
  } catch (error) {
    return `${status} ${error.name}`;
  }
};
Promise.all(paths.map(get)).then(done);
"""


def _path(rule: str) -> str:
    return f"/{rule.replace(' ', '-')}/"


class SeenTests(AdminTests):
    """Each kind, on a path of its own."""

    flags = (
        *("--only", "hello", "--hello", "tcp:0", "--admin", "tcp:0"),
        *(
            word
            for rule in SEEN
            for word in ("--fault", f'hello: {rule}, matching "{_path(rule)}", seed 7')
        ),
    )

    def setUp(self) -> None:
        super().setUp()
        # The log is a pipe, which what all clients are sent would fill.
        self.daemon.readLog()
        self.host, self.port = self.daemon.address("hello")
        self.url = f"http://{self.host}:{self.port}"

    def assertSeen(self, client: str, got: dict[str, str]) -> None:
        """Check each kind against the table, and against that of the documentation."""
        for rule, one in got.items():
            self.assertRegex(one, f"(?s)\\A{getattr(SEEN[rule], client)}", rule)
        shown = _documented(client)
        self.assertEqual(
            {rule for rule in SEEN if not re.search("status 503|latency", rule)}, set(shown)
        )
        for rule, cell in shown.items():
            self.assertRegex(got[rule], rf"\A({ACCEPTED.get(cell, re.escape(cell))})", (rule, cell))

    def test_every(self) -> None:
        """The table has every kind."""
        asked = {re.sub(r"\b(503|1min|3)\b", "_", rule) for rule in SEEN}
        forms = {re.sub(r"STATUS|TIME|\bN\b", "_", kind.form.text) for kind in RESPONSE_KINDS}
        self.assertEqual(forms, asked)

    def test_curl(self) -> None:
        """By its exit status and message."""
        if shutil.which("curl") is None:
            raise SkipTest("curl is not installed")
        command = ["curl", "-sSL", "--max-redirs", "9", "--compressed", "-m"]
        running = {
            rule: subprocess.Popen(
                [*command, str(SOON if "latency" in rule else PATIENCE), self.url + _path(rule)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rule in SEEN
        }
        got = {}
        for rule, one in running.items():
            body, said = one.communicate(timeout=PATIENCE)
            got[rule] = f"{one.returncode} {said or body}"
        self.assertSeen("curl", got)

    def test_python(self) -> None:
        """By what http.client raises or returns."""
        with ThreadPoolExecutor(len(SEEN)) as pool:
            self.assertSeen("python", dict(zip(SEEN, pool.map(self._asked, SEEN), strict=True)))

    def _asked(self, rule: str) -> str:
        limit = SOON if "latency" in rule else PATIENCE
        connection = http.client.HTTPConnection(self.host, self.port, timeout=limit)
        with contextlib.closing(connection):
            connection.request("GET", _path(rule))
            try:
                reply = connection.getresponse()
                return f"{reply.status} {reply.read().decode()}"
            except (OSError, http.client.HTTPException) as error:
                return repr(error)

    def test_requests(self) -> None:
        """By what requests raises or returns; it follows redirects."""
        try:
            import requests
        except ImportError:
            raise SkipTest("requests is not installed") from None

        def ask(url: str, limit: float) -> tuple[int, str]:
            with requests.Session() as session:
                session.trust_env = False
                response = session.get(url, timeout=limit)
            return response.status_code, response.text

        self.assertSeen("requests", self._got(ask, requests.RequestException))

    def test_httpx(self) -> None:
        """By what httpx raises or returns; it follows redirects on request."""
        try:
            import httpx
        except ImportError:
            raise SkipTest("httpx is not installed") from None

        def ask(url: str, limit: float) -> tuple[int, str]:
            response = httpx.get(url, timeout=limit, follow_redirects=True, trust_env=False)
            return response.status_code, response.text

        self.assertSeen("httpx", self._got(ask, httpx.HTTPError))

    def _got(
        self, ask: Callable[[str, float], tuple[int, str]], error: type[Exception]
    ) -> dict[str, str]:
        """Return what each rule gives a client that is called with a URL and a time limit."""

        def one(rule: str) -> str:
            try:
                status, text = ask(self.url + _path(rule), SOON if "latency" in rule else PATIENCE)
            except error as raised:
                return f"{type(raised).__name__} {raised}"
            return f"{status} {text}"

        with ThreadPoolExecutor(len(SEEN)) as pool:
            return dict(zip(SEEN, pool.map(one, SEEN), strict=True))

    def test_chromium(self) -> None:
        """By the error in its console, or what the page gets."""
        chromium = browser()
        chromium.driver.get(self.url)
        chromium.complaints()
        paths = [_path(rule) for rule in SEEN]
        results = chromium.driver.execute_async_script(_FETCH, paths, SOON * 1000)
        got = dict(zip(SEEN, results, strict=True))
        for complaint in chromium.complaints():
            found = re.search(r"http://[^/]+(/\S+/) - .*net::(ERR_\w+)", complaint)
            if found:
                [rule] = [rule for rule in SEEN if _path(rule) == found[1]]
                got[rule] = found[2]
        self.assertSeen("chromium", got)

    def test_desynchronised(self) -> None:
        """After the surplus bytes the connection ends, so that a client cannot take them for a
        response."""
        sock = self.connect("hello")
        request = "GET {} HTTP/1.1\r\nHost: a\r\n\r\n"
        sock.sendall((request.format(_path("surplus body")) * 2).encode())
        first, _, rest = readAll(sock).partition(b"Hello World!")
        self.assertRegex(first, rb"\AHTTP/1.1 200 [^!]*Content-Length: 12\r\n\r\n\Z")
        self.assertEqual(b"surplus", rest)

    def test_reported(self) -> None:
        """The fault is in the log, the metrics, the API and the response."""
        path = f"{_path('status 503')}?told"
        sock = self.connect("hello")
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        reply = readUntil(sock, b"Unavailable\n").decode()
        rule = 'hello: status 503, matching "/status-503/", seed 7'
        found = re.search(rf"^X-Netdemo-Fault: {re.escape(rule)}; (\d+)\r$", reply, re.MULTILINE)
        assert found is not None, reply
        count = found[1]
        self.logged(re.escape(f"fault status: status 503 for {path} ({rule}; {count} by now"), sock)
        self.logged("asked, and got 503", sock)
        page = self.admin.ask("/metrics").body.decode()
        self.assertIn(f'faults_total{{fault="status",service="hello"}} {count}.0', page)
        first, *_ = self.admin.ask("/api/v1/faults").json["faults"]
        self.assertEqual(
            (rule, "status", int(count)), (first["rule"], first["kind"], first["acted"])
        )


class RetryTests(SynchronousTestCase):
    """Clients that try again."""

    @pytest.mark.slow
    def test_curl(self) -> None:
        """It gets the fault twice, then the response."""
        if shutil.which("curl") is None:
            raise SkipTest("curl is not installed")
        server = serve(self, "hello", faults=["status 503, first 2"])
        url = f"http://{server.host}:{server.port}/"
        command = ["curl", "-sS", "--retry", "2", "--retry-delay", "1", url]
        got = subprocess.run(command, capture_output=True, timeout=PATIENCE)
        self.assertEqual((0, 2), (got.returncode, got.stdout.count(b"503 Service Unavailable\n")))
        self.assertTrue(got.stdout.endswith(b"Hello World!"))

    def test_requests(self) -> None:
        """So does urllib3 under requests, which counts."""
        try:
            import requests
            from requests.adapters import HTTPAdapter
            from urllib3.util import Retry
        except ImportError:
            raise SkipTest("requests is not installed") from None
        server = serve(self, "hello", faults=["status 503, first 2"])
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=Retry(3, status_forcelist=[503])))
            reply = session.get(f"http://{server.host}:{server.port}/", timeout=PATIENCE)
        self.assertEqual((200, 2), (reply.status_code, len(reply.raw.retries.history)))


class LifeTests(SynchronousTestCase):
    """A daemon of the test's own."""

    def test_reloadAndStop(self) -> None:
        """Under TLS the ends are the same; a reload and a drain let a delayed response complete."""
        folder = temporaryFolder(self)
        context = ssl.create_default_context()
        certificates(folder).configure_trust(context)
        config = folder / "netdemo.toml"
        rules = [f'hello: {one} in body, matching "/{one}"' for one in ("close", "reset")]
        cut = "hello: reset after 100 bytes, from 127.0.0.2"
        late = 'hello: latency before body 500ms, matching "/late"'
        config.write_text(f"fault = {json.dumps([*rules, cut, late])}")
        keys = f"privateKey={folder}/key.pem:certKey={folder}/cert.pem"
        flags = ("--hello=tcp:0", f"--hello=ssl:0:{keys}", f"--config={config}", "--events=events")
        with running("--only=hello", *flags) as daemon:
            for path, source, last in (
                ("/close", "127.0.0.1", b"Hello "),
                ("/reset", "127.0.0.1", b"Hello "),
                ("/", "127.0.0.2", b""),
            ):
                with connected(daemon.address("hello", "ssl"), source) as raw:
                    self._checkTLS(context, raw, path, last)
            with daemon.connect("hello") as sock:
                began = time.monotonic()
                sock.sendall(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertIn(b"Content-Length: 12", readUntil(sock, b"\r\n\r\n"))
                config.write_text("fault = []")
                daemon.signal(signal.SIGHUP)
                daemon.waitFor("settings read again")
                daemon.signal(signal.SIGTERM)
                self.assertEqual(b"Hello World!", readAll(sock))
                self.assertGreater(time.monotonic() - began, 0.49)
            self.assertEqual(-signal.SIGTERM, daemon.wait())
            self.assertNotIn("Traceback", daemon.log)
            lines = (daemon.path / "events").read_text().splitlines()
        told = [one for one in map(json.loads, lines) if one["event"] == "faulted"]
        self.assertEqual(
            ["close in body for /close", "reset in body for /reset"],
            [one["did"] for one in told[:2]],
        )
        self.assertEqual(("latency", 1), (told[-1]["fault"], told[-1]["count"]))

    def _checkTLS(
        self, context: ssl.SSLContext, raw: socket.socket, path: str, last: bytes
    ) -> None:
        """Check that all that may pass has passed, and then the end comes."""
        with context.wrap_socket(
            raw, server_hostname="localhost", suppress_ragged_eofs=False
        ) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            if last:
                self.assertTrue(readUntil(sock, last).endswith(b"\r\n\r\n" + last), path)
            else:
                self.assertEqual(100, len(readUntil(sock, lambda data: len(data) >= 100)))
            if path == "/close":
                self.assertEqual(b"", sock.recv(1))
            else:
                # OpenSSL takes a RST for an end without close_notify.
                self.assertRaises((ConnectionResetError, ssl.SSLEOFError), sock.recv, 1)
