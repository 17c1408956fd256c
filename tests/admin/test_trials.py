"""Try it: the daemon speaks to itself as somebody asked."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from tests.support.adminsite import AdminTests, Answer
from tests.support.processes import ANYWHERE
from twistednet.admin import trial as trials
from twistednet.admin.trialclient import StreamClient
from twistednet.admin.trials import MAX_RUNNING


def piece(data: bytes, **more: Any) -> dict[str, Any]:
    """One write, as JSON has it."""
    return {"data": b64encode(data).decode(), **more}


class ClientTests(SynchronousTestCase):
    """The client alone."""

    def test_noDelay(self) -> None:
        """The writes of a trial are not held back to be sent together (Nagle)."""
        transport: Any = StringTransport()
        told: list[bool] = []
        transport.setTcpNoDelay = told.append
        StreamClient(lambda direction, data: None, lambda how: None).makeConnection(transport)
        self.assertEqual([True], told)


class TryTests(AdminTests):
    """On a daemon with every kind of socket."""

    flags = (*ANYWHERE, "--echo", "unix:echo.sock", "--echo", "tcp6:0", "--admin", "tcp:0")

    def tryIt(self, service: str, *pieces: dict[str, Any], **more: Any) -> Answer:
        return self.admin.ask(
            "/api/v1/try", "POST", {"service": service, "pieces": list(pieces), **more}
        )

    def over(self, begun: Answer) -> Any:
        """The trial once it is over."""
        self.assertEqual(201, begun.status, begun.body)
        for _ in range(10_000):
            trial = self.admin.ask(begun.headers["Location"]).json
            if trial["ended"] is not None:
                return trial
        raise AssertionError(trial)

    def heard(self, trial: Any) -> bytes:
        """What came back."""
        return b"".join(
            b64decode(one["data"]) for one in trial["chunks"] if one["direction"] == "received"
        )

    def test_halfClose(self) -> None:
        """Pieces arrive apart; after the last one the client closes its side, and reads on."""
        begun = self.tryIt(
            "answer",
            piece(b"how are u"),
            piece(b"\nhow old", pauseMs=30),
            piece(b" are u\n", pauseMs=30),
            halfClose=True,
        )
        trial = self.over(begun)
        self.assertEqual(b"fine\nnicai\n", self.heard(trial))
        self.assertEqual("server FIN", trial["ended"])
        sent = [one for one in trial["chunks"] if one["direction"] == "sent"]
        self.assertEqual(3, len(sent))
        self.assertGreaterEqual(sent[2]["at"] - sent[1]["at"], 0.03)
        self.daemon.waitFor(rf"answer: .* closed \(#{begun.json['connection']}\): client FIN; 24 B")

    def test_reset(self) -> None:
        """The service sees a RST, after what was sent."""
        begun = self.tryIt("echo", piece(b"x" * 10), reset=True)
        self.assertEqual("client RST", self.over(begun)["ended"])
        self.daemon.waitFor(rf"echo: .* closed \(#{begun.json['connection']}\): client RST; 10 B")

    def test_silence(self) -> None:
        """Who neither closes nor resets closes after a second in which nothing came."""
        begun = self.tryIt("echo", piece(b"hello"))
        trial = self.over(begun)
        self.assertEqual(("client FIN", b"hello"), (trial["ended"], self.heard(trial)))

    def test_datagrams(self) -> None:
        """Each piece is a datagram, and each comes back as one."""
        begun = self.tryIt("datagram", piece(b"one"), piece(b""), piece(b"three"))
        trial = self.over(begun)
        received = [one["data"] for one in trial["chunks"] if one["direction"] == "received"]
        self.assertEqual([piece(data)["data"] for data in (b"one", b"", b"three")], received)
        self.assertEqual(("udp", "silence"), (trial["kind"], trial["ended"]))

    def test_unix(self) -> None:
        """Over a UNIX socket the client has a name, so that its connection is found."""
        begun = self.tryIt("echo", piece(b"x"), halfClose=True, kind="unix")
        trial = self.over(begun)
        self.assertEqual((b"x", "server FIN"), (self.heard(trial), trial["ended"]))
        self.daemon.waitFor(rf"echo: unix:\S+ closed \(#{begun.json['connection']}\)")

    def test_serverEnds(self) -> None:
        """A service that ends the conversation first: what would still be sent is not."""
        trial = self.over(self.tryIt("answer", piece(b"bye\n"), piece(b"more\n", pauseMs=200)))
        self.assertEqual(b"Bye\n", self.heard(trial))
        self.assertEqual("server FIN", trial["ended"])
        self.assertEqual(1, sum(one["direction"] == "sent" for one in trial["chunks"]))

    def test_kinds(self) -> None:
        """Of a service with two kinds of socket either can be tried."""
        for kind in ("tcp", "udp"):
            begun = self.tryIt("receive", piece(b"x"), kind=kind)
            self.assertEqual((201, kind), (begun.status, begun.json["kind"]))

    def test_refusals(self) -> None:
        """What cannot be tried, and why not."""
        many = [piece(b"")] * (trials.MAX_PIECES + 1)
        for status, body in (
            (404, {"service": "nosuch", "pieces": []}),
            (404, {"service": "chat", "pieces": [], "kind": "udp"}),
            (409, {"service": "datagram", "pieces": [], "reset": True}),
            (422, {"service": 7, "pieces": []}),
            (422, {"pieces": []}),
            (422, {"service": "echo"}),
            (422, {"service": "echo", "pieces": many}),
            (422, {"service": "echo", "pieces": [piece(bytes(trials.MAX_BYTES + 1))]}),
            (422, {"service": "echo", "pieces": [{"data": "?"}]}),
            (422, {"service": "echo", "pieces": [{"data": 7}]}),
            (422, {"service": "echo", "pieces": [piece(b"", pauseMs=2001)]}),
            (422, {"service": "echo", "pieces": [piece(b"", pauseMs=-1)]}),
            (422, {"service": "echo", "pieces": [piece(b"", pauseMs=True)]}),
            (422, {"service": "echo", "pieces": [], "halfClose": True, "reset": True}),
            (422, {"service": "echo", "pieces": [], "halfClose": 1}),
            (422, {"service": "echo", "pieces": [], "more": 1}),
            (422, {"service": "echo", "pieces": [], "kind": []}),
            (422, []),
            (400, b"{"),
            (400, b"\xff"),
            (400, b"[" * 5000),
        ):
            got = self.admin.ask("/api/v1/try", "POST", body)
            self.assertEqual(status, got.status, (body, got.body))
            self.assertIn("error", got.json)
        got = self.admin.ask("/api/v1/try", "POST", b"{}", Content_Type="text/plain")
        self.assertEqual(415, got.status)
        self.assertEqual(404, self.admin.ask("/api/v1/try/999999").status)

    def test_nobodyListens(self) -> None:
        """Where the service was told to take nobody, that is the answer."""
        self.addCleanup(self.admin.ask, "/api/v1/faults", "PUT", {"rules": []})
        self.admin.ask("/api/v1/faults", "PUT", {"rules": ["echo: refuse"]})
        for kind in ("tcp", "unix"):
            got = self.tryIt("echo", piece(b"x"), kind=kind)
            self.assertEqual(409, got.status, got.body)
            self.assertRegex(got.json["error"], "the service takes no connection: .*refused")

    def test_refusedAgainAndAgain(self) -> None:
        """A trial that cannot connect is over: it leaves its place to others."""
        self.addCleanup(self.admin.ask, "/api/v1/faults", "PUT", {"rules": []})
        self.admin.ask("/api/v1/faults", "PUT", {"rules": ["echo: refuse"]})
        for _ in range(MAX_RUNNING + 1):
            self.assertEqual(409, self.tryIt("echo", piece(b"x"), kind="tcp").status)
        self.over(self.tryIt("answer", piece(b"bye\n")))

    def test_largest(self) -> None:
        """As much as may be sent is sent."""
        data = bytes(range(256)) * (trials.MAX_BYTES // 256)
        trial = self.over(self.tryIt("echo", piece(data), halfClose=True))
        self.assertEqual(data, self.heard(trial))

    def test_tooMany(self) -> None:
        """Eight may go on at once."""
        slow = [piece(b"x", pauseMs=800)]
        answers = [self.tryIt("echo", *slow, reset=True) for _ in range(12)]
        statuses = [answer.status for answer in answers]
        self.assertEqual({201, 429}, set(statuses))
        self.assertLessEqual(statuses.count(201), 8)
        for begun in answers:
            if begun.status == 201:
                self.over(begun)
