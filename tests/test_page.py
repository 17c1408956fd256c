"""The live page, in a real browser, of a daemon that runs."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.admin import AdminTests
from tests.browser import NARROW, WIDE, browser
from tests.running import PATIENCE, ROOT, Running, readAll

pytestmark = pytest.mark.slow

LESSONS = ("split", "half", "reset", "chat", "lost", "joined")
VIEWS = ("services", "connections", "try", "faults", "lessons")
#: Markup that would run, colours and a bell for terminals, a reversed reading order, no UTF-8.
HOSTILE = (
    b'<img src=x onerror="window.ran=1"><script>window.ran=1</script>'
    b"\x1b[31mred\x07 \xe2\x80\xaegnp.exe \xff"
)
SHOWN = ('<img src=x onerror="window.ran=1">', "\\x1b[31mred\\x07", "\\u202egnp.exe", "\\xff")


class PageTests(AdminTests):
    """Each test opens the page anew, as who has just read its address in the terminal."""

    def setUp(self) -> None:
        super().setUp()
        self.page = browser()
        self.page.enter(f"http://{self.admin.host}:{self.admin.port}/?token={self.admin.token}")

    def tearDown(self) -> None:
        super().tearDown()
        self.assertEqual([], self.page.complaints())

    def number(self, sock: socket.socket) -> int:
        """That of the daemon for the connection, or conversation, of this socket."""
        host, port = sock.getsockname()[:2]

        def find() -> Any:
            found = self.admin.ask(f"/api/v1/connections?peer={host}:{port}").json["connections"]
            return found and found[0]["id"]

        return int(self.page.until(find, f"a connection of {port}"))

    def send(self, service: str, data: bytes) -> socket.socket:
        """A connection that has said this, and nothing more."""
        sock = self.connect(service)
        sock.sendall(data)
        return sock

    def reset(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


class LookTests(PageTests):
    """What is there, for everybody."""

    def test_views(self) -> None:
        """Every view has its title and its place in the navigation, and nothing goes wrong."""
        for view in VIEWS:
            self.page.show(view)
            heading = self.page.text("h1")
            self.assertEqual(heading, self.page.text("nav a[aria-current=page]"))
            self.assertIn("open", self.page.waitForText("#daemon-state", "open"))
        self.page.show("services")
        self.page.until(lambda: len(self.page.all(".card")) == 6, "six services")

    def test_narrow(self) -> None:
        """On 360 pixels no view has to be scrolled sideways."""
        sock = self.send("answer", b"how are u\n" + b"x" * 300)
        self.page.emulate(NARROW, "light")
        for view in (*VIEWS, f"connections/{self.number(sock)}", "try/hello", "lessons/chat"):
            self.page.show(view)
            self.page.one("h1")
            if view.startswith("connections/"):
                self.page.one(".rung")
            width = self.page.script("return document.documentElement.scrollWidth")
            self.assertLessEqual(width, NARROW[0], view)

    def test_accessible(self) -> None:
        """axe-core finds nothing, in any view, light or dark, wide or narrow."""
        axe = axeSource()
        sock = self.send("answer", b"how are u\n")
        self.page.show("try/echo")
        self.page.click("form.try button[type=submit]")
        self.page.one(".rung")
        # The form with its result first, and then all the others.
        for view in ("", *VIEWS, f"connections/{self.number(sock)}"):
            if view:
                self.page.show(view)
                self.page.one("h1")
            for size, scheme in ((WIDE, "light"), (WIDE, "dark"), (NARROW, "light")):
                # Of a colour that is fading to another nobody can tell the contrast.
                self.page.emulate(size, scheme, "reduce")
                self.assertEqual([], violations(axe), (view, scheme, size))

    def test_theme(self) -> None:
        """The switch goes before what the system likes, and is remembered."""

        def dark() -> Any:
            return self.page.script("return getComputedStyle(document.body).backgroundColor")

        light = dark()
        self.page.emulate(WIDE, "dark")
        self.assertNotEqual(light, dark())
        self.page.click("#theme")
        self.assertEqual(light, dark())
        self.page.driver.refresh()
        self.assertEqual(light, dark())
        self.assertIn("Light", self.page.text("#theme"))

    def test_motion(self) -> None:
        """A new row fades in only for who does not mind motion."""
        self.send("echo", b"x")
        for motion, name in (("no-preference", "fresh"), ("reduce", "none")):
            self.page.emulate(WIDE, "light", motion)
            self.page.show("connections")
            self.page.one("tbody tr")
            style = "return getComputedStyle(document.querySelector('tbody tr')).animationName"
            self.assertEqual(name, self.page.script(style))

    def test_keyboard(self) -> None:
        """Everything can be done without a pointer, and it shows where one is."""
        stops = list(self.page.tabStops(8))
        self.assertEqual("Skip to the content", stops[0]["text"])
        self.assertEqual([f"#/{view}" for view in VIEWS], [one["href"] for one in stops[2:7]])
        self.assertEqual([], [one for one in stops if not (one["shows"] and one["inView"])])
        self.page.show("try/echo")
        self.page.one("form.try")
        self.page.script("document.querySelector('h1').focus()")
        seen = []
        for stop in self.page.tabStops(20):
            seen.append(stop)
            if stop["text"].startswith("Send"):
                break
        self.assertEqual([], [one for one in seen if not (one["shows"] and one["inView"])])
        self.assertLessEqual({"service", "text", "cut", "end"}, {one["name"] for one in seen})
        self.page.press("\ue007")
        self.page.waitForText(".rung .label", "This is a test message")
        self.page.script("document.querySelector('.box button.callback').focus()")
        self.page.press("\ue007")
        self.page.waitForText("dialog[open] .code", "def dataReceived")
        self.page.press("\ue00c")
        self.page.until(lambda: not self.page.all("dialog[open]"), "the end of the dialog")
        self.assertEqual(
            "dataReceived", self.page.script("return document.activeElement.textContent")
        )


class WireTests(PageTests):
    """What connections from outside look like."""

    def test_ladder(self) -> None:
        """A plain socket's connection: found in the list, and every step of it on the ladder."""
        sock = self.send("echo", b"first\n")
        self.assertEqual(b"first\n", sock.recv(100))
        sock.sendall(b"second\n")
        self.assertEqual(b"second\n", sock.recv(100))
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(b"", readAll(sock))
        number = self.number(sock)
        self.page.show("connections")
        self.page.waitForText("tbody", f":{sock.getsockname()[1]}")
        self.page.click(f"a[href='#/connections/{number}']")
        self.page.waitForText(".facts", "client FIN")
        self.assertEqual(
            [
                "rung client connect",
                *("rung client data", "rung server data") * 2,
                "rung client fin",
                "rung server fin",
            ],
            self.page.attributes(".rung", "class"),
        )
        labels = self.page.texts(".rung .label")
        self.assertEqual(["connect", "FIN", "FIN"], [labels[0], *labels[5:]])
        self.assertIn("6 B", labels[1])
        self.assertIn("second", labels[4])
        callbacks = self.page.texts(".rung .callback")
        self.assertEqual(["connectionMade", *["dataReceived"] * 4], callbacks[:5])
        self.assertEqual("connectionLost", callbacks[-1])
        self.assertEqual(4, len(self.page.all(".box pre")))

    def test_cuts(self) -> None:
        """What arrived apart has boxes of its own, and the message tells of all of them."""
        sock = self.connect("echo")
        self.page.show(f"connections/{self.number(sock)}")
        for at, part in enumerate((b"how ", b"are ", b"u\n"), 1):
            sock.sendall(part)
            self.page.until(lambda at=at: len(self.page.all(".box.client")) == at, f"box {at}")
        self.page.until(lambda: len(self.page.all(".box.server")) == 3, "all of it")
        self.page.waitForText(".messages", "3 chunks, 1 to 3")

    def test_reset(self) -> None:
        """A reset is told from a close, in the list and on the ladder."""
        sock = self.send("echo", b"forget me")
        self.assertEqual(b"forget me", sock.recv(100))
        number = self.number(sock)
        self.reset(sock)
        self.page.show(f"connections/{number}")
        self.page.waitForText(".facts", "client RST")
        self.assertEqual(["RST"], self.page.texts(".rung.rst.client .label"))

    def test_modes(self) -> None:
        """The same bytes as text, escaped, and in hex."""
        sock = self.send("receive", "é\t\x00".encode() + b"\xfe")
        self.page.show(f"connections/{self.number(sock)}")
        self.assertEqual("é\\t\\x00\\xfe", self.page.text(".box pre"))
        self.page.click("button[data-value=escaped]")
        self.assertEqual("\\xc3\\xa9\\t\\x00\\xfe", self.page.text(".box pre"))
        self.page.click("button[data-value=hex]")
        self.assertRegex(self.page.text(".box pre"), r"^0000  c3 a9 09 00 fe\s+·····$")

    def test_source(self) -> None:
        """A callback leads to the code that ran, wherever a class has it from."""
        sock = self.send("answer", b"how are u\n")
        self.page.show(f"connections/{self.number(sock)}")
        self.page.click(".rung.data a")
        self.page.waitForText("dialog .code", "self._framer.feed(data)")
        self.assertIn(
            "twistednet.services.messages.Messages.dataReceived", self.page.text("dialog .where")
        )
        self.page.click("dialog button.quiet")

    def test_filters(self) -> None:
        """The list can be narrowed to a service, a state, a peer, or what was said."""
        mark = os.urandom(8).hex()
        told, other = self.send("receive", mark.encode()), self.send("echo", b"other")
        wanted, unwanted = (f"#/connections/{self.number(one)}" for one in (told, other))
        port = told.getsockname()[1]

        def only() -> bool:
            links = self.page.attributes("tbody a", "href")
            return any(one.endswith(wanted) for one in links) and not any(
                one.endswith(unwanted) for one in links
            )

        told.close()
        self.page.show("connections")
        for name, value in (
            ("text", mark.upper()),
            ("peer", f":{port}"),
            ("service", "receive"),
            ("state", "ended"),
        ):
            self.page.until(lambda: not only(), "both")
            self.page.choose(f"[name={name}]", value)
            self.page.until(only, f"only what fits {name}")
            self.page.choose(f"[name={name}]", "")

    def test_bounded(self) -> None:
        """However many connect, there are not more than 200 rows."""
        self.page.show("connections")
        for _ in range(300):
            self.connect("echo").close()
        self.page.waitForText("main .top", "newest 200")
        self.assertEqual(200, len(self.page.all("tbody tr")))

    def test_datagrams(self) -> None:
        """Over UDP every datagram has its size and the gap before it."""
        sock = self.datagrams()
        for data in (b"one", b"three" * 3):
            sock.sendto(data, self.daemon.address("datagram", "udp"))
            self.assertEqual(data, sock.recv(100))
        self.page.show(f"connections/{self.number(sock)}")
        self.page.until(lambda: len(self.page.all(".datagrams tbody tr")) == 4, "four datagrams")
        self.assertIn("15 B", self.page.text(".datagrams tbody tr:last-child"))
        self.assertEqual(4, len(self.page.all(".rung.data")))
        self.assertEqual([], self.page.all(".rung.connect, .rung.fin"))

    def test_hostile(self) -> None:
        """What a peer sends is text in every view, to the last byte, and nothing of it runs."""
        numbers = []
        for service in ("echo", "receive", "answer", "chat"):
            numbers.append(self.number(self.send(service, HOSTILE + b"\n")))
        head = b"GET /%b HTTP/1.1\r\nHost: localhost\r\nX: " + HOSTILE + b"\r\n\r\n"
        numbers.append(self.number(self.send("hello", head)))
        sock = self.datagrams()
        sock.sendto(HOSTILE, self.daemon.address("datagram", "udp"))
        self.assertEqual(HOSTILE, sock.recv(1000))
        numbers.append(self.number(sock))
        for number in numbers:
            self.page.show(f"connections/{number}")
            said = self.page.waitForText(".box.client pre", "gnp.exe")
            for part in SHOWN:
                self.assertIn(part, said)
            for mode in ("hex", "escaped", "text"):
                self.page.click(f"button[data-value={mode}]")
            self.harmless()
        self.page.show("connections")
        self.page.one("tbody tr")
        self.harmless()

    def harmless(self) -> None:
        """Nothing ran, nothing became an element, and nothing that acts on a screen is there."""
        self.assertIsNone(self.page.script("return window.ran ?? null"))
        self.assertEqual([], self.page.all("main img, main script"))
        acting = (
            r"return /[\u0000-\u0009\u000b-\u001f\u202a-\u202e]/.test(document.body.textContent)"
        )
        self.assertFalse(self.page.script(acting))


class CommandTests(PageTests):
    """What the page says to type."""

    def test_commands(self) -> None:
        """Every command is right: it runs, and prints what the service answers."""
        answers = {
            "echo": "This is a test message",
            "answer": "fine",
            "datagram": "hello",
            "hello": "Hello World",
            "chat": "guest-",
        }
        kinds = {"nc": ["bash", "-c"], "curl": ["bash", "-c"]}
        self.page.show("services")
        for tool in ("nc", "curl", "python", "twisted"):
            if tool in kinds and shutil.which(tool) is None:
                raise SkipTest(f"{tool} is not installed")
            self.page.click(f"button[data-value={tool}]")
            commands = self.page.until(self.commands)
            self.assertEqual(6, len(commands))
            spoken = set(commands) - ({"datagram"} if tool == "curl" else set())
            running = {
                name: subprocess.Popen(
                    [*kinds.get(tool, [sys.executable, "-c"]), commands[name]],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
                for name in spoken
            }
            for name, process in running.items():
                said, _ = process.communicate(timeout=PATIENCE)
                self.assertIn(answers.get(name, ""), said, (tool, name, commands[name]))
                self.assertNotIn("Traceback", said)

    def commands(self) -> dict[str, str]:
        return {
            card.get_attribute("data-service"): card.find_element("css selector", "code").text
            for card in self.page.all(".card")
        }


class GoneTests(SynchronousTestCase):
    """A page outlives its daemon."""

    def test_reconnects(self) -> None:
        """Who watches is told that the daemon is gone, and goes on with the next one."""
        flags = ("--only", "echo", "--echo", "tcp:0", "--admin-token", "0123456789abcdef")
        daemon = Running(*flags, "--admin", "tcp:0")
        self.addCleanup(daemon.close)
        url = daemon.waitFor(r"admin: (http://127.0.0.1:(\d+)/)")
        page = browser()
        page.enter(f"{url[1]}?token=0123456789abcdef")
        page.waitForText("#daemon-state", "open")
        self.assertFalse(page.script("return document.getElementById('banner').checkVisibility()"))
        daemon.stop()
        page.waitForText("#banner", "does not answer")
        again = Running(*flags, "--admin", f"tcp:{url[2]}")
        self.addCleanup(again.close)
        page.waitForText("#daemon-state", "open")
        self.assertFalse(page.script("return document.getElementById('banner').checkVisibility()"))
        page.show("connections")
        socket.create_connection(again.address("echo"), PATIENCE).close()
        page.waitForText("tbody", "client FIN")
        # The browser itself tells the console of every attempt.
        self.assertEqual([], [one for one in page.complaints() if "ERR_" not in one])


class TryTests(PageTests):
    """Try it, and the lessons."""

    def test_everyService(self) -> None:
        """For each service what stands there at first is sent, arrives, and is answered."""
        for service, reply in (
            ("echo", "This is a test message"),
            ("receive", ""),
            ("answer", "fine"),
            ("datagram", "hello"),
            ("hello", "200 OK"),
            ("chat", "you are guest-"),
        ):
            self.page.show(f"try/{service}")
            self.page.click("form.try button[type=submit]")
            self.page.one(".rung.client.data")
            if reply:
                self.page.waitForText(".box.server pre", reply)
            else:
                self.assertEqual([], self.page.all(".box.server"))

    def test_parts(self) -> None:
        """A text is cut into as many writes as were asked for, and they arrive apart."""
        self.page.show("try/echo")
        self.page.choose("[name=cut]", "parts")
        self.page.until(lambda: len(self.page.all(".write")) == 3, "three writes")
        self.page.click("form.try button[type=submit]")
        self.page.until(lambda: len(self.page.all(".box.client pre")) == 3, "three chunks")

    def test_tooMuch(self) -> None:
        """What the daemon would not take cannot be sent, and the form says why."""
        self.page.show("try/echo")
        self.page.one("textarea").send_keys("x" * 40)
        self.page.choose("[name=cut]", "bytes")
        self.assertIn("32 are the most", self.page.waitForText("form.try [role=status]", "writes"))
        self.assertFalse(self.page.one("form.try button[type=submit]").is_enabled())

    def test_lessons(self) -> None:
        """Each of the six is done as it is set up, and only then."""
        for lesson in LESSONS:
            self.page.show(f"lessons/{lesson}")
            self.page.one("form.try")
            self.assertEqual([], self.page.all(f"[data-lesson={lesson}].done"), lesson)
            self.page.click(".lesson .line button")
            if lesson != "chat":
                self.page.click("form.try button[type=submit]")
            self.page.one(".verdict.good")
            self.page.one(f"[data-lesson={lesson}].done")

    def test_almost(self) -> None:
        """Who closes where a reset was asked for is told so, and has not done it."""
        self.page.show("lessons/reset")
        self.page.until(self.isWatching, "the first look")
        with self.send("echo", b"x") as sock:
            # Who closes with something unread resets.
            sock.recv(1)
        self.page.waitForText(".verdict", "no reset of yours")
        self.assertEqual([], self.page.all("[data-lesson=reset].done"))

    def test_fromOutside(self) -> None:
        """A lesson may be done with any client, and stays done when the page is opened again."""
        self.page.show("lessons/joined")
        self.page.until(self.isWatching, "the first look")
        self.send("answer", b"how are u\nhow old are u\n")
        self.page.one(".verdict.good")
        self.page.driver.refresh()
        self.page.one("[data-lesson=joined].done")

    def isWatching(self) -> bool:
        """Has the page asked once for what is there?"""
        names = "performance.getEntriesByType('resource').map((one) => one.name)"
        return bool(self.page.script(f"return {names}.some((one) => one.includes('s?limit'))"))


def axeSource() -> str:
    """axe-core, from where AXE says, or from an `npm install axe-core` here."""
    path = Path(os.environ.get("AXE") or ROOT / "node_modules" / "axe-core" / "axe.min.js")
    if not path.is_file():
        raise SkipTest("axe-core is not there: npm install --no-save axe-core, or AXE=axe.min.js")
    return path.read_text()


def violations(axe: str) -> list[str]:
    """What is wrong with the page as it stands, rule by rule."""
    page = browser()
    page.script(f"if (!window.axe) {{ {axe} }}")
    found = page.driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document).then((all) => done(all.violations), (why) => done(String(why)));"
    )
    assert isinstance(found, list), found
    return [
        f"{one['id']}: {node['html']} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]
