"""README.md: each command and example in it works, and prints what it shows."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.support.processes import (
    ANYWHERE,
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
    """Return the code blocks in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def example(word: str) -> str:
    """Return the one block of Python with this word in it."""
    [found] = [block for block in blocks("python") if word in block]
    return found


def commands() -> list[tuple[str, str]]:
    """Return each command after a prompt, and the output below it."""
    found = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks("console")), re.MULTILINE)
    return [(command, output) for command, output in found]


def anchors(page: Path) -> list[str]:
    """Return the anchor of each heading, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings]


class ReadmeTests(DaemonTests):
    """The commands as written, but for ports and folders."""

    def here(self, text: str) -> str:
        """Return the text with the ports of this test's own daemon."""
        for port, service in PORTS.items():
            kind = "udp" if service == "datagram" else ""
            text = re.sub(rf"\b{port}\b", str(self.daemon.address(service, kind)[1]), text)
        return text

    def test_clients(self) -> None:
        """Each nc and curl command prints what the README shows below it."""
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
        """The client of a course prints the conversation that the README shows."""
        done = subprocess.run(
            [sys.executable, "-c", self.here(example("create_connection"))],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        self.assertEqual(done.stdout, blocks("text")[0])

    def test_fixture(self) -> None:
        """The pytest example passes as it stands, and fails for a client that does not retry."""
        source = example("netdemo.serve(")
        # The one that gives up first: a test that cannot fail would show nothing.
        for tries, outcome in (("Retry(1,", "1 failed"), ("Retry(3,", "1 passed")):
            folder = temporaryFolder(self)
            (folder / "test_example.py").write_text(source.replace("Retry(3,", tries))
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=3 * PATIENCE
            )
            self.assertIn(outcome, done.stdout, done.stdout + done.stderr)

    def test_faults(self) -> None:
        """The daemon takes each fault flag."""
        flags = [line for block in blocks("sh") for line in block.splitlines()]
        self.assertEqual(len(flags), 6)
        words = [word for line in flags for word in shlex.split(line, comments=True)]
        daemon = Running(*ANYWHERE, *words)
        self.addCleanup(daemon.close)
        self.assertEqual(daemon.stop(), -signal.SIGTERM)

    def test_daemons(self) -> None:
        """Each command that starts the daemon serves, with a class of one's own too."""
        folder = temporaryFolder(self)
        (folder / "loud.py").write_text(example("class Loud"))
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
        """The command for help exits with status 0."""
        self.assertIn("twistd netdemo --help", [command for command, _ in commands()])
        self.assertEqual(run("netdemo", "--help").returncode, 0)

    def test_setUp(self) -> None:
        """CI finds each of the two commands that set up, and runs it on a clean checkout."""
        ci = (ROOT / ".ci" / "run").read_text()
        setUps = [command for command, _ in commands() if "venv" in command]
        self.assertEqual(len(setUps), 2)
        for end in ("twistd -n netdemo", "pytest -n auto"):
            self.assertIn(f"grep -oP '^\\$ \\Kpython3 -m venv.*{end}$' README.md", ci)
            found = re.findall(rf"^\$ python3 -m venv.*{end}$", README, re.MULTILINE)
            self.assertEqual(len(found), 1, end)

    def test_everyCommandIsOneOfThese(self) -> None:
        """One of the tests above runs each command."""
        left = [
            command
            for command, _ in commands()
            if not re.search(r"venv|^(\w+=\S+ )*twistd -n netdemo|nc |^curl |--help$", command)
        ]
        self.assertEqual(left, [])

    def test_links(self) -> None:
        """Each link of a page leads to a file that exists, and to a heading in it."""
        pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
        self.assertGreater(len(pages), 5)
        wrong = []
        for page in pages:
            for path, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", page.read_text()):
                target = page.parent / path if path else page
                if not target.exists() or (anchor and anchor not in anchors(target)):
                    wrong.append(f"{page.name}: {path}#{anchor}")
        self.assertEqual(wrong, [])
