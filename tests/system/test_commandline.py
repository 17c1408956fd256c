"""`twistd netdemo` before it serves: help, mistakes, ports that are taken."""

from __future__ import annotations

import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

from twisted.trial.unittest import SkipTest, TestCase

from tests.support.processes import (
    ANYWHERE,
    run,
    running,
    temporaryFolder,
)


class CommandLineTests(TestCase):
    """Help, and starts that fail."""

    def test_help(self) -> None:
        """Every flag is listed with its default, in 80 columns."""
        result = run("netdemo", "--help")
        self.assertEqual(result.returncode, 0)
        self.assertLessEqual(max(map(len, result.stdout.splitlines())), 80)
        flat = " ".join(result.stdout.split())
        for text in (
            "--echo= where echo listens, or off: it returns every byte (RFC 862) [tcp:8888]",
            "--max-peer-connections= open connections from one address [20]",
            "--drain-timeout= seconds to serve open connections when the daemon stops [30.0]",
            "--limit-loopback ",
            "--chat-class= a subclass of twistednet.services.chat.Chat to serve",
            "--only= ",
        ):
            self.assertIn(text, flat)

    def test_listed(self) -> None:
        """twistd lists the plugin, in any folder."""
        self.assertRegex(run("--help").stdout, r"netdemo +The basic network services")

    def test_mistakes(self) -> None:
        """Each is one line that says what is wrong; status 1, no traceback."""
        mistakes: list[tuple[list[str], str]] = [
            (["--ecko", "tcp:1"], "option --ecko not recognized"),
            (["--echo"], "option --echo requires argument"),
            (
                ["--echo", "tcp:http"],
                "--echo: 'http' is not a port: write a number from 0",
            ),
            (["stray"], "'stray' is not a flag"),
            (["--config", "/no/such.toml"], "/no/such.toml: cannot be read"),
            (["--max-message", "x"], "--max-message: 'x' is not a whole number"),
            (["--echo", "nosuch:1"], "echo: cannot listen on nosuch:1"),
            (["--echo", "unix:/no/such/folder/x"], "no such file or directory"),
            (["--echo", "ssl:0:privateKey=/no/such"], "/no/such: no such file or directory"),
            (["--echo", "systemd:domain=INET:index=7"], "echo: cannot listen on systemd:"),
        ]

        def start(mistake: tuple[list[str], str]) -> subprocess.CompletedProcess[str]:
            return run("-n", "--pidfile=", "netdemo", *ANYWHERE, *mistake[0])

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(start, mistakes))
        for (flags, message), result in zip(mistakes, results, strict=True):
            self.assertEqual(result.returncode, 1, flags)
            lines = result.stderr.strip().splitlines()
            self.assertEqual(len(lines), 1, result.stderr)
            self.assertTrue(lines[0].startswith("twistd netdemo: "), lines)
            self.assertIn(message, lines[0])
            self.assertNotIn("Traceback", result.stdout)

    def test_portTaken(self) -> None:
        """The message names service, port, reason and flag; no port stays open."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            folder = temporaryFolder(self)
            result = run(
                *("-n", "--pidfile=", "netdemo", *ANYWHERE),
                *("--echo", f"unix:{folder}/echo.sock", "--chat", f"tcp:{port}"),
            )
        self.assertEqual(result.returncode, 1)
        self.assertEqual(
            result.stderr,
            f"twistd netdemo: chat: cannot listen on tcp:{port}: address already in use "
            "(`ss -ltnp` shows by whom); --chat ENDPOINT moves it, --chat off drops it\n",
        )
        self.assertEqual(list(folder.iterdir()), [])

    def test_datagramPortTaken(self) -> None:
        """The same holds for a UDP port."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            result = run("-n", "--pidfile=", "netdemo", *ANYWHERE, "--datagram", f"udp:{port}")
        self.assertEqual(result.returncode, 1)
        self.assertIn("already in use (`ss -lunp` shows by whom)", result.stderr)

    def test_rootServesThisMachineOnly(self) -> None:
        """Root is warned on loopback, and may not serve other machines."""
        if os.geteuid() != 0:
            raise SkipTest("this needs root")
        result = run("-n", "--pidfile=", "netdemo", "--echo", "tcp:0:interface=0.0.0.0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("echo: root may not serve other machines", result.stderr)
        with running("--only", "echo", "--echo", "tcp:0") as daemon:
            daemon.waitFor("running as root; use twistd --uid nobody")
