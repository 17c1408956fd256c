"""The API of faults: active rules, what each has done, and how to change them."""

from __future__ import annotations

import json
import re
import socket
from base64 import b64decode
from typing import Any

from twisted.trial.unittest import TestCase

from tests.support.adminsite import Admin, AdminTests
from tests.support.processes import PATIENCE, readUntil, running, temporaryFolder
from twistednet.faults.grammar import KINDS

FAULTS = "/api/v1/faults"


class FaultsTests(AdminTests):
    """One daemon; each test sets its own rules, and removes them."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.put)

    def put(self, *rules: str) -> list[dict[str, Any]]:
        """These rules are active, and no others."""
        got = self.admin.ask(FAULTS, "PUT", {"rules": list(rules)})
        self.assertEqual(200, got.status, got.body)
        faults: list[dict[str, Any]] = got.json["faults"]
        return faults

    def faults(self) -> list[dict[str, Any]]:
        faults: list[dict[str, Any]] = self.admin.ask(FAULTS).json["faults"]
        return faults

    def add(self, *rules: str) -> list[dict[str, Any]]:
        """Those that were added."""
        got = self.admin.ask(FAULTS, "POST", {"rules": list(rules)})
        self.assertEqual((201, ["faults"]), (got.status, list(got.json)), got.body)
        faults: list[dict[str, Any]] = got.json["faults"]
        return faults

    def test_add(self) -> None:
        """One more holds at once, for who is there, too; it is counted, told in the metrics,
        and gone when it is taken out."""
        sock = self.connect("echo")
        sock.sendall(b"one")
        self.assertEqual(b"one", readUntil(sock, b"one"))
        [added] = self.add("echo: corrupt byte 0, first 1")
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

    def test_addSeveral(self) -> None:
        """Several are added in one step, after those that are in force, and only they are told;
        a scenario's rules that are on meanwhile end with it."""
        play = {"play": "down = 60s echo: silence"}
        self.assertEqual(200, self.admin.ask("/api/v1/scenario", "PUT", play).status)
        [before] = self.faults()
        added = self.add("echo: drop, 5%", "chat: silence")
        self.assertEqual(["drop", "silence"], [one["kind"] for one in added])
        self.assertEqual([before, *added], self.faults())
        self.admin.ask("/api/v1/scenario", "PUT", {"play": None})
        self.assertEqual(added, self.faults())
        self.assertEqual([], self.add())

    def test_replace(self) -> None:
        """All at once, and all anew: the same rule does again what it had done."""
        rules = ("chat: silence", "echo: close before reply, first 1, seed 7")
        before = self.put(*rules)
        self.assertEqual([b"", b"x"], [self.answer(), self.answer()])
        after = self.put(*rules)
        self.assertEqual([(0, 0)] * 2, [(one["seen"], one["acted"]) for one in after])
        self.assertTrue({one["id"] for one in before}.isdisjoint(one["id"] for one in after))
        self.assertEqual(after, self.faults())
        self.assertEqual([b"", b"x"], [self.answer(), self.answer()])

    def test_reset(self) -> None:
        """Counted anew, it does again what it had done."""
        [fault] = self.put("echo: close before reply, first 1")
        self.assertEqual([b"", b"x"], [self.answer(), self.answer()])
        self.assertEqual([{**fault, "seen": 2, "acted": 1}], self.faults())
        got = self.admin.ask(f"{FAULTS}/{fault['id']}/reset", "POST")
        self.assertEqual((200, fault), (got.status, got.json))
        self.assertEqual([b"", b"x"], [self.answer(), self.answer()])

    def test_over(self) -> None:
        """A rule whose time has run out says so, and none else does."""
        self.put("echo: drop, for 1us", "echo: drop, for 1h", "echo: drop")
        self.assertEqual([True, False, False], [one["over"] for one in self.faults()])

    def answer(self) -> bytes:
        """What a connection of its own gets for a byte."""
        with self.daemon.connect("echo") as sock:
            sock.sendall(b"x")
            return sock.recv(1)

    def test_kept(self) -> None:
        """The journal has each time that a fault acted, in its place, for who asks, who follows
        and who exports; of others it has none."""
        _, reset = self.put("echo: latency 1ms, first 1", "echo: reset after 6 bytes, in")
        with self.connect("echo") as sock, self.connect("chat") as other:
            sock.sendall(b"one")
            self.assertEqual(b"one", readUntil(sock, b"one"))
            one, free = self.kept(sock), self.kept(other)
            self.assertEqual((0, []), (free["faulted"], free["faults"]))
            sock.sendall(b"two")
            self.assertRaises(ConnectionResetError, readUntil, sock, b"never")
        path = f"/api/v1/connections/{one['id']}"
        told = self.told(f"{path}/events")
        self.assertEqual(
            ["chunk", "faulted", "chunk", "chunk", "faulted"], [name for name, _ in told[:5]]
        )
        late, last = told[1][1], told[4][1]
        self.assertEqual((1, [late]), (one["faulted"], one["faults"]))
        self.assertEqual(("latency", "3 B 0.001 s later"), (late["fault"], late["did"]))
        self.assertEqual((reset["rule"], 1), (last["rule"], last["count"]))
        self.assertEqual(("closed", "fault reset"), (told[-1][0], told[-1][1]["closed"]))
        after = self.admin.ask(path).json
        self.assertEqual((2, [late, last]), (after["faulted"], after["faults"]))
        lines = self.admin.ask(f"{path}/export").body.splitlines()
        acted = [event for event in map(json.loads, lines) if event["event"] == "faulted"]
        self.assertEqual([late["rule"], last["rule"]], [event["rule"] for event in acted])
        self.assertEqual(("faulted", last), self.told(f"{path}/events", Last_Event_ID="3-1")[0])

    def test_keptDatagrams(self) -> None:
        """So it has of a conversation over UDP, from its first datagram on."""
        self.put("datagram: drop, in, first 1", "datagram: duplicate, first 1")
        sock = self.datagrams()
        for data in (b"one", b"two"):
            sock.sendto(data, self.daemon.address("datagram", "udp"))
        self.assertEqual([b"two", b"two"], [sock.recv(100), sock.recv(100)])
        one = self.kept(sock)
        self.assertEqual(["drop", "duplicate"], [each["fault"] for each in one["faults"]])
        self.assertEqual(
            ["one", "two", "two", "two"],
            [b64decode(each["data"]).decode() for each in one["chunks"]],
        )

    def kept(self, sock: socket.socket) -> Any:
        """What the journal has of this socket's connection, or conversation."""
        peer = "{}:{}".format(*sock.getsockname())
        [found] = self.admin.ask(f"/api/v1/connections?peer={peer}").json["connections"]
        return self.admin.ask(f"/api/v1/connections/{found['id']}").json

    def told(self, path: str, **headers: str) -> list[tuple[str, Any]]:
        """The name and content of each event of a stream, to the end of its connection."""
        lines = [f"GET {path} HTTP/1.1", "Host: localhost"]
        lines += [f"Authorization: Bearer {self.admin.token}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        with socket.create_connection((self.admin.host, self.admin.port), PATIENCE) as sock:
            sock.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
            data = readUntil(sock, lambda data: b"event: closed" in data)
        found = re.findall(r"^event: (\w+)\ndata: (.*)$", data.decode().replace("\r", ""), re.M)
        return [(name, json.loads(content)) for name, content in found]

    def test_kinds(self) -> None:
        """Whoever writes a rule is told what there is, for which services, and their own
        address; a rule that is made of that is taken."""
        got = self.admin.ask(f"{FAULTS}/kinds").json
        self.assertEqual({kind.form.text for kind in KINDS}, {one["form"] for one in got["kinds"]})
        self.assertEqual(["datagram", "listener", "stream"], sorted(got["services"]["receive"]))
        self.assertIn("every NTH", got["choices"])
        [latency] = [one for one in got["kinds"] if one["form"].startswith("latency TIME")]
        self.assertEqual(
            {
                "form": "latency TIME [jitter TIME]",
                "values": ["TIME", "TIME"],
                "counts": "chunks",
                "direction": "out",
                "carriers": ["datagram", "stream"],
            },
            latency,
        )
        you = self.admin.ask(FAULTS).json["you"]
        self.assertEqual("127.0.0.1", you)
        fits = {
            name: {one["form"] for one in got["kinds"] if {*one["carriers"]} & {*carriers}}
            for name, carriers in got["services"].items()
        }
        self.assertIn("loss PERCENT", fits["datagram"])
        self.assertNotIn("loss PERCENT", fits["echo"])
        self.assertNotIn("silence", fits["datagram"])
        for name, forms in fits.items():
            plain = [form for form in forms if form in ("silence", "duplicate", "drop")]
            self.put(*(f"{name}: {form}, from {you}" for form in plain))
        self.assertEqual(
            "GET, HEAD, OPTIONS", self.admin.ask(f"{FAULTS}/kinds", "PUT").headers["Allow"]
        )

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
        for body, status in (
            ({"rules": ["echo: drop", "echo: nonsense"]}, 409),
            ({"rule": "echo: drop"}, 400),
            ([], 400),
            ({"rules": [], "more": 1}, 400),
        ):
            self.assertEqual(status, self.admin.ask(FAULTS, "POST", body).status, body)
        for method, count in (("PUT", 101), ("POST", 100)):
            got = self.admin.ask(FAULTS, method, {"rules": ["echo: drop"] * count})
            self.assertEqual(
                (409, "100 rules may be active at once"), (got.status, got.json["error"])
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
            admin.ask(FAULTS, "POST", {"rules": ["echo: close after reply, first 3"]})
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
