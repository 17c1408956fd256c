"""The live page of a running daemon, in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.adminsite import AdminTests
from tests.support.browser import NARROW, WIDE, browser
from tests.support.processes import PATIENCE, ROOT, Running, readAll

pytestmark = pytest.mark.slow

LESSONS = ("split", "half", "reset", "chat", "lost", "joined")
VIEWS = ("services", "connections", "try", "faults", "lessons")
#: Markup that would run, terminal escapes, a reversed reading order, and invalid UTF-8.
HOSTILE = (
    b'<img src=x onerror="window.ran=1"><script>window.ran=1</script>'
    b"\x1b[31mred\x07 \xe2\x80\xaegnp.exe \xff"
)
SHOWN = ('<img src=x onerror="window.ran=1">', "\\x1b[31mred\\x07", "\\u202egnp.exe", "\\xff")


class PageTests(AdminTests):
    """Base of the tests: each opens the page at the URL that the daemon has printed."""

    def setUp(self) -> None:
        super().setUp()
        self.page = browser()
        self.page.enter(f"http://{self.admin.host}:{self.admin.port}/?token={self.admin.token}")

    def tearDown(self) -> None:
        super().tearDown()
        self.assertEqual([], self.page.complaints())

    def number(self, sock: socket.socket) -> int:
        """Return the daemon's number of this socket's connection or UDP conversation."""
        host, port = sock.getsockname()[:2]

        def find() -> Any:
            found = self.admin.ask(f"/api/v1/connections?peer={host}:{port}").json["connections"]
            return found and found[0]["id"]

        return int(self.page.until(find, f"a connection of {port}"))

    def send(self, service: str, data: bytes) -> socket.socket:
        """Return a connection that has sent this data."""
        sock = self.connect(service)
        sock.sendall(data)
        return sock

    def reset(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


class LookTests(PageTests):
    """The frame of the page, and its accessibility."""

    def test_views(self) -> None:
        """Every view has its title and its place in the navigation, without console errors."""
        for view in VIEWS:
            self.page.show(view)
            heading = self.page.text("h1")
            self.assertEqual(heading, self.page.text("nav a[aria-current=page]"))
            self.assertIn("open", self.page.waitForText("#daemon-state", "open"))
        self.page.show("services")
        self.page.until(lambda: len(self.page.all(".card")) == 6, "six services")

    def test_narrow(self) -> None:
        """No view scrolls sideways at a width of 360 pixels."""
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
        """axe-core finds no violation in any view, light or dark, wide or narrow."""
        axe = axeSource()
        sock = self.send("answer", b"how are u\n")
        self.page.show("try/echo")
        self.page.click("form.try button[type=submit]")
        self.page.one(".rung")
        # The form with its result is open already; the other views follow.
        for view in ("", *VIEWS, f"connections/{self.number(sock)}"):
            if view:
                self.page.show(view)
                self.page.one("h1")
            for size, scheme in ((WIDE, "light"), (WIDE, "dark"), (NARROW, "light")):
                # axe-core cannot measure the contrast of a colour that is in transition.
                self.page.emulate(size, scheme, "reduce")
                self.assertEqual([], violations(axe), (view, scheme, size))

    def test_cookie(self) -> None:
        """The browser that has the cookie does not send it to a service on the same host."""
        host, port = self.daemon.address("hello")
        since = len(self.daemon.log)
        self.page.driver.get(f"http://{host}:{port}/")
        asked = self.daemon.waitFor(r"asked, and got 200:(?:\n\t.*)*", since)[0]
        self.assertIn("User-Agent", asked)
        self.assertNotIn(f"netdemo-{self.admin.port}", asked)
        self.page.enter(f"http://{self.admin.host}:{self.admin.port}/?token={self.admin.token}")

    def test_theme(self) -> None:
        """The theme button overrides the system's scheme, and is remembered."""

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
        """A new row fades in unless the system asks for reduced motion."""
        self.send("echo", b"x")
        for motion, name in (("no-preference", "fresh"), ("reduce", "none")):
            self.page.emulate(WIDE, "light", motion)
            self.page.show("connections")
            self.page.one("tbody tr")
            style = "return getComputedStyle(document.querySelector('tbody tr')).animationName"
            self.assertEqual(name, self.page.script(style))

    def test_keyboard(self) -> None:
        """Everything works with the keyboard, and the focus is always visible."""
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
    """Connections of clients outside the page."""

    def test_ladder(self) -> None:
        """A connection is in the list, and the ladder shows each of its steps."""
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
        # The facts are drawn from the summary, and the ladder from the events that follow.
        self.page.one(".rung.server.fin")
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
        """Each chunk has its own box, and the message names all of them."""
        sock = self.connect("echo")
        self.page.show(f"connections/{self.number(sock)}")
        for at, part in enumerate((b"how ", b"are ", b"u\n"), 1):
            sock.sendall(part)
            self.page.until(lambda at=at: len(self.page.all(".box.client")) == at, f"box {at}")
        self.page.until(lambda: len(self.page.all(".box.server")) == 3, "all of it")
        self.page.waitForText(".messages", "3 chunks, 1 to 3")

    def test_reset(self) -> None:
        """The view of a connection and its ladder distinguish a reset from a close."""
        sock = self.send("echo", b"forget me")
        self.assertEqual(b"forget me", sock.recv(100))
        number = self.number(sock)
        self.reset(sock)
        self.page.show(f"connections/{number}")
        self.page.waitForText(".facts", "client RST")
        self.page.one(".rung.rst.client")
        self.assertEqual(["RST"], self.page.texts(".rung.rst.client .label"))

    def test_modes(self) -> None:
        """The same bytes are shown as text, escaped, or in hex."""
        sock = self.send("receive", "é\t\x00".encode() + b"\xfe")
        self.page.show(f"connections/{self.number(sock)}")
        self.assertEqual("é\\t\\x00\\xfe", self.page.text(".box pre"))
        self.page.click("button[data-value=escaped]")
        self.assertEqual("\\xc3\\xa9\\t\\x00\\xfe", self.page.text(".box pre"))
        self.page.click("button[data-value=hex]")
        self.assertRegex(self.page.text(".box pre"), r"^0000  c3 a9 09 00 fe\s+·····$")

    def test_source(self) -> None:
        """A callback opens its source code, also if it is inherited."""
        sock = self.send("answer", b"how are u\n")
        self.page.show(f"connections/{self.number(sock)}")
        self.page.click(".rung.data a")
        self.page.waitForText("dialog .code", "self._framer.feed(data)")
        self.assertIn(
            "twistednet.services.messages.Messages.dataReceived", self.page.text("dialog .where")
        )
        self.page.click("dialog button.quiet")

    def test_filters(self) -> None:
        """The list can be filtered by service, state, peer and data."""
        mark = os.urandom(8).hex()
        sock, other = self.send("receive", mark.encode()), self.send("echo", b"other")
        wanted, unwanted = (f"#/connections/{self.number(one)}" for one in (sock, other))
        port = sock.getsockname()[1]

        def only() -> bool:
            links = self.page.attributes("tbody a", "href")
            return any(one.endswith(wanted) for one in links) and not any(
                one.endswith(unwanted) for one in links
            )

        sock.close()
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
        """There are at most 200 rows, however many connections there were."""
        self.page.show("connections")
        for _ in range(300):
            self.connect("echo").close()
        self.page.waitForText("main .top", "newest 200")
        self.assertEqual(200, len(self.page.all("tbody tr")))

    def test_datagrams(self) -> None:
        """A table shows the size of each datagram, and the gap before it."""
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
        """Data of a peer is only text in every view, and never runs."""
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
            shown = self.page.waitForText(".box.client pre", "gnp.exe")
            for part in SHOWN:
                self.assertIn(part, shown)
            for mode in ("hex", "escaped", "text"):
                self.page.click(f"button[data-value={mode}]")
            self.harmless()
        self.page.show("connections")
        self.page.one("tbody tr")
        self.harmless()

    def harmless(self) -> None:
        """Assert that no data ran, became an element, or has characters that act on a screen."""
        self.assertIsNone(self.page.script("return window.ran ?? null"))
        self.assertEqual([], self.page.all("main img, main script"))
        acting = (
            r"return /[\u0000-\u0009\u000b-\u001f\u202a-\u202e]/.test(document.body.textContent)"
        )
        self.assertFalse(self.page.script(acting))


class CommandTests(PageTests):
    """The commands that the page offers."""

    def test_commands(self) -> None:
        """Every command runs, and prints the service's answer."""
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
                output, _ = process.communicate(timeout=PATIENCE)
                self.assertIn(answers.get(name, ""), output, (tool, name, commands[name]))
                self.assertNotIn("Traceback", output)

    def commands(self) -> dict[str, str]:
        return {
            card.get_attribute("data-service"): card.find_element("css selector", "code").text
            for card in self.page.all(".card")
        }


class IPv6CommandTests(CommandTests):
    """The same, for a daemon that listens on ::1 alone."""

    flags = (
        *("--echo", "tcp6:0", "--receive", "tcp6:0", "--answer", "tcp6:0", "--hello", "tcp6:0"),
        *("--datagram", "udp:0:interface=::1", "--chat", "tcp6:0", "--admin", "tcp:0"),
    )


class GoneTests(SynchronousTestCase):
    """A page that is open while its daemon restarts."""

    def test_reconnects(self) -> None:
        """A banner reports that the daemon is gone, and that the next one needs its URL opened."""
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
        page.waitForText("#banner", "Open the URL")
        page.driver.get(f"{url[1]}?token=0123456789abcdef")
        page.waitForText("#daemon-state", "open")
        self.assertFalse(page.script("return document.getElementById('banner').checkVisibility()"))
        page.show("connections")
        socket.create_connection(again.address("echo"), PATIENCE).close()
        page.waitForText("tbody", "client FIN")
        # The browser itself logs every attempt to the console, refused ones too.
        attempts = re.compile("ERR_|status of 401")
        self.assertEqual([], [one for one in page.complaints() if not attempts.search(one)])


class TryTests(PageTests):
    """Try it and the lessons."""

    def test_everyService(self) -> None:
        """The default text of each service is sent, arrives, and is answered."""
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
        """A text is split into the chosen number of writes, which arrive separately."""
        self.page.show("try/echo")
        self.page.choose("[name=cut]", "parts")
        self.page.until(lambda: len(self.page.all(".write")) == 3, "three writes")
        self.page.click("form.try button[type=submit]")
        self.page.until(lambda: len(self.page.all(".box.client pre")) == 3, "three chunks")

    def test_tooMuch(self) -> None:
        """A plan beyond the daemon's limits cannot be sent, and the form shows the reason."""
        self.page.show("try/echo")
        self.page.one("textarea").send_keys("x" * 40)
        self.page.choose("[name=cut]", "bytes")
        self.assertIn(
            "exceed the limit of 32", self.page.waitForText("form.try [role=status]", "writes")
        )
        self.assertFalse(self.page.one("form.try button[type=submit]").is_enabled())

    def test_lessons(self) -> None:
        """Each lesson is done by sending its prepared form, and not before."""
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
        """A close does not complete the lesson about resets, and the hint says so."""
        self.page.show("lessons/reset")
        self.page.until(self.isWatching, "the first look")
        with self.send("echo", b"x") as sock:
            # A close with unread data would send a RST.
            sock.recv(1)
        self.page.waitForText(".verdict", "not with a RST")
        self.assertEqual([], self.page.all("[data-lesson=reset].done"))

    def test_bareMessages(self) -> None:
        """A text in three messages, as pauses end them, is no line in three writes."""
        self.page.show("lessons/split")
        self.page.until(self.isWatching, "the first look")
        sock = self.connect("answer")
        for part in (b"how ", b"are", b" u\n"):
            sock.sendall(part)
            sock.recv(100)
        self.page.waitForText(".verdict", "a pause ended a message")
        self.assertEqual([], self.page.all("[data-lesson=split].done"))
        self.page.show(f"connections/{self.number(sock)}")
        self.page.until(lambda: len(self.page.all(".messages li")) == 6, "six messages")
        shown = self.page.texts(".messages li.client p")
        self.assertEqual(
            [
                "chunk 1 · no newline: a pause ended it",
                "chunk 2 · no newline: a pause ended it",
                "chunk 3",
            ],
            [text.partition(" · ")[2].partition(" · ")[2] for text in shown],
        )

    def test_fromOutside(self) -> None:
        """A lesson can be done with any client, and stays done after a reload."""
        self.page.show("lessons/joined")
        self.page.until(self.isWatching, "the first look")
        self.send("answer", b"how are u\nhow old are u\n")
        self.page.one(".verdict.good")
        self.page.driver.refresh()
        self.page.one("[data-lesson=joined].done")

    def isWatching(self) -> bool:
        """True if the page has loaded the list of connections once."""
        names = "performance.getEntriesByType('resource').map((one) => one.name)"
        return bool(self.page.script(f"return {names}.some((one) => one.includes('s?limit'))"))


def axeSource() -> str:
    """Return the source of axe-core: the file in $AXE, or that of `npm install axe-core`."""
    path = Path(os.environ.get("AXE") or ROOT / "node_modules" / "axe-core" / "axe.min.js")
    if not path.is_file():
        raise SkipTest(
            "axe-core is not installed: npm install --no-save axe-core, or set AXE=axe.min.js"
        )
    return path.read_text()


def violations(axe: str) -> list[str]:
    """Return the violations that axe-core finds in the page as it is now."""
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
