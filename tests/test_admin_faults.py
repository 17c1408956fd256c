"""The API of faults: what is in force, what it has done, and how that is changed."""

from __future__ import annotations

import socket
from typing import Any

from twisted.trial.unittest import TestCase

from tests.admin import Admin, AdminTests
from tests.running import PATIENCE, readUntil, running, temporaryFolder

FAULTS = "/api/v1/faults"


class FaultsTests(AdminTests):
    """One daemon; each test puts its own rules in force, and none stays."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.put)

    def put(self, *rules: str) -> list[dict[str, Any]]:
        """These are in force, and no others."""
        got = self.admin.ask(FAULTS, "PUT", {"rules": list(rules)})
        self.assertEqual(200, got.status, got.body)
        faults: list[dict[str, Any]] = got.json["faults"]
        return faults

    def faults(self) -> list[dict[str, Any]]:
        faults: list[dict[str, Any]] = self.admin.ask(FAULTS).json["faults"]
        return faults

    def test_add(self) -> None:
        """One more holds at once, for who is there, too; it is counted, told in the metrics,
        and gone when it is taken out."""
        sock = self.connect("echo")
        sock.sendall(b"one")
        self.assertEqual(b"one", readUntil(sock, b"one"))
        got = self.admin.ask(FAULTS, "POST", {"rule": "echo: corrupt byte 0, first 1"})
        added = got.json
        self.assertEqual(
            (201, f"{FAULTS}/{added['id']}"), (got.status, got.headers["Location"]), got.body
        )
        self.assertRegex(added["rule"], r"^echo: corrupt byte 0, first 1, seed \d+$")
        self.assertEqual(("echo", "corrupt", 1), (added["service"], added["kind"], added["seen"]))
        sock.sendall(b"two")
        self.assertEqual(b"\x8bwo", readUntil(sock, b"wo"))
        [told] = self.faults()
        self.assertEqual({**added, "acted": 1}, told)
        page = self.admin.ask("/metrics").body.decode()
        self.assertIn('twistednet_faults_total{fault="corrupt",service="echo"} 1.0', page)
        got = self.admin.ask(f"{FAULTS}/{told['id']}", "DELETE")
        self.assertEqual((200, []), (got.status, got.json["faults"]))
        sock.sendall(b"three")
        self.assertEqual(b"three", readUntil(sock, b"three"))

    def test_replace(self) -> None:
        """All at once: what stays keeps its number, seed and counts."""
        first, second = self.put("echo: drop, 5%", "chat: silence")
        third, again = self.put("answer: close before reply", second["rule"])
        self.assertEqual(second, again)
        self.assertNotIn(third["id"], (first["id"], second["id"]))
        self.assertEqual([third, second], self.faults())

    def test_reset(self) -> None:
        """Counted anew, it does again what it had done."""
        [fault] = self.put("echo: close before reply, first 1")
        self.assertEqual([b"", b"x"], [self.answer(), self.answer()])
        self.assertEqual([{**fault, "seen": 2, "acted": 1}], self.faults())
        got = self.admin.ask(f"{FAULTS}/{fault['id']}/reset", "POST")
        self.assertEqual((200, fault), (got.status, got.json))
        self.assertEqual([b"", b"x"], [self.answer(), self.answer()])

    def answer(self) -> bytes:
        """What a connection of its own gets for a byte."""
        with self.daemon.connect("echo") as sock:
            sock.sendall(b"x")
            return sock.recv(1)

    def test_wrong(self) -> None:
        """A rule that is wrong names itself, and all stays as it was."""
        before = self.put("echo: drop, 5%")
        for rules, status, why in (
            (["chat: silence", "echo: latnecy 1s"], 409, "'echo: latnecy 1s'"),
            (["ehco: drop"], 409, "did you mean echo?"),
            (["echo: loss 5%"], 409, "loss is for datagrams"),
            ([7], 400, "a rule is a text"),
            ("echo: drop", 400, "rules is a list"),
        ):
            got = self.admin.ask(FAULTS, "PUT", {"rules": rules})
            self.assertEqual(status, got.status, got.body)
            self.assertIn(why, got.json["error"])
        self.assertEqual(409, self.admin.ask(FAULTS, "POST", {"rule": "echo: nonsense"}).status)
        for body in ({"rules": []}, [], {"rule": "x", "more": 1}):
            self.assertEqual(400, self.admin.ask(FAULTS, "POST", body).status, body)
        got = self.admin.ask(FAULTS, "PUT", {"rules": ["echo: drop"] * 101})
        self.assertEqual(
            (409, "100 rules may be in force at once"), (got.status, got.json["error"])
        )
        for path, method in (("7777", "DELETE"), ("7777/reset", "POST"), ("x", "DELETE")):
            got = self.admin.ask(f"{FAULTS}/{path}", method)
            self.assertEqual(404, got.status, path)
        for path, method in (("/1", "DELETE"), ("", "PUT")):
            got = self.admin.ask(FAULTS + path, method, {"rules": []}, X_Netdemo="")
            self.assertEqual(403, got.status, method)
        self.assertEqual(before, self.faults())


class ReloadTests(TestCase):
    """What the settings file asks for, and what was asked for since."""

    def test_reload(self) -> None:
        """A reload changes what has changed in the file; all else stays, with its counts."""
        config = temporaryFolder(self) / "netdemo.toml"
        config.write_text(_CONFIG.format("drop, 5%, the 9th"))
        with running("--config", str(config), "--admin", "tcp:0") as daemon:
            admin = Admin(daemon)
            admin.ask(FAULTS, "POST", {"rule": "echo: close after reply, first 3"})
            self.assertEqual(2, len(before := admin.ask(FAULTS).json["faults"]))
            with socket.create_connection(daemon.address("echo"), PATIENCE) as sock:
                sock.sendall(b"x")
                sock.recv(1)
            counted = admin.ask(FAULTS).json["faults"]
            self.assertNotEqual(before, counted)
            self.assertEqual(200, admin.ask("/api/v1/reload", "POST").status)
            self.assertEqual(counted, admin.ask(FAULTS).json["faults"])
            config.write_text(_CONFIG.format("silence, new connections"))
            self.assertEqual(200, admin.ask("/api/v1/reload", "POST").status)
            changed = admin.ask(FAULTS).json["faults"]
            self.assertEqual(["silence", "close"], [one["kind"] for one in changed])
            self.assertEqual(counted[1], changed[1])
            config.write_text(_CONFIG.format("nonsense"))
            got = admin.ask("/api/v1/reload", "POST")
            self.assertEqual((409, True), (got.status, "nonsense" in got.json["error"]), got.body)
            self.assertEqual(changed, admin.ask(FAULTS).json["faults"])


_CONFIG = 'only = ["echo"]\necho = "tcp:0"\nfault = ["echo: {}"]\n'
