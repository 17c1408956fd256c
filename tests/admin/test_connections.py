"""The API of connections: lists, one of them, its stream, and its end."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from base64 import b64decode
from typing import Any
from urllib.parse import quote

import trustme
from twisted.trial.unittest import TestCase

from tests.support.adminsite import Admin, AdminTests
from tests.support.processes import PATIENCE, asked, readAll, readUntil, running, temporaryFolder


class ConnectionsTests(AdminTests):
    """What was said, and to whom."""

    def number(self, sock: socket.socket) -> int:
        """The number that the daemon gave the connection of this client."""
        peer = "{}:{}".format(*sock.getsockname())
        return next(int(one["id"]) for one in self.list(peer=peer) if one["peer"] == peer)

    def list(self, **query: Any) -> list[dict[str, Any]]:
        """What the list has, narrowed so."""
        asked = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        found = self.admin.ask(f"/api/v1/connections?{asked}")
        self.assertEqual(200, found.status, found.body)
        connections: list[dict[str, Any]] = found.json["connections"]
        return connections

    def over(self, id: int) -> Any:
        """A connection once it is closed."""
        for _ in range(10_000):
            one = self.admin.ask(f"/api/v1/connections/{id}").json
            if one["closed"] is not None:
                return one
        raise AssertionError(one)

    def test_one(self) -> None:
        """Each chunk as it was received and sent, with its callback, while it is open and
        after."""
        sock = self.connect("answer")
        asked(sock, b"how are u")
        id = self.number(sock)
        one = self.admin.ask(f"/api/v1/connections/{id}").json
        self.assertEqual(("answer", "tcp", None), (one["service"], one["kind"], one["closed"]))
        self.assertEqual("{}:{}".format(*self.daemon.address("answer")), one["host"])
        sock.sendall(b"bye\n")
        readAll(sock)
        sock.close()
        one = self.over(id)
        said = [(each["direction"], b64decode(each["data"])) for each in one["chunks"]]
        self.assertEqual(
            [("in", b"how are u\n"), ("out", b"fine\n"), ("in", b"bye\n"), ("out", b"Bye\n")],
            [each for each in said if each[1]],
        )
        self.assertEqual(("service", 14, 9), (one["closed"], one["bytesIn"], one["bytesOut"]))
        self.assertEqual("dataReceived", one["chunks"][0]["callback"])
        self.assertFalse(one["truncated"])

    def test_messages(self) -> None:
        """Where messages end is what the service has decided: three without a line end, each of
        which it answered before the next was sent; and a line in three chunks, sent at once."""
        with self.connect("answer") as sock:
            for part in (b"how ", b"are", b" u"):
                sock.sendall(part)
                self.assertEqual(b"Nothing", sock.recv(100))
            id = self.number(sock)
            said = [("in", "pause"), ("out", "write")] * 3
            one = self.admin.ask(f"/api/v1/connections/{id}").json
            self.assertEqual(
                said, [(each["direction"], each["ending"]) for each in one["messages"]]
            )
            self.assertEqual(
                [(0, 4, 1, 1), (4, 7, 2, 2), (7, 9, 3, 3)],
                [
                    (each["begin"], each["end"], each["first"], each["last"])
                    for each in one["messages"]
                    if each["direction"] == "in"
                ],
            )
            asked(sock, b"how are u")
            sock.shutdown(socket.SHUT_WR)
            readAll(sock)
        export = self.admin.ask(f"/api/v1/connections/{id}/export").body.decode()
        events = [json.loads(line) for line in export.splitlines()]
        sizes = [one["size"] for one in events if one["event"] == "paused"]
        self.assertEqual([4, 3, 2], sizes)
        stream = self.followed(id)
        streamed = re.findall(r"^event: message\ndata: (.*)$", stream, re.MULTILINE)
        self.assertEqual(self.over(id)["messages"], [*map(json.loads, streamed)])
        last = re.findall(r"^id: (.*)$", stream, re.MULTILINE)[-1]
        self.assertNotIn("event: message", self.followed(id, last))

    def followed(self, id: int, last: str = "") -> str:
        """The stream of a connection after this event, up to its end."""
        with socket.create_connection((self.admin.host, self.admin.port), PATIENCE) as watcher:
            watcher.sendall(
                f"GET /api/v1/connections/{id}/events HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {self.admin.token}\r\n"
                f"Last-Event-ID: {last}\r\n\r\n".encode()
            )
            data = readUntil(watcher, lambda data: b"event: closed" in data)
        return data.decode()

    def test_list(self) -> None:
        """Narrowed by service, state, peer, reason, text and time; page by page, the latest
        first."""
        socks = [self.connect("chat") for _ in range(5)]
        for sock in socks:
            sock.recv(100)
        socks[0].sendall(b"Quaxolotl\n")
        for sock in socks[1:]:
            readUntil(sock, lambda data: b"Quaxolotl" in data)
        ids = [self.number(sock) for sock in socks]
        # Who said it, and who heard it; not who was never there.
        said = [one["id"] for one in self.list(text="quaxOLotl\n")]
        self.assertEqual(ids[::-1], said)
        self.assertEqual([], self.list(text="quaxOLotl\n", service="echo"))
        found = [one["id"] for one in self.list(service="chat", state="open")]
        self.assertEqual(ids[::-1], found[:5])
        self.assertEqual([], self.list(service="chat", state="closed", since=2e9))
        opened = self.admin.ask(f"/api/v1/connections/{ids[2]}").json["opened"]
        latest = self.list(service="chat", since=opened)
        self.assertEqual(ids[:1:-1], [one["id"] for one in latest])
        self.assertNotIn(ids[3], [one["id"] for one in self.list(until=opened, limit=1000)])
        page = self.admin.ask("/api/v1/connections?service=chat&limit=2").json
        self.assertEqual(ids[:2:-1], [one["id"] for one in page["connections"]])
        self.assertEqual(ids[3], page["before"])
        rest = self.list(service="chat", before=page["before"])
        self.assertEqual(ids[2::-1], [one["id"] for one in rest][:3])
        socks[4].sendall(b"byebye\n")
        readAll(socks[4])
        socks[4].close()
        self.over(ids[4])
        self.assertIn(ids[4], [one["id"] for one in self.list(reason="service")])
        self.assertIsNone(self.admin.ask("/api/v1/connections?service=nosuch").json["before"])

    def test_badQueries(self) -> None:
        """What narrows nothing is told."""
        for query in (
            *("state=half", "limit=0", "limit=1001", "limit=x", "limit=nan", "since=-1"),
            *("since=inf&since=1", "before=x", "format=jsonl", "until=nan", "limit=1.5"),
        ):
            got = self.admin.ask(f"/api/v1/connections?{query}")
            self.assertEqual(400, got.status, query)
        for path in ("0", "999999", "x", "-1", "1/export", "999999/close", "1/nothing"):
            got = self.admin.ask(f"/api/v1/connections/{path}")
            self.assertIn(got.status, (404, 405, 200), path)
        self.assertEqual(404, self.admin.ask("/api/v1/connections/999999").status)
        self.assertEqual(404, self.admin.ask("/api/v1/connections/999999/close", "POST").status)
        self.assertEqual(404, self.admin.ask("/api/v1/connections/999999/events").status)

    def test_reset(self) -> None:
        """The client gets a RST, at once."""
        sock = self.connect("echo")
        sock.sendall(b"x")
        sock.recv(1)
        id = self.number(sock)
        self.assertEqual(202, self.admin.ask(f"/api/v1/connections/{id}/reset", "POST").status)
        self.assertRaises(ConnectionResetError, sock.recv, 1)
        self.assertEqual("admin", self.over(id)["closed"])
        self.assertEqual(404, self.admin.ask(f"/api/v1/connections/{id}/reset", "POST").status)

    def test_close(self) -> None:
        """The client gets what was sent to it and a FIN, and no RST for what it still sends."""
        for service in ("echo", "chat", "receive"):
            sock = self.connect(service)
            if service == "echo":
                sock.sendall(b"x" * 100_000)
            id = self.number(sock)
            self.assertEqual(202, self.admin.ask(f"/api/v1/connections/{id}/close", "POST").status)
            got = readAll(sock)
            if service == "echo":
                self.assertEqual(b"", got.strip(b"x"))
            sock.sendall(b"late")
            sock.close()
            self.assertEqual("admin", self.over(id)["closed"])

    def test_closeTwice(self) -> None:
        """Whoever closes or resets what is closing already leaves nothing behind."""
        for second in ("close", "reset"):
            sock = self.connect("chat")
            sock.recv(100)
            id = self.number(sock)
            self.assertEqual(202, self.admin.ask(f"/api/v1/connections/{id}/close", "POST").status)
            again = self.admin.ask(f"/api/v1/connections/{id}/{second}", "POST")
            self.assertEqual(202, again.status)
            sock.close()
            self.over(id)
        # The looks at a closing connection come four times a second.
        one = self.connect("receive")
        one.settimeout(0.4)
        self.assertRaises(TimeoutError, one.recv, 1)
        one.close()
        self.daemon.waitFor(r"receive: .* closed .*: client FIN")
        self.assertNotIn("Traceback", self.daemon.log)

    def test_follow(self) -> None:
        """One connection's stream: what was said, what is said, and its end."""
        sock = self.connect("echo")
        asked(sock, b"first")
        id = self.number(sock)
        with socket.create_connection((self.admin.host, self.admin.port), PATIENCE) as watcher:
            watcher.sendall(
                f"GET /api/v1/connections/{id}/events HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {self.admin.token}\r\nLast-Event-ID: 1\r\n\r\n".encode()
            )
            asked(sock, b"second")
            sock.close()
            data = b""
            while b"event: closed" not in data:
                data += watcher.recv(65536)
        told = [json.loads(line[6:]) for line in data.decode().splitlines() if line[:6] == "data: "]
        chunks = [(one["direction"], b64decode(one["data"])) for one in told if "data" in one]
        # The first was had already.
        self.assertEqual(
            [("out", b"first\n"), ("in", b"second\n"), ("out", b"second\n"), ("in", b"")], chunks
        )

    def test_export(self) -> None:
        """One connection, or those that a search finds, as JSON lines and as a capture."""
        said = b"Zanzibar \x00\xff\n"
        sock = self.connect("echo")
        asked(sock, said[:-1])
        id = self.number(sock)
        sock.close()
        self.over(id)
        for path in (f"connections/{id}/export?", "export?text=zanzibar&", "export?service=echo&"):
            lines = self.admin.ask(f"/api/v1/{path}format=jsonl")
            self.assertEqual("application/x-ndjson", lines.headers["Content-Type"])
            events = [json.loads(one) for one in lines.body.splitlines()]
            mine = [one for one in events if one["id"] == id]
            data = b"".join(
                one["data"].encode("latin-1") for one in mine if one["event"] == "received"
            )
            self.assertEqual(said, data)
            self.assertEqual(("opened", "closed"), (mine[0]["event"], mine[-1]["event"]))
            capture = self.admin.ask(f"/api/v1/{path}format=pcapng")
            self.assertEqual("application/x-pcapng", capture.headers["Content-Type"])
            self.assertIn(".pcapng", capture.headers["Content-Disposition"])
            self.assertEqual(b"\x0a\x0d\x0d\x0a", capture.body[:4])
            self.assertEqual(2, capture.body.count(said))
        self.assertEqual(400, self.admin.ask("/api/v1/export?format=xml").status)
        self.assertEqual(b"", self.admin.ask("/api/v1/export?service=nosuch").body)
        self.assertEqual(b"", self.admin.ask("/api/v1/export", "HEAD").body)

    def test_largeExport(self) -> None:
        """An export that is far larger than what is made at once is whole."""
        data = bytes(range(256)) * 250
        for _ in range(20):
            with self.connect("echo") as sock:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                self.assertEqual(data, readAll(sock))
        lines = self.admin.ask("/api/v1/export?service=echo").body.splitlines()
        sizes = [one["size"] for one in map(json.loads, lines) if one["event"] == "received"]
        # The journal has the first 64 KiB of each, both directions together.
        self.assertGreaterEqual(sum(sizes), 20 * 16_000)


class TLSTests(TestCase):
    """A connection behind TLS."""

    def test_close(self) -> None:
        """It is closed as TLS closes: with a goodbye, so that nothing seems cut off."""
        folder = temporaryFolder(self)
        authority = trustme.CA()
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
            str(folder / "pem")
        )
        flags = ("--only", "echo", "--echo", f"ssl:0:privateKey={folder}/pem")
        with running(*flags, "--admin", "tcp:0") as daemon:
            admin = Admin(daemon)
            context = ssl.create_default_context()
            authority.configure_trust(context)
            raw = socket.create_connection(daemon.address("echo", "ssl"), PATIENCE)
            with context.wrap_socket(
                raw, server_hostname="localhost", suppress_ragged_eofs=False
            ) as sock:
                sock.sendall(b"x")
                self.assertEqual(b"x", sock.recv(1))
                [one] = admin.ask("/api/v1/connections").json["connections"]
                self.assertEqual("tls", one["kind"])
                admin.ask(f"/api/v1/connections/{one['id']}/close", "POST")
                # Without a goodbye this would raise.
                self.assertEqual(b"", sock.recv(1))


class UnkeptTests(AdminTests):
    """Open connections that the journal does not keep."""

    flags = (*AdminTests.flags, "--journal", "0")

    def test_open(self) -> None:
        """They are listed and looked at while they are open, without what was said, and can
        be ended; what the journal would have had is not to be had."""
        sock = self.connect("echo")
        sock.sendall(b"hello")
        readUntil(sock, b"hello")
        peer = "{}:{}".format(*sock.getsockname())
        [one] = self.admin.ask(f"/api/v1/connections?state=open&peer={peer}").json["connections"]
        self.assertEqual(("echo", "tcp", peer), (one["service"], one["kind"], one["peer"]))
        self.assertEqual("{}:{}".format(*self.daemon.address("echo")), one["host"])
        self.assertEqual((5, 5, None, True), tuple(map(one.get, _SIZES)))
        path = f"/api/v1/connections/{one['id']}"
        again = self.admin.ask(path).json
        for opened in (one.pop("opened"), again.pop("opened")):
            self.assertLess(abs(time.time() - opened), PATIENCE)
        self.assertEqual({**one, "chunks": [], "messages": [], "faults": []}, again)
        for kept in ("export", "events"):
            self.assertEqual(404, self.admin.ask(f"{path}/{kept}").status)
        for narrowed in ("state=closed", "text=hello", "service=chat", f"before={one['id']}"):
            found = self.admin.ask(f"/api/v1/connections?peer={peer}&{narrowed}").json
            self.assertEqual([], found["connections"], narrowed)
        self.assertEqual(202, self.admin.ask(f"{path}/close", "POST").status)
        self.assertEqual(b"", sock.recv(1))
        sock.close()


_SIZES = ("bytesIn", "bytesOut", "closed", "truncated")
