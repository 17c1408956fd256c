"""Modules of the live page, called in a real browser."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.adminsite import AdminTests
from tests.support.browser import browser

pytestmark = pytest.mark.slow


class ModuleTests(AdminTests):
    """Functions of the page, and what they do with times, reasons and streams."""

    flags = ("--only", "echo", "--echo", "tcp:0", "--admin", "tcp:0")

    def setUp(self) -> None:
        super().setUp()
        self.page = browser()
        self.page.enter(f"http://{self.admin.host}:{self.admin.port}/?token={self.admin.token}")

    def call(self, body: str, *arguments: Any) -> Any:
        """Return what this body of an async function returns; `args` are the arguments."""
        found = self.page.driver.execute_async_script(
            "const done = arguments[arguments.length - 1]; const args = [...arguments];"
            f"(async () => {{ {body} }})()"
            ".then((value) => done({ value }), (why) => done({ why: String(why) }));",
            *arguments,
        )
        self.assertNotIn("why", found)
        return found["value"]

    def test_durations(self) -> None:
        """A duration is shown in the units that suit it."""
        shown = {
            0: "0 µs",
            0.000_25: "250 µs",
            0.002_5: "2.5 ms",
            0.25: "250 ms",
            2.5: "2.50 s",
            25: "25.0 s",
            150: "2 min 30 s",
            3599: "59 min 59 s",
            3600: "1 h 0 min",
            9000: "2 h 30 min",
            100_000: "27 h 46 min",
        }
        body = "const { duration } = await import('/lib/format.js'); return args[0].map(duration);"
        self.assertEqual([*shown.values()], self.call(body, [*shown]))

    def test_ends(self) -> None:
        """The ladder ends as the reason says: who closed, and with a FIN or a RST."""
        ends = {
            **dict.fromkeys(
                ("idle", "write stall", "handshake", "queue", "error", "shutdown", "admin"),
                "server rst",
            ),
            **dict.fromkeys(("service", "message", "messages", "HTTP Host"), "server fin"),
            "client RST": "client rst",
            "client FIN": "server fin",
            "connection lost": "client rst",
        }
        body = """
            const { steps } = await import("/wire/steps.js");
            return args[0].map((reason) => {
              const all = steps({ kind: "tcp", chunks: [], faults: [], reason, seconds: 1 });
              const { from, kind } = all[all.length - 1];
              return `${from} ${kind}`;
            });"""
        self.assertEqual(ends, dict(zip(ends, self.call(body, [*ends]), strict=True)))

    def test_history(self) -> None:
        """The rates of the last minute are kept, and no others, however long a page is open."""
        body = """
            let stream;
            const Real = window.EventSource;
            window.EventSource = class extends EventTarget {
              constructor() { super(); stream = this; }
              close() {}
            };
            const { live, start, HISTORY_SECONDS } = await import("/lib/live.js");
            start();
            window.EventSource = Real;
            const rates = { opened: 0, bytesIn: 0, bytesOut: 0 };
            for (let open = 0; open < 3 * HISTORY_SECONDS; open += 1) {
              const data = JSON.stringify(
                { services: { other: { ...rates, open } }, faults: 0, playing: null });
              stream.dispatchEvent(new MessageEvent("rates", { data }));
            }
            return [HISTORY_SECONDS, live.rates.get("other").map((one) => one.open)];"""
        seconds, kept = self.call(body)
        self.assertEqual([*range(2 * seconds, 3 * seconds)], kept)

    def test_leftWhileLoading(self) -> None:
        """A list of connections that arrives after its view was left is the last one."""
        body = """
            const real = window.fetch;
            const later = window.setTimeout;
            const shown = (hash) => new Promise((resolve) => {
              addEventListener("hashchange", () => later(resolve), { once: true });
              location.hash = hash;
            });
            let release;
            let begin;
            const held = new Promise((resolve) => { release = resolve; });
            const asked = new Promise((resolve) => { begin = resolve; });
            const isList = (url) => String(url).includes("/connections?");
            window.fetch = async (url, options) => {
              if (isList(url)) {
                begin();
                await held;
              }
              return real(url, options);
            };
            await shown("#/connections");
            await asked;
            await shown("#/services");
            const again = [];
            window.fetch = (url, options) => {
              if (isList(url)) again.push(String(url));
              return real(url, options);
            };
            window.setTimeout = (act, ...rest) => {
              if (act.name === "load") again.push("a timer");
              return later(act, ...rest);
            };
            release();
            // By then the list has come, and was dealt with.
            for (let turn = 0; turn < 5; turn += 1) await (await real("api/v1/services")).json();
            window.fetch = real;
            window.setTimeout = later;
            return again;"""
        self.assertEqual([], self.call(body))
