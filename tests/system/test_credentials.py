"""The credentials of the admin site, planted in every service: nothing shows one that is of use."""

from __future__ import annotations

import json
import socket
from base64 import b64decode
from collections.abc import Iterator

from twisted.trial.unittest import TestCase

from tests.support.adminsite import Admin
from tests.support.processes import ANYWHERE, Running, readUntil, running, temporaryFolder

TOKEN = "rKsT-0123456789_abcdefABCDEF"
#: So many characters of a credential in a row are too many.
PART = 12


def parts(secret: str) -> Iterator[bytes]:
    for at in range(len(secret) - PART + 1):
        yield secret[at : at + PART].encode()


class Planted:
    """A daemon with a token that somebody chose, whose admin site is read with it."""

    def __init__(self, daemon: Running) -> None:
        self.daemon = daemon
        self.admin = Admin.__new__(Admin)
        self.admin.host = "127.0.0.1"
        self.admin.port = int(daemon.waitFor(r"admin: http://127\.0\.0\.1:(\d+)/$")[1])
        self.admin.token = TOKEN
        visit = self.admin.ask(f"/?token={TOKEN}", token=None)
        self.header = visit.headers["Set-Cookie"].partition(";")[0]
        self.cookie = self.header.partition("=")[2]

    def tcp(self, service: str, *pieces: bytes) -> None:
        """Send these, each once the one before has arrived, and wait for the end."""
        with self.daemon.connect(service) as sock:
            here = sock.getsockname()[1]
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sent = 0
            for piece in pieces:
                sock.sendall(piece)
                sent += len(piece)
                while self.bytesIn(here) < sent:
                    pass
            sock.shutdown(socket.SHUT_WR)
            readUntil(sock, lambda data: False)

    def udp(self, service: str, datagram: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.sendto(datagram, self.daemon.address(service, "udp"))
            here = sock.getsockname()[1]
            while self.bytesIn(here) < len(datagram):
                pass

    def bytesIn(self, port: int) -> int:
        found = self.admin.ask(f"/api/v1/connections?peer=127.0.0.1:{port}").json["connections"]
        return found[0]["bytesIn"] if found else 0

    def shown(self) -> Iterator[tuple[str, bytes]]:
        """Everything that the site shows and exports, with chunks as they are decoded."""
        for format in ("jsonl", "pcapng"):
            yield format, self.admin.ask(f"/api/v1/export?format={format}").body
        for path in ("/", "/metrics", "/api/v1/services", "/api/v1/faults", "/version"):
            yield path, self.admin.ask(path).body
        listed = self.admin.ask("/api/v1/connections?limit=1000").json["connections"]
        for one in listed:
            chunks = self.admin.ask(f"/api/v1/connections/{one['id']}").json["chunks"]
            for direction in ("in", "out"):
                data = [b64decode(one["data"]) for one in chunks if one["direction"] == direction]
                yield f"chunks of {one}", b"".join(data)
        yield "all", json.dumps(listed).encode()


class SweepTests(TestCase):
    """One daemon in which every service gets the token and the cookie, in every way."""

    def test_sweep(self) -> None:
        """No log, event, journal, export or page has a part of them that is of use."""
        events = temporaryFolder(self) / "events"
        flags = (*ANYWHERE, "--admin", "tcp:0", "--admin-token", TOKEN, "--events", str(events))
        with running(*flags, "--chat-burst", "100", "--events-payload", "70") as daemon:
            planted = Planted(daemon)
            for secret in (TOKEN, planted.cookie):
                self.plant(planted, secret)
            shown = dict(planted.shown())
            daemon.stop()
            shown["log"], shown["events"] = daemon.log.encode(), events.read_bytes()
        # It was there: this is what stands for it.
        for place in ("log", "events", "jsonl", "pcapng"):
            self.assertIn(b"*" * len(TOKEN), shown[place], place)
        for place, data in shown.items():
            for secret in (TOKEN, planted.cookie):
                found = [part for part in parts(secret) if part in data]
                self.assertEqual([], found, place)

    def plant(self, planted: Planted, secret: str) -> None:
        data = f"{secret}\n".encode()
        for service in ("echo", "receive", "answer", "chat"):
            planted.tcp(service, data)
            planted.tcp(service, b"token " + data[:9], data[9:])
        planted.tcp("echo", *(bytes([byte]) for byte in data))
        # Cut where a line of the log and an event end.
        planted.tcp("receive", b"x" * (256 - len(secret) + 3) + data)
        planted.tcp("receive", b"x" * (70 - len(secret) + 3) + data)
        for service in ("receive", "datagram"):
            planted.udp(service, data)
        for head in (
            f"GET /?name={secret} HTTP/1.1\r\n",
            f"GET / HTTP/1.1\r\nCookie: a=b; {planted.header}; c={secret}\r\n",
            f"GET / HTTP/1.1\r\nAuthorization: Bearer {secret}\r\n",
            f"GET / HTTP/1.1\r\n{secret}: {secret}\r\n",
        ):
            planted.tcp("hello", f"{head}Host: localhost\r\n\r\n".encode())

    def test_restarted(self) -> None:
        """A cookie is of no use at the next start, even with the same token."""
        flags = (*ANYWHERE, "--admin", "tcp:0", "--admin-token", TOKEN)
        with running(*flags) as daemon:
            before = Planted(daemon)
            got = before.admin.ask("/api/v1/services", token=None, Cookie=before.header)
            self.assertEqual(200, got.status)
        with running(*flags) as daemon:
            after = Planted(daemon)
            name = after.header.partition("=")[0]
            for value, status in ((before.cookie, 401), (after.cookie, 200)):
                cookie = f"{name}={value}"
                got = after.admin.ask("/api/v1/services", token=None, Cookie=cookie)
                self.assertEqual(status, got.status)
