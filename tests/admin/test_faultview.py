"""Faults on the live page: adding and removing rules, and what they did, in a real browser."""

from __future__ import annotations

import socket

import pytest

from tests.admin.test_page import PageTests, axeSource, violations
from tests.support.browser import NARROW, WIDE
from tests.support.processes import PATIENCE, readUntil

pytestmark = pytest.mark.slow


ADD = "form.fault-form button[type=submit]"
PLAY = ".scenarios form button[type=submit]"
OUTAGE = "outage = 60s hello: drop; echo: drop | 60s healthy"

#: The rules that the form composes for every kind of each service.
_EVERY = """
    const one = (selector) => document.querySelector(selector);
    return arguments[0].flatMap((service) => {
      one(`[name=service][value="${service}"]`).click();
      return [...one("[name=kind]").options].flatMap(({ value }) => {
        one("[name=kind]").value = value;
        one("[name=kind]").dispatchEvent(new Event("change"));
        return one("[name=rule]").value.split("\\n");
      });
    });
"""


class FaultTests(PageTests):
    """Each test starts in the view of faults without active rules, and leaves none."""

    flags = (*PageTests.flags, "--scenario", OUTAGE)

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.put)
        self.addCleanup(self.play)
        self.page.show("faults")
        self.page.one("form.fault-form")

    def put(self, *rules: str) -> None:
        """Make these the only active rules, whatever the page has done."""
        got = self.admin.ask("/api/v1/faults", "PUT", {"rules": list(rules)})
        self.assertEqual(200, got.status, got.body)

    def play(self, scenario: str | None = None) -> None:
        got = self.admin.ask("/api/v1/scenario", "PUT", {"play": scenario})
        self.assertEqual(200, got.status, got.body)

    def shown(self, sock: socket.socket) -> None:
        """Open the view of this socket's connection."""
        self.page.show(f"connections/{self.number(sock)}")
        self.page.one(".rung")

    def badge(self) -> str:
        """Return the text of the badge in the header, or nothing if it is hidden."""
        seen = "const one = document.getElementById('active-faults');"
        return str(self.page.script(f"{seen} return one.checkVisibility() ? one.textContent : ''"))

    def rule(self) -> str:
        return str(self.page.script("return document.querySelector('[name=rule]').value"))

    def pill(self, name: str, value: str) -> None:
        self.page.click(f"label.pill:has([name={name}][value='{value}'])")

    def activeRules(self, *rules: str) -> None:
        """Wait until the list has exactly these rules, of any seed, and the badge their number."""

        def listed() -> bool:
            texts = self.page.texts(".rules code")
            return [text.partition(", seed ")[0] for text in texts] == [*rules]

        self.page.until(listed, f"{rules} active")
        count = f"{len(rules)} active fault{'s' if len(rules) > 1 else ''}" if rules else ""
        self.page.until(lambda: self.badge() == count, count or "no badge")

    def reply(self, data: bytes, source: str) -> bytes:
        """Return echo's answer to a new connection from this address, empty after a reset."""
        with socket.socket() as sock:
            sock.settimeout(PATIENCE)
            sock.bind((source, 0))
            try:
                sock.connect(self.daemon.address("echo"))
                sock.sendall(data)
                return readUntil(sock, data)
            except ConnectionError:
                return b""

    def test_rule(self) -> None:
        """A new rule acts on a connection, the view shows where, and its removal ends that."""
        self.page.choose("[name=kind]", "corrupt byte NUMBER")
        self.page.choose("[name=selection]", "first")
        self.assertEqual("echo: corrupt byte 0, first 2", self.rule())
        self.page.click(ADD)
        self.activeRules("echo: corrupt byte 0, first 2")
        sock = self.send("echo", b"hello")
        self.assertEqual(b"\x97ello", readUntil(sock, b"ello"))
        self.page.waitForText(".rules", "acted on 1 of 1")
        self.page.show("connections")
        self.page.waitForText(
            f"tr:has([href='#/connections/{self.number(sock)}']) .tag.fault", "×1"
        )
        self.shown(sock)
        self.assertEqual(
            ["box client", "box fault", "box server"],
            self.page.attributes(".stream > li", "class"),
        )
        box = self.page.text(".box.fault")
        for part in ("fault corrupt", "1 of 5 B changed", "first 2, seed", "acted 1 time so far"):
            self.assertIn(part, box)
        drawn = "[...document.querySelectorAll('.ladder svg > g')].map((one) => one.classList[0])"
        self.assertEqual(
            ["rung", "rung", "fault-event", "rung"], self.page.script(f"return {drawn}")
        )
        self.assertEqual(
            "fault corrupt · 1 of 5 B changed", self.page.texts(".fault-event text.label")[0]
        )
        self.page.waitForText(".facts", "acted 1 time")
        self.page.click("#active-faults")
        self.page.click(".rules [aria-label^=Remove]")
        self.activeRules()
        self.assertEqual(
            "Active rules", self.page.script("return document.activeElement.textContent")
        )
        self.assertEqual(b"again", self.reply(b"again", "127.0.0.1"))

    def test_onlyMine(self) -> None:
        """A rule for my connections only does not affect those of other clients."""
        self.page.choose("[name=kind]", "reset at accept")
        self.pill("clients", "mine")
        self.assertEqual("echo: reset at accept, from 127.0.0.1", self.rule())
        self.page.click(ADD)
        self.activeRules("echo: reset at accept, from 127.0.0.1/32")
        self.assertEqual(b"", self.reply(b"hello", "127.0.0.1"))
        self.assertEqual(b"hello", self.reply(b"hello", "127.0.0.2"))

    def test_fields(self) -> None:
        """Every field of the form appears in the text of the rule."""
        self.page.choose("[name=value-1]", "20ms")
        self.page.choose("[name=direction]", "in")
        self.page.choose("[name=seed]", "7")
        self.page.choose("[name=duration]", "1min")
        for selection, written in (("every", "every 2nd, "), ("percent", "30%, "), ("", "")):
            self.page.choose("[name=selection]", selection)
            self.assertEqual(
                f"echo: latency 200ms jitter 20ms, in, {written}for 1min, seed 7", self.rule()
            )
        self.page.choose("[name=selection]", "every")
        for number, written in ((3, "3rd"), (11, "11th"), (21, "21st"), (112, "112th")):
            self.page.choose("[name=count]", str(number))
            self.assertIn(f"every {written}, ", self.rule())
        self.page.choose("[name=kind]", "refuse")
        self.assertEqual("echo: refuse, for 1min", self.rule())
        self.pill("service", "datagram")
        options = self.page.texts("[name=kind] option")
        self.assertIn("loss PERCENT", options)
        self.assertNotIn("silence", options)
        self.page.choose("[name=kind]", "loss PERCENT")
        self.assertTrue(self.rule().startswith("datagram: loss 30%, every"), self.rule())

    def test_anyKind(self) -> None:
        """The form composes a valid rule for every kind and service."""
        got = self.admin.ask("/api/v1/faults/kinds").json
        made = self.page.script(_EVERY, ["", *got["services"]])
        # Once for each service, and once more for all services together.
        fits = [
            name
            for name, carriers in got["services"].items()
            for kind in got["kinds"]
            if {*carriers} & {*kind["carriers"]}
        ]
        self.assertEqual(2 * len(fits), len(made))
        for start in range(0, len(made), 100):
            self.put(*made[start : start + 100])

    def test_all(self) -> None:
        """A fault for all services becomes one rule for each that supports it."""
        self.pill("service", "")
        self.page.choose("[name=kind]", "silence")
        self.page.click(ADD)
        streams = ("echo", "receive", "answer", "hello", "chat")
        self.activeRules(*(f"{service}: silence" for service in streams))
        self.page.click(".active-rules .section-top button")
        self.activeRules()

    def test_wrong(self) -> None:
        """An invalid rule is refused with the reason, and changes nothing."""
        self.page.choose("[name=rule]", "echo: drop\necho: latnecy 1s")
        self.page.click(ADD)
        self.page.until(lambda: self.page.text("#rule-error"), "a reason")
        self.assertEqual(
            "'echo: latnecy 1s': there is no fault 'latnecy 1s'; did you mean latency?",
            self.page.text("#rule-error"),
        )
        self.activeRules()
        self.assertEqual([], self.admin.ask("/api/v1/faults").json["faults"])
        self.page.choose("[name=rule]", "echo: drop")
        self.assertEqual([""], self.page.texts("#rule-error"))
        # The browser itself logs the response to the console.
        self.assertEqual([], [one for one in self.page.complaints() if "409" not in one])

    def test_fromElsewhere(self) -> None:
        """Every view shows rules that were added elsewhere, and their text is only text."""
        self.put('echo: drop, matching "<img src=x onerror=window.ran=1>\u202e"')
        for view in ("services", "connections", "lessons", "try"):
            self.page.show(view)
            self.page.until(lambda: self.badge() == "1 active fault", f"the badge in {view}")
        sock = self.send("echo", "<img src=x onerror=window.ran=1>\u202e".encode())
        self.shown(sock)
        self.page.waitForText(".box.fault code", "\\u202e")
        self.page.one(".fault-event")
        self.page.show("faults")
        self.page.waitForText(".rules code", "<img src=x onerror=window.ran=1>\\u202e")
        self.assertIsNone(self.page.script("return window.ran ?? null"))
        self.assertEqual([], self.page.all("main img"))

    def test_expired(self) -> None:
        """An expired rule is marked in its row, and does not count as active."""
        self.put("echo: drop, for 1us", "echo: drop, for 60s")
        self.page.until(lambda: self.badge() == "1 active fault", "the badge")
        self.page.waitForText(".rules", "for 60s")
        shown = "return [...document.querySelectorAll('.rules .tag')].map((one) => !one.hidden)"
        self.assertEqual([True, False], self.page.script(shown))

    def test_scenario(self) -> None:
        """A configured scenario starts at a click, is shown in every view, and stops at another."""
        self.page.click("[aria-label='Play outage']")
        self.page.waitForText(".playing .rule", "outage, part 1 of 2")
        self.page.until(lambda: len(self.page.all(".rules li")) == 2, "its rules")
        for view in ("services", "faults"):
            self.page.show(view)
            shown = "2 active faults · outage, part 1 of 2"
            self.page.until(lambda shown=shown: self.badge() == shown, f"{shown} in {view}")
        self.page.click(".playing button")
        self.activeRules()
        self.page.until(
            lambda: not any(one.is_displayed() for one in self.page.all(".playing")), "the end"
        )
        self.assertEqual("Scenarios", self.page.script("return document.activeElement.textContent"))

    def test_scenarioWritten(self) -> None:
        """A typed scenario starts, or is refused with the reason. The page shows its current part,
        and the time that the part has left."""
        self.page.choose("[name=scenario]", "quick = 1s ecko: drop")
        self.page.click(PLAY)
        self.page.waitForText("#scenario-error", "there is no service 'ecko'; did you mean echo?")
        self.assertEqual(1, sum("409" in one for one in self.page.complaints()))
        self.page.choose("[name=scenario]", "quick = 100ms healthy\n| 50s chat: drop | again")
        self.assertEqual([""], self.page.texts("#scenario-error"))
        self.page.click(PLAY)
        self.page.waitForText(".playing [aria-current=step]", "50s chat: drop")
        self.assertEqual(["100ms healthy", "50s chat: drop", "again"], self.page.texts("ol code"))
        first = self.page.text(".remaining")
        self.assertRegex(first, r"^\d\d s left$")
        self.page.until(lambda: self.page.text(".remaining") != first, "fewer seconds")
        self.assertRegex(self.page.text(".remaining"), r"^\d\d s left$")

    def test_keyboard(self) -> None:
        """The form and the rules work with the keyboard, and the focus is always visible."""
        self.page.click(ADD)
        self.activeRules("echo: latency 200ms")
        self.page.script("document.querySelector('h1').focus()")
        stops = list(self.page.tabStops(20))
        self.assertEqual([], [one for one in stops if not (one["shows"] and one["inView"])])
        buttons = ["Reset", "Remove", "Play", "", "Copy", "Play"]
        self.assertEqual(buttons, [one["text"] for one in stops[1:7]])
        self.assertEqual("scenario", stops[4]["name"])
        names = [one["name"] for one in stops[7:]]
        known = "service kind value-0 value-1 direction clients selection duration seed rule"
        self.assertEqual([*known.split(), ""], names[:11])

    def test_live(self) -> None:
        """An open view of a connection shows at once what a fault does, and the end."""
        sock = self.send("echo", b"one")
        self.assertEqual(b"one", readUntil(sock, b"one"))
        self.shown(sock)
        self.assertEqual([], self.page.all(".fault-event, .box.fault"))
        self.put("echo: latency 1ms", "echo: truncate after 5 bytes with RST")
        sock.sendall(b"more than that")
        self.assertRaises(ConnectionResetError, readUntil, sock, b"never")
        self.page.waitForText(".rung.rst.server .label", "RST: fault truncate")
        events = self.page.texts(".box.fault .box-top")
        self.assertEqual(2, len(events))
        self.assertIn("fault truncate5 of 14 B passed, reset", events[1])
        self.assertEqual(2, len(self.page.all(".fault-event")))
        self.page.waitForText(".facts", "acted 2 times")

    def test_fin(self) -> None:
        """A connection that a fault has closed ends with a FIN on the ladder."""
        self.put("echo: close before reply")
        sock = self.send("echo", b"x")
        self.assertEqual(b"", sock.recv(1))
        sock.shutdown(socket.SHUT_WR)
        self.shown(sock)
        self.page.waitForText(".rung.fin.server .label", "FIN: fault close")
        self.assertEqual([], self.page.all(".rung.rst"))
        self.page.waitForText(".fault-event", "end")

    def test_datagrams(self) -> None:
        """A lost datagram is shown between the others."""
        self.put("datagram: drop, the 2nd")
        sock = self.datagrams()
        for data in (b"one", b"two", b"six"):
            sock.sendto(data, self.daemon.address("datagram", "udp"))
        self.assertEqual([b"one", b"six"], [sock.recv(100), sock.recv(100)])
        self.shown(sock)
        self.page.waitForText(".box.fault", "0 of 3 B passed")
        sock.sendto(b"ten", self.daemon.address("datagram", "udp"))
        self.page.waitForText(".stream li:last-child", "datagram 7")
        self.assertEqual(1, len(self.page.all(".fault-event")))

    def test_accessible(self) -> None:
        """axe-core finds no violation, and nothing scrolls sideways, in the views of faults, of a
        connection with fault events, and of the list."""
        axe = axeSource()
        long = "echo: truncate after 5 bytes with RST, from 127.0.0.1, new connections, 1000 times"
        self.put("echo: latency 1ms", long)
        sock = self.send("echo", b"hello, hello")
        self.assertRaises(ConnectionResetError, readUntil, sock, b"never")
        self.play(f'{"long" * 9} = 60s {long}, matching "{"long" * 20}" | 1s healthy | again')
        for view, mark in (
            (f"connections/{self.number(sock)}", ".fault-event"),
            ("connections", ".tag.fault"),
            ("faults", ".playing"),
        ):
            self.page.show(view)
            self.page.one(mark)
            if view == "faults":
                self.page.one("form.fault-form details summary").click()
            for size, scheme in ((WIDE, "light"), (NARROW, "dark")):
                self.page.emulate(size, scheme, "reduce")
                self.assertEqual([], violations(axe), (view, scheme, size))
            width = self.page.script("return document.documentElement.scrollWidth")
            self.assertLessEqual(width, NARROW[0], view)
