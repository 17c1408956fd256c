"""Faults on the live page: switched on and off, and seen in their places, in a real browser."""

from __future__ import annotations

import socket

import pytest

from tests.browser import NARROW, WIDE
from tests.running import PATIENCE, readUntil
from tests.test_page import PageTests, axeSource, violations

pytestmark = pytest.mark.slow


ADD = "form.fault-form button[type=submit]"
PLAY = ".scenarios form button[type=submit]"
OUTAGE = "outage = 60s hello: drop; echo: drop | 60s healthy"

#: Each service, and of each every kind: the rules that stand there then.
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
    """Each test begins in the view of faults, with nothing in force, and leaves nothing."""

    flags = (*PageTests.flags, "--scenario", OUTAGE)

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.put)
        self.addCleanup(self.play)
        self.page.show("faults")
        self.page.one("form.fault-form")

    def put(self, *rules: str) -> None:
        """These are in force, and no others, whatever the page has done."""
        got = self.admin.ask("/api/v1/faults", "PUT", {"rules": list(rules)})
        self.assertEqual(200, got.status, got.body)

    def play(self, scenario: str | None = None) -> None:
        got = self.admin.ask("/api/v1/scenario", "PUT", {"play": scenario})
        self.assertEqual(200, got.status, got.body)

    def shown(self, sock: socket.socket) -> None:
        """Open the view of its connection."""
        self.page.show(f"connections/{self.number(sock)}")
        self.page.one(".rung")

    def badge(self) -> str:
        """What stands in the header, whichever view is open."""
        seen = "const one = document.getElementById('active-faults');"
        return str(self.page.script(f"{seen} return one.checkVisibility() ? one.textContent : ''"))

    def rule(self) -> str:
        return str(self.page.script("return document.querySelector('[name=rule]').value"))

    def pill(self, name: str, value: str) -> None:
        self.page.click(f"label.pill:has([name={name}][value='{value}'])")

    def inForce(self, *rules: str) -> None:
        """Wait until the list has these, whose seeds were drawn, and the badge their number."""

        def listed() -> bool:
            texts = self.page.texts(".rules code")
            return [text.partition(", seed ")[0] for text in texts] == [*rules]

        self.page.until(listed, f"{rules} in force")
        count = f"{len(rules)} fault{'s' if len(rules) > 1 else ''} in force" if rules else ""
        self.page.until(lambda: self.badge() == count, count or "no badge")

    def reply(self, data: bytes, source: str) -> bytes:
        """What a new connection to echo from this address gets, or nothing if it is reset."""
        with socket.socket() as sock:
            sock.settimeout(PATIENCE)
            sock.bind((source, 0))
            try:
                sock.connect(self.daemon.address("echo"))
                sock.sendall(data)
                return readUntil(sock, data)
            except ConnectionError:
                return b""

    def test_switches(self) -> None:
        """What is switched on hits a connection, is seen where it hit, and is over once it is
        switched off."""
        self.page.choose("[name=kind]", "corrupt byte NUMBER")
        self.page.choose("[name=selection]", "first")
        self.assertEqual("echo: corrupt byte 0, first 2", self.rule())
        self.page.click(ADD)
        self.inForce("echo: corrupt byte 0, first 2")
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
        for part in ("fault corrupt", "1 of 5 B changed", "first 2, seed", "acted 1 time by then"):
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
        self.inForce()
        self.assertEqual("In force", self.page.script("return document.activeElement.textContent"))
        self.assertEqual(b"again", self.reply(b"again", "127.0.0.1"))

    def test_mine(self) -> None:
        """What concerns my connections only hits nobody else's."""
        self.page.choose("[name=kind]", "reset at accept")
        self.pill("clients", "mine")
        self.assertEqual("echo: reset at accept, from 127.0.0.1", self.rule())
        self.page.click(ADD)
        self.inForce("echo: reset at accept, from 127.0.0.1/32")
        self.assertEqual(b"", self.reply(b"hello", "127.0.0.1"))
        self.assertEqual(b"hello", self.reply(b"hello", "127.0.0.2"))

    def test_choices(self) -> None:
        """Every switch is in the rule, as it is written."""
        self.page.choose("[name=value-1]", "20ms")
        self.page.choose("[name=direction]", "in")
        self.page.choose("[name=seed]", "7")
        self.page.choose("[name=duration]", "1min")
        for many, written in (("every", "every 2nd, "), ("percent", "30%, "), ("", "")):
            self.page.choose("[name=selection]", many)
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
        """Whatever kind and service are chosen, the rule that the switches make is one."""
        got = self.admin.ask("/api/v1/faults/kinds").json
        made = self.page.script(_EVERY, ["", *got["services"]])
        # Each for its own service, and once more where all were meant.
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
        """What is meant for all services is a rule for each that can have it."""
        self.pill("service", "")
        self.page.choose("[name=kind]", "silence")
        self.page.click(ADD)
        streams = ("echo", "receive", "answer", "hello", "chat")
        self.inForce(*(f"{service}: silence" for service in streams))
        self.page.click(".active-rules .section-top button")
        self.inForce()

    def test_wrong(self) -> None:
        """A rule that is written wrongly is answered with the reason, and changes nothing."""
        self.page.choose("[name=rule]", "echo: drop\necho: latnecy 1s")
        self.page.click(ADD)
        self.page.until(lambda: self.page.text("#rule-error"), "a reason")
        self.assertEqual(
            "'echo: latnecy 1s': there is no fault 'latnecy 1s'; did you mean latency?",
            self.page.text("#rule-error"),
        )
        self.inForce()
        self.assertEqual([], self.admin.ask("/api/v1/faults").json["faults"])
        self.page.choose("[name=rule]", "echo: drop")
        self.assertEqual([""], self.page.texts("#rule-error"))
        # The browser itself tells the console of the answer.
        self.assertEqual([], [one for one in self.page.complaints() if "409" not in one])

    def test_fromElsewhere(self) -> None:
        """What others put in force is told in every view, and its text is only text."""
        self.put('echo: drop, matching "<img src=x onerror=window.ran=1>\u202e"')
        for view in ("services", "connections", "lessons", "try"):
            self.page.show(view)
            self.page.until(lambda: self.badge() == "1 fault in force", f"the badge in {view}")
        sock = self.send("echo", "<img src=x onerror=window.ran=1>\u202e".encode())
        self.shown(sock)
        self.page.waitForText(".box.fault code", "\\u202e")
        self.page.one(".fault-event")
        self.page.show("faults")
        self.page.waitForText(".rules code", "<img src=x onerror=window.ran=1>\\u202e")
        self.assertIsNone(self.page.script("return window.ran ?? null"))
        self.assertEqual([], self.page.all("main img"))

    def test_over(self) -> None:
        """A rule that is over says so in its row, and is no fault that is in force."""
        self.put("echo: drop, for 1us", "echo: drop, for 60s")
        self.page.until(lambda: self.badge() == "1 fault in force", "the badge")
        self.page.waitForText(".rules", "for 60s")
        shown = "return [...document.querySelectorAll('.rules .tag')].map((one) => !one.hidden)"
        self.assertEqual([True, False], self.page.script(shown))

    def test_scenario(self) -> None:
        """One that is known is played at a click, told in every view, and over at another."""
        self.page.click("[aria-label='Play outage']")
        self.page.waitForText(".playing .rule", "outage, part 1 of 2")
        self.page.until(lambda: len(self.page.all(".rules li")) == 2, "its rules")
        for view in ("services", "faults"):
            self.page.show(view)
            told = "2 faults in force · outage, part 1 of 2"
            self.page.until(lambda told=told: self.badge() == told, f"{told} in {view}")
        self.page.click(".playing button")
        self.inForce()
        self.page.until(
            lambda: not any(one.is_displayed() for one in self.page.all(".playing")), "the end"
        )
        self.assertEqual("Scenarios", self.page.script("return document.activeElement.textContent"))

    def test_scenarioWritten(self) -> None:
        """Any other is played as it is written, or the reason stands there why not; which part
        is on can be seen, and how long it still is."""
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
        """Switches and rules can be had without a pointer, and it shows where one is."""
        self.page.click(ADD)
        self.inForce("echo: latency 200ms")
        self.page.script("document.querySelector('h1').focus()")
        stops = list(self.page.tabStops(20))
        self.assertEqual([], [one for one in stops if not (one["shows"] and one["inView"])])
        buttons = ["Count anew", "Remove", "Play", "", "Copy", "Play"]
        self.assertEqual(buttons, [one["text"] for one in stops[1:7]])
        self.assertEqual("scenario", stops[4]["name"])
        names = [one["name"] for one in stops[7:]]
        known = "service kind value-0 value-1 direction clients selection duration seed rule"
        self.assertEqual([*known.split(), ""], names[:11])

    def test_live(self) -> None:
        """What a fault does to a connection that is looked at is seen at once, as its end is."""
        sock = self.send("echo", b"one")
        self.assertEqual(b"one", readUntil(sock, b"one"))
        self.shown(sock)
        self.assertEqual([], self.page.all(".fault-event, .box.fault"))
        self.put("echo: latency 1ms", "echo: truncate after 5 bytes with RST")
        sock.sendall(b"more than that")
        self.assertRaises(ConnectionResetError, readUntil, sock, b"never")
        self.page.waitForText(".rung.rst.server .label", "RST: fault truncate")
        told = self.page.texts(".box.fault .box-top")
        self.assertEqual(2, len(told))
        self.assertIn("fault truncate5 of 14 B passed, reset", told[1])
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
        """Over UDP what was lost stands between the datagrams."""
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
        """axe-core finds nothing, nor has anything to be scrolled sideways, in the views of
        faults, a connection that they hit, and the list."""
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
