"""The clients at a terminal: tmux types lines and reads the screen."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import count

import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests.support.servers import serve
from twistednet.testing import Server

_numbers = count(1)


class Terminal:
    """A terminal of 100 columns in which one command runs; its status is shown at the end."""

    def __init__(self, folder: str, *command: str) -> None:
        self._socket = f"{folder}/tmux{next(_numbers)}"
        line = shlex.join([sys.executable, "-m", "twistednet.cli.main", *command])
        environment = {**os.environ, "XDG_STATE_HOME": folder, "TERM": "screen"}
        environment.pop("TMUX", None)
        self._tmux(
            *("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40"),
            f"{line}; echo status=$?; exec cat",
            env=environment,
        )

    def _tmux(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=env,
        )
        return done.stdout

    def type(self, text: str, enter: bool = True) -> None:
        self._tmux("send-keys", "-l", "--", text)
        if enter:
            self.press("Enter")

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    @property
    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def shows(self, text: str) -> None:
        """Wait until the screen shows the text, but for spaces at the end of a line."""
        text = "\n".join(line.rstrip() for line in text.split("\n"))
        end = time.monotonic() + 15
        while text not in self.screen:
            if time.monotonic() > end:
                raise AssertionError(f"{text!r} never came:\n{self.screen}")
            time.sleep(0.02)

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.mark.slow
class PromptTests(SynchronousTestCase):
    """Each client at its prompt."""

    def setUp(self) -> None:
        if shutil.which("tmux") is None:
            self.skipTest("tmux is not installed")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def serve(self, service: str) -> Server:
        return serve(self, service)

    def terminal(self, service: str, server: Server, *options: str) -> Terminal:
        target = f"{server.host}:{server.port}"
        terminal = Terminal(self.folder, service, target, *options)
        self.addCleanup(terminal.close)
        terminal.shows("> ")
        return terminal

    def test_echo(self) -> None:
        """Typed lines come back; exit ends with status 0, and is not sent."""
        server = self.serve("echo")
        terminal = self.terminal("echo", server)
        terminal.type("hello")
        terminal.shows("> hello\nhello\n> ")
        terminal.type("exit")
        terminal.shows("status=0")
        self.assertEqual(server.received(), b"hello\n")

    def test_history(self) -> None:
        """Up brings back a typed line, in the next run too."""
        server = self.serve("echo")
        for _ in range(2):
            terminal = self.terminal("echo", server)
            if _ == 0:
                terminal.type("memorable")
                terminal.shows("> memorable\nmemorable\n> ")
                terminal.press("C-d")
                terminal.shows("status=0")
        terminal.press("Up", "Enter")
        terminal.shows("> memorable\nmemorable\n> ")
        [history] = os.listdir(f"{self.folder}/netdemo")
        mode = os.stat(f"{self.folder}/netdemo/{history}").st_mode
        self.assertEqual(mode & 0o777, 0o600)

    def test_ask(self) -> None:
        """A typed question is answered; bye ends."""
        terminal = self.terminal("ask", self.serve("answer"))
        terminal.type("how are u")
        terminal.shows("> how are u\nfine\n> ")
        terminal.type("bye")
        terminal.shows("> bye\nBye\nstatus=0")

    def test_datagram(self) -> None:
        """A typed line is a datagram; bye ends."""
        server = self.serve("datagram")
        terminal = self.terminal("datagram", server)
        terminal.type("hi")
        terminal.shows("> hi\nhi\n> ")
        terminal.type("bye")
        terminal.shows("> bye\nbye\nstatus=0")
        self.assertEqual(server.datagrams, [b"hi", b"bye"])

    def test_send(self) -> None:
        """Typed lines arrive; Ctrl-D ends."""
        server = self.serve("receive")
        terminal = self.terminal("send", server)
        terminal.type("one")
        server.waitFor(lambda server: server.received() == b"one\n")
        terminal.press("C-d")
        terminal.shows("status=0")
        self.assertEqual(server.connections[0].closed, "client FIN")

    def test_hello(self) -> None:
        """A typed name gets a greeting."""
        terminal = self.terminal("hello", self.serve("hello"))
        terminal.type("Michael")
        terminal.shows("Hello World, Michael!")
        terminal.press("C-d")
        terminal.shows("status=0")

    def test_chat(self) -> None:
        """A line of one person appears above the half-typed line of another."""
        server = self.serve("chat")
        one = self.terminal("chat", server)
        one.shows("* you are guest-1 in lobby")
        other = self.terminal("chat", server)
        one.shows("* guest-2 has joined lobby")
        one.type("half a sen", enter=False)
        one.shows("> half a sen")
        other.type("do I disturb you?")
        one.shows("guest-2: do I disturb you?\n> half a sen")
        one.type("tence")
        other.shows("guest-1: half a sentence")
        other.type("byebye")
        other.shows("byebye\nstatus=0")
        one.shows("* guest-2 has left lobby")
        one.press("C-d")
        one.shows("status=0")
        reasons = [connection.closed for connection in server.connections]
        self.assertEqual(reasons, ["service", "service"])

    def test_chatIsOver(self) -> None:
        """When the server closes, the prompt ends, even with a half-typed line."""
        server = self.serve("chat")
        terminal = self.terminal("chat", server)
        terminal.shows("* you are guest-1")
        terminal.type("half a sen", enter=False)
        terminal.shows("> half a sen")
        server.close()
        terminal.shows("status=1")

    def test_interrupted(self) -> None:
        """Ctrl-C at a prompt ends the command without a traceback."""
        for service, name in (("ask", "answer"), ("chat", "chat")):
            terminal = self.terminal(service, self.serve(name))
            terminal.press("C-c")
            terminal.shows("status=130")
            self.assertNotIn("Traceback", terminal.screen)

    def test_hungUp(self) -> None:
        """With a stopped server, the next line ends with status 1 and one error line."""
        server = self.serve("answer")
        terminal = self.terminal("ask", server)
        server.close()
        terminal.type("how are u")
        terminal.shows("status=1")
        self.assertNotIn("Traceback", terminal.screen)

    def test_load(self) -> None:
        """Load shows its progress."""
        server = self.serve("echo")
        target = f"{server.host}:{server.port}"
        terminal = Terminal(self.folder, "load", target, "-t", "1", "-c", "1")
        self.addCleanup(terminal.close)
        terminal.shows(" answers, ")
        self.assertNotIn("errors: none", terminal.screen)
        terminal.shows("status=0")
        self.assertIn("errors: none", terminal.screen)

    def test_check(self) -> None:
        """On a terminal each result is a line, and the last one has the numbers."""
        server = self.serve("answer")
        target = f"{server.host}:{server.port}"
        terminal = Terminal(self.folder, "check", target, "--as", "answer", "--only", "known")
        self.addCleanup(terminal.close)
        terminal.shows("status=0")
        self.assertIn("pass  a known question", terminal.screen)
        self.assertIn("passed, 0 failed", terminal.screen)
