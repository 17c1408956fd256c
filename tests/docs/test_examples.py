"""Each example of examples/ does what it says, in the real daemon."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import (
    PATIENCE,
    ROOT,
    TWISTD,
    Running,
    asked,
    environment,
    line,
    readAll,
    run,
)

EXAMPLES = ROOT / "examples"


@cache
def _first() -> Running:
    """One daemon with an example of every service."""
    return _serving(
        echo="loud.LoudEcho",
        receive="wordcount.WordCount",
        answer="adder.Adder",
        datagram="backwards.Backwards",
        hello="visits.Visits",
        chat="dice.Dice",
    )


@cache
def _second() -> Running:
    """Another, with the second examples of those services that have two hooks."""
    return _serving(answer="patient.Patient", chat="polite.Polite")


def _serving(**classes: str) -> Running:
    flags = ["--only", ",".join(classes)]
    for service, name in classes.items():
        kind = "udp" if service == "datagram" else "tcp"
        flags += [f"--{service}", f"{kind}:0", f"--{service}-class={name}"]
    return Running(*flags, env=environment(PYTHONPATH=str(EXAMPLES)))


class SizeTests(SynchronousTestCase):
    def test_every_example_is_short(self) -> None:
        """An example of a hook has 25 lines at most, a file of a package 60."""
        lengths = {file: len(file.read_text().splitlines()) for file in EXAMPLES.rglob("*.py")}
        self.assertGreaterEqual(len(lengths), 7)
        most = {file: 25 if file.parent == EXAMPLES else 60 for file in lengths}
        self.assertEqual([], [file for file in lengths if lengths[file] > most[file]])

    def test_every_example_is_run(self) -> None:
        """No example stands in the folder that no test here names."""
        here = Path(__file__).read_text()
        modules = [file.stem for file in EXAMPLES.glob("*.py")]
        self.assertEqual([], [module for module in modules if f'"{module}.' not in here])


class HookTests(SynchronousTestCase):
    def test_echo_reply(self) -> None:
        """LoudEcho returns capitals, all of them before its FIN."""
        with _first().connect("echo") as connection:
            connection.sendall(b"This is a test message")
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(b"THIS IS A TEST MESSAGE", readAll(connection))

    def test_receive_received(self) -> None:
        """WordCount logs how many words came, and not which."""
        with _first().connect("receive") as connection:
            connection.sendall(b"three secret words")
            host, port = connection.getsockname()
            _first().waitFor(rf"{host}:{port} sent 3 words$")
        self.assertNotIn("secret", _first().log)

    def test_answer_answer(self) -> None:
        """Adder adds, and asks the book for what is no sum."""
        with _first().connect("answer") as connection:
            self.assertEqual(b"9", asked(connection, b"2 + 3 + 4"))
            self.assertEqual(b"fine", asked(connection, b"how are u"))
            self.assertEqual(b"Nothing", asked(connection, b"2 + two"))

    def test_answer_answer_awaited(self) -> None:
        """Patient answers later, each question in its turn."""
        with _second().connect("answer") as connection:
            connection.sendall(b"one\ntwo\n")
            self.assertEqual(b"I thought about 'one'", line(connection))
            self.assertEqual(b"I thought about 'two'", line(connection))

    def test_datagram_reply(self) -> None:
        """Backwards turns a datagram round, and is silent where it returns None."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(PATIENCE)
            peer.connect(("127.0.0.1", _first().address("datagram", "udp")[1]))
            peer.send(b"hush")
            peer.send(b"stressed")
            # Loopback keeps the order: a reply to the first would have come first.
            self.assertEqual(b"desserts", peer.recv(100))

    def test_hello_greeting(self) -> None:
        """Visits greets by name and counts."""
        url = f"http://127.0.0.1:{_first().address('hello')[1]}/?name=Ada"
        first, second = (self._get(url) for _ in range(2))
        self.assertTrue(first.startswith(b"Hello World, Ada! You are visitor "), first)
        self.assertEqual(1, self._visitor(second) - self._visitor(first))

    def _get(self, url: str) -> bytes:
        with urllib.request.urlopen(url, timeout=PATIENCE) as response:
            return bytes(response.read())

    def _visitor(self, greeting: bytes) -> int:
        return int(greeting.rstrip(b".").rpartition(b" ")[2])

    def test_chat_command(self) -> None:
        """What Dice throws is told to whoever threw and to the room, and /help has it."""
        with _first().connect("chat") as one, _first().connect("chat") as other:
            name = line(one).split()[3].decode()
            line(other)
            line(one)
            thrown = asked(one, b"/roll 1").decode()
            self.assertEqual("/roll 1: 1", thrown)
            self.assertEqual(f"{name}: {thrown}", line(other).decode())
            one.sendall(b"/help\nbyebye\n")
            self.assertIn(b"* /roll [SIDES]: throw a die, for all to see\n", readAll(one))

    def test_chat_said(self) -> None:
        """Polite lowers what is shouted, and leaves the rest alone."""
        with _second().connect("chat") as one, _second().connect("chat") as other:
            name = line(one).split()[3]
            line(other)
            one.sendall(b"HELLO THERE\nI am Ada\n")
            self.assertEqual(name + b": hello there", line(other))
            self.assertEqual(name + b": I am Ada", line(other))


#: The examples that are packages.
PACKAGES = ("clock", "greeter", "jokes", "kv", "shout", "stutter")


@cache
def _installed() -> dict[str, str]:
    """The environment in which the packages are installed, in a folder that is no venv."""
    folder = tempfile.TemporaryDirectory(prefix="netdemo-examples-")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile"]
    command += ["--disable-pip-version-check", "--target", folder.name]
    command += [str(EXAMPLES / name) for name in PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stderr}")
    _kept.append(folder)
    return {"PYTHONPATH": folder.name}


_kept: list[tempfile.TemporaryDirectory[str]] = []


@pytest.mark.slow
class PackageTests(SynchronousTestCase):
    """A service and a fault in packages of their own, installed as their users would."""

    def _shout(self, *flags: str) -> Running:
        running = Running("--only=shout", "--shout=tcp:0", *flags, env=environment(**_installed()))
        self.addCleanup(running.stop)
        return running

    def test_it_has_a_flag(self) -> None:
        """--help knows it, its default, and the class that can be subclassed."""
        told = subprocess.run(
            [TWISTD, "netdemo", "--help"],
            capture_output=True,
            text=True,
            env=environment(**_installed(), COLUMNS="80"),
            timeout=60,
        ).stdout
        self.assertRegex(told, r"--shout= +where shout listens(.|\n)*\[tcp:7777\]")
        self.assertRegex(told, r"--shout-class= +a subclass of shout.Shout")

    def test_it_serves_within_the_limits(self) -> None:
        """Lines come back; one over --max-message, and one connection too many, are refused."""
        running = self._shout("--max-message=10", "--max-connections=1")
        with running.connect("shout") as connection:
            self.assertEqual(b"1: HELLO", asked(connection, b"hello"))
            with running.connect("shout") as another:
                self.assertEqual(b"", readAll(another))
            running.waitFor(r"shout: refused \S+: connections$")
            self.assertEqual(b"message too long: 10 bytes at most", asked(connection, b"x" * 11))
            self.assertEqual(b"", readAll(connection))
        running.waitFor(r"shout: \S+ closed .*: message;")

    def test_it_stutters(self) -> None:
        """The other package's kind of fault is told of, chosen and counted as ours are."""
        rule = "shout: stutter 3, the 1st, seed 1"
        running = self._shout("--fault", rule)
        with running.connect("shout") as connection:
            self.assertEqual(b"1: HELLO", asked(connection, b"hello"))
            self.assertEqual([b"1: HELLO"] * 2, [line(connection) for _ in range(2)])
            self.assertEqual(b"2: AGAIN", asked(connection, b"again"))
        running.waitFor(rf"fault stutter: 27 B in place of 9, in 3 pieces \({rule}; 1 by now\)$")
        done = run("netdemo", "--fault", "echo: stutter", env=environment(**_installed()))
        self.assertIn("'stutter' is written as stutter N", done.stderr)

    def test_it_is_drained(self) -> None:
        """After SIGTERM whoever is connected is still answered, and nobody else comes in."""
        running = self._shout()
        with running.connect("shout") as connection:
            self.assertEqual(b"1: BEFORE", asked(connection, b"before"))
            running.signal(signal.SIGTERM)
            running.waitFor(r"draining; connections: 1;")
            self.assertRaises(ConnectionRefusedError, running.connect, "shout")
            self.assertEqual(b"2: AFTER", asked(connection, b"after"))
        self.assertEqual(-signal.SIGTERM, running.stop())

    def netdemo(self, *arguments: str) -> str:
        """Run the command, and return what it prints."""
        command = [sys.executable, "-m", "twistednet.cli.main", *arguments]
        done = subprocess.run(
            command, env=environment(**_installed()), capture_output=True, text=True, timeout=60
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr), done.stdout)
        return done.stdout

    def test_checksAndLoad(self) -> None:
        """The commands `check` and `load` find what the package of kv brings, and kv passes."""
        running = Running("--only=kv", "--kv=tcp:0", env=environment(**_installed()))
        self.addCleanup(running.stop)
        host, port = running.address("kv")
        checked = self.netdemo("check", f"{host}:{port}", "--as", "kv")
        self.assertIn("pass  a value can be read back  [kv protocol: set, then get]", checked)
        self.assertIn(" 0 failed", checked)
        load = ("--connections", "2", "--seconds", "0.5", "--json")
        result = json.loads(self.netdemo("load", f"{host}:{port}", "--as", "kv", *load))
        self.assertEqual({}, result["errors"])
        self.assertEqual(result["sent"], result["answered"])

    def test_others(self) -> None:
        """A service that sends first, one over UDP, one over HTTP, and one with a setting."""
        names = ("greeter", "clock", "jokes", "kv")
        endpoints = [f"--{name}={'udp' if name == 'clock' else 'tcp'}:0" for name in names]
        only = f"--only={','.join(names)}"
        faults = ("--fault", "jokes: status 503, the 1st")
        running = Running(
            only, *endpoints, "--max-keys=1", *faults, env=environment(**_installed())
        )
        self.addCleanup(running.stop)
        with running.connect("greeter") as connection:
            self.assertEqual(b"220 ready", line(connection))
            self.assertEqual(b"250 OK", asked(connection, b"hello"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(PATIENCE)
            peer.connect(("127.0.0.1", running.address("clock", "udp")[1]))
            peer.send(b"........")
            self.assertRegex(peer.recv(100), rb"\d\d:\d\d:\d\d")
        url = f"http://127.0.0.1:{running.address('jokes')[1]}/"
        with self.assertRaisesRegex(urllib.error.HTTPError, "503"):
            urllib.request.urlopen(url, timeout=PATIENCE)
        with urllib.request.urlopen(url, timeout=PATIENCE) as response:
            self.assertIn(b"joke", response.read())
        with running.connect("kv") as connection:
            connection.sendall(b"set a 1\nset b 2\nget a\n")
            self.assertEqual([b"ok", b"full", b"1"], [line(connection) for _ in range(3)])
