"""Faults on the live page: seen in their places, in a real browser."""

from __future__ import annotations

import socket

import pytest

from tests.browser import NARROW, WIDE
from tests.running import readUntil
from tests.test_page import PageTests, axeSource, violations

pytestmark = pytest.mark.slow


class FaultTests(PageTests):
    """Each test begins with nothing in force, and leaves nothing."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.put)

    def put(self, *rules: str) -> None:
        """These are in force, and no others, whatever the page has done."""
        got = self.admin.ask("/api/v1/faults", "PUT", {"rules": list(rules)})
        self.assertEqual(200, got.status, got.body)

    def shown(self, sock: socket.socket) -> None:
        """Open the view of its connection."""
        self.page.show(f"connections/{self.number(sock)}")
        self.page.one(".rung")

    def test_live(self) -> None:
        """What a fault does to a connection that is looked at is seen at once, as its end is."""
        sock = self.send("echo", b"one")
        self.assertEqual(b"one", readUntil(sock, b"one"))
        self.shown(sock)
        self.assertEqual([], self.page.all(".acted, .box.fault"))
        self.put("echo: latency 1ms", "echo: truncate after 5 bytes with RST")
        sock.sendall(b"more than that")
        self.assertRaises(ConnectionResetError, readUntil, sock, b"never")
        self.page.says(".rung.rst.server .label", "RST: fault truncate")
        told = self.page.texts(".box.fault .box-top")
        self.assertEqual(2, len(told))
        self.assertIn("fault truncate5 of 14 B passed, reset", told[1])
        self.assertEqual(2, len(self.page.all(".acted")))
        self.page.says(".facts", "acted 2 times")

    def test_fin(self) -> None:
        """A connection that a fault has closed ends with a FIN on the ladder."""
        self.put("echo: close before reply")
        sock = self.send("echo", b"x")
        self.assertEqual(b"", sock.recv(1))
        sock.shutdown(socket.SHUT_WR)
        self.shown(sock)
        self.page.says(".rung.fin.server .label", "FIN: fault close")
        self.assertEqual([], self.page.all(".rung.rst"))
        self.page.says(".acted", "end")

    def test_datagrams(self) -> None:
        """Over UDP what was lost stands between the datagrams."""
        self.put("datagram: drop, the 2nd")
        sock = self.datagrams()
        for data in (b"one", b"two", b"six"):
            sock.sendto(data, self.daemon.address("datagram", "udp"))
        self.assertEqual([b"one", b"six"], [sock.recv(100), sock.recv(100)])
        self.shown(sock)
        self.page.says(".box.fault", "0 of 3 B passed")
        sock.sendto(b"ten", self.daemon.address("datagram", "udp"))
        self.page.says(".stream li:last-child", "datagram 7")
        self.assertEqual(1, len(self.page.all(".acted")))

    def test_accessible(self) -> None:
        """axe-core finds nothing, nor has anything to be scrolled sideways, in the views of
        a connection that faults hit, and of the list."""
        axe = axeSource()
        long = "echo: truncate after 5 bytes with RST, from 127.0.0.1, new connections, 1000 times"
        self.put("echo: latency 1ms", long)
        sock = self.send("echo", b"hello, hello")
        self.assertRaises(ConnectionResetError, readUntil, sock, b"never")
        for view, mark in (
            (f"connections/{self.number(sock)}", ".acted"),
            ("connections", ".tag.fault"),
        ):
            self.page.show(view)
            self.page.one(mark)
            for size, scheme in ((WIDE, "light"), (NARROW, "dark")):
                self.page.look(size, scheme, "reduce")
                self.assertEqual([], violations(axe), (view, scheme, size))
            width = self.page.script("return document.documentElement.scrollWidth")
            self.assertLessEqual(width, NARROW[0], view)
