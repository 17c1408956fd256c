"""The API of scenarios, and those that the settings want to be played."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import TestCase

from tests.support.adminsite import Admin, AdminTests
from tests.support.processes import running, temporaryFolder

SCENARIO, FAULTS = "/api/v1/scenario", "/api/v1/faults"


class ScenarioTests(AdminTests):
    """One daemon, whose settings know no scenario."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.play, None)

    def play(self, wanted: Any) -> Any:
        got = self.admin.ask(SCENARIO, "PUT", {"play": wanted})
        self.assertEqual(200, got.status, got.body)
        return got.json["playing"]

    def test_play(self) -> None:
        """What is played is shown, and its rules are in force; null ends it."""
        text = "down = 60s echo: drop, seed 1; chat: refuse, seed 2 | 5s healthy | again"
        playing = self.play(text)
        self.assertTrue(50 < playing.pop("left") <= 60)
        parts = ["60s echo: drop, seed 1; chat: refuse, seed 2", "5s healthy"]
        expected = {"name": "down", "scenario": text, "part": 1, "parts": parts, "again": True}
        self.assertEqual(expected, playing)
        inForce = [one["rule"] for one in self.admin.ask(FAULTS).json["faults"]]
        self.assertEqual(["echo: drop, seed 1", "chat: refuse, seed 2"], inForce)
        self.assertRaises(ConnectionRefusedError, self.connect, "chat")
        self.assertEqual(None, self.play(None))
        self.connect("chat")
        self.assertEqual([], self.admin.ask(FAULTS).json["faults"])

    def test_bad(self) -> None:
        """What cannot be played changes nothing, and is told in one line."""
        playing = self.play("a = 60s healthy")
        for wanted, status, why in (
            ("b", 409, "there is no scenario 'b'; there are none"),
            ("b = 1s ecko: drop", 409, "there is no service 'ecko'"),
            (1, 400, "play is a scenario, or the name of one, or null"),
        ):
            got = self.admin.ask(SCENARIO, "PUT", {"play": wanted})
            self.assertEqual((status, True), (got.status, why in got.json["error"]), got.body)
        got = self.admin.ask(SCENARIO, "PUT", {"plays": None})
        self.assertEqual(400, got.status)
        still = self.admin.ask(SCENARIO).json["playing"]
        self.assertEqual({**playing, "left": still["left"]}, still)


class SettingsTests(TestCase):
    """What the settings file has."""

    def test_reload(self) -> None:
        """What is to be played begins at the start, goes on over a reload that leaves it, and
        ends with one that no longer wants it; those that are known can be played by name."""
        config = temporaryFolder(self) / "netdemo.toml"
        lines = 'only = ["echo"]\necho = "tcp:0"\n{}\nscenario = ["a = 60s echo: drop", "{}"]\n'
        config.write_text(lines.format('play = "a"', "b = 9s healthy"))
        with running("--config", str(config), "--admin", "tcp:0") as daemon:
            admin = Admin(daemon)
            before = admin.ask(FAULTS).json["faults"]
            self.assertEqual(["drop"], [one["kind"] for one in before])
            config.write_text(lines.format('play = "a"', "c = 9s echo: silence, seed 1"))
            self.assertEqual(200, admin.ask("/api/v1/reload", "POST").status)
            self.assertEqual(before, admin.ask(FAULTS).json["faults"])
            known = [one["name"] for one in admin.ask(SCENARIO).json["known"]]
            self.assertEqual(["a", "c"], known)
            admin.ask(SCENARIO, "PUT", {"play": "c"})
            now = [one["rule"] for one in admin.ask(FAULTS).json["faults"]]
            self.assertEqual(["echo: silence, seed 1"], now)
            config.write_text(lines.format("", "c = 9s healthy"))
            self.assertEqual(200, admin.ask("/api/v1/reload", "POST").status)
            self.assertEqual(None, admin.ask(SCENARIO).json["playing"])
            self.assertEqual([], admin.ask(FAULTS).json["faults"])
