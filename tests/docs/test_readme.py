"""README.md: every command in it works, and says what it says there."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys

from twisted.trial.unittest import SkipTest

from tests.support.processes import (
    PATIENCE,
    ROOT,
    DaemonTests,
    Running,
    environment,
    run,
    temporaryFolder,
)

README = (ROOT / "README.md").read_text()
PORTS = {8888: "echo", 50007: "answer", 5000: "datagram", 8080: "hello"}


def blocks(language: str) -> list[str]:
    """The code blocks in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Every command that stands after a prompt, and the output that stands below it."""
    found = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks("console")), re.MULTILINE)
    return [(command, output) for command, output in found]


class ReadmeTests(DaemonTests):
    """Typed as written, but for the ports and the folder."""

    def here(self, text: str) -> str:
        """The text with the ports of this test's own daemon."""
        for port, service in PORTS.items():
            kind = "udp" if service == "datagram" else ""
            text = re.sub(rf"\b{port}\b", str(self.daemon.address(service, kind)[1]), text)
        return text

    def test_clients(self) -> None:
        """Each nc and curl prints what stands below it."""
        asked = [(one, out) for one, out in commands() if "nc " in one or "curl " in one]
        self.assertEqual(len(asked), 5)
        for command, output in asked:
            for tool in ("nc", "curl"):
                if tool in shlex.split(command) and shutil.which(tool) is None:
                    raise SkipTest(f"{tool} is not installed")
            done = subprocess.run(
                ["bash", "-c", self.here(command)],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=True,
            )
            self.assertEqual(done.stdout.rstrip("\n"), output.rstrip("\n"), command)

    def test_python(self) -> None:
        """The client of a course prints the conversation."""
        done = subprocess.run(
            [sys.executable, "-c", self.here(blocks("python")[0])],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        self.assertEqual(done.stdout, blocks("text")[0])

    def test_daemons(self) -> None:
        """Each way to start the daemon serves, the class of one's own included."""
        folder = temporaryFolder(self)
        (folder / "loud.py").write_text(blocks("python")[1])
        started = [one for one, _ in commands() if "twistd -n" in one and ".venv" not in one]
        self.assertEqual(len(started), 3)
        for command in started:
            variables, _, flags = command.partition("twistd -n netdemo ")
            arguments = shlex.split(flags.replace("/tmp/", f"{folder}/"))
            given = dict(word.split("=", 1) for word in variables.split())
            daemon = Running(*arguments, env=environment(**given, PYTHONPATH=str(folder)))
            self.addCleanup(daemon.close)
            self.assertEqual(daemon.stop(), -signal.SIGTERM, command)

    def test_help(self) -> None:
        """The one that only asks."""
        self.assertIn("twistd netdemo --help", [command for command, _ in commands()])
        self.assertEqual(run("netdemo", "--help").returncode, 0)

    def test_setUp(self) -> None:
        """The two that set up are run on a clean checkout by the project's CI."""
        ci = (ROOT / ".ci" / "run").read_text()
        setUps = [command for command, _ in commands() if "venv" in command]
        self.assertEqual(len(setUps), 2)
        self.assertIn("grep -oP '^\\$ \\Kpython3 -m venv.*twistd -n netdemo$' README.md", ci)
        self.assertIn("grep -oP '^\\$ \\Kpython3 -m venv.*pytest -n auto$' README.md", ci)

    def test_everyCommandIsOneOfThese(self) -> None:
        """No command stands there that no test above runs."""
        left = [
            command
            for command, _ in commands()
            if not re.search(r"venv|^(\w+=\S+ )*twistd -n netdemo|nc |^curl |--help$", command)
        ]
        self.assertEqual(left, [])

    def test_links(self) -> None:
        """What it links to is there."""
        links = re.findall(r"\]\((?!http)([^)#]+)(?:#([\w-]+))?\)", README)
        self.assertGreater(len(links), 3)
        for path, anchor in links:
            self.assertTrue((ROOT / path).exists(), path)
            if anchor:
                headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.MULTILINE)
                self.assertIn(anchor, [one.lower().replace(" ", "-") for one in headings])
