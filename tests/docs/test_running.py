"""docs/running.md, docs/settings.md and docs/wire.md against the code that they describe."""

from __future__ import annotations

import json
import re
import socket
import tempfile
from dataclasses import Field
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import ROOT, Running, readAll
from twistednet.events.jsonlines import dropped, line
from twistednet.events.model import Closed, Event, Faulted, Opened, Paused, Received, Refused, Sent
from twistednet.services.catalog import SERVICES
from twistednet.settings.loading import load
from twistednet.settings.schema import SHARED
from twistednet.transport.endpoints import Endpoint

RUNNING = ROOT / "docs" / "running.md"
SETTINGS = ROOT / "docs" / "settings.md"
WIRE = ROOT / "docs" / "wire.md"
_TABLE = re.compile(r"(<!-- settings: .*? -->\n)(.*?)(<!-- end of settings -->)", re.DOTALL)


def _unit(one: Field[Any]) -> str:
    meaning = one.metadata["help"]
    if " a second" in meaning:
        return "1/s"
    if isinstance(one.default, bool):
        return "switch"
    for word, unit in (("seconds", "s"), ("bytes", "B")):
        if meaning.startswith(word):
            return unit
    isCount = isinstance(one.default, int) or "connections" in meaning
    return "count" if isCount else ""


def settingsTable() -> str:
    """Every setting, its default, unit and meaning, as a table in Markdown."""
    rows = ["| setting | default | unit | what it is |", "| --- | --- | --- | --- |"]
    rows.append("| `only` | every service | | the services to serve |")
    for service in SERVICES:
        default = " ".join(text for text in service.listen if "interface" not in text)
        rows.append(
            f"| `{service.name}` | `{default}` | | where {service.name} listens, or `off`: "
            f"it {service.help} |"
        )
        rows.append(
            f"| `{service.name}-class` | `{service.protocol.__module__}."
            f"{service.protocol.__name__}` | | a subclass of this to serve |"
        )
    rows.append("| `admin` | `tcp:8800` | | where the admin site listens, or `off` |")
    for key, one in SHARED.items():
        default = one.metadata["shown"] or str(one.default).lower()
        rows.append(f"| `{key}` | {default} | {_unit(one)} | {one.metadata['help']} |")
    return "\n".join(rows) + "\n"


class SettingsTests(SynchronousTestCase):
    def test_the_table_is_true(self) -> None:
        """The page has every setting, as the code has it; this module run as a program
        writes it anew."""
        found = _TABLE.search(SETTINGS.read_text())
        assert found is not None
        self.assertEqual(settingsTable(), found[2])

    def test_the_files_work(self) -> None:
        """The settings file of the page, and the answer book that it names, are taken."""
        settings, answers = re.findall(r"^```toml\n(.*?)^```$", SETTINGS.read_text(), re.M | re.S)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "questions.toml").write_text(answers)
            file = Path(folder) / "netdemo.toml"
            file.write_text(settings)
            taken = load({}, str(file), {one.name: one for one in SERVICES}, {})
        assert taken.answers is not None
        self.assertEqual("netdemo", taken.answers.answer("What is your name?"))
        self.assertEqual(500, taken.maxConnections)
        self.assertEqual(2, len(taken.listen["echo"]))
        self.assertEqual((), taken.listen["hello"])

    def test_the_endpoints_are_endpoints(self) -> None:
        """Every endpoint that the page names is one, and is as public as it says."""
        rows = re.findall(
            r"^\| `((?:tcp|udp|unix|ssl|tls|systemd)6?:[^`]+)`", SETTINGS.read_text(), re.M
        )
        self.assertEqual(8, len(rows))
        public = [text for text in rows if Endpoint.parse(text).isPublic]
        self.assertEqual(["tcp:8888:interface=0.0.0.0"], public)

    def test_every_reason_is_told(self) -> None:
        """Each reason to close that the code documents has its row."""
        listed = (Closed.__doc__ or "").partition("one of: ")[2].partition("). Bytes")[0]
        reasons = re.split(r",\s+|\s*\(", listed.replace("or the limit that was reached", ""))
        told = " ".join(re.findall(r"^\| ([^`|]+) \|", RUNNING.read_text(), re.M))
        self.assertGreater(len(reasons), 8)
        self.assertEqual([], [one for one in reasons if " ".join(one.split()) not in told])


class WireTests(SynchronousTestCase):
    def test_the_transcript_is_true(self) -> None:
        """What the page shows of lines and bare messages is what the daemon answers."""
        rows = re.findall(r"^> (.*?)(?: +\(no newline\))? +< (.*)$", WIRE.read_text(), re.MULTILINE)
        self.assertEqual(4, len(rows))
        running = Running("--only=answer", "--answer=tcp:0")
        self.addCleanup(running.stop)
        for sent, expected in rows:
            with running.connect("answer") as connection:
                connection.sendall(self._bytes(sent))
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(self._bytes(expected), readAll(connection))

    def _bytes(self, shown: str) -> bytes:
        return shown.encode().decode("unicode_escape").encode("latin-1")

    def test_the_schema_is_true(self) -> None:
        """The lines that the page shows are lines, and it tells of each event and field."""
        page = WIRE.read_text()
        found = re.search(r"^```json\n(.*?)^```$", page, re.M | re.S)
        assert found is not None
        shown = [json.loads(text) for text in found[1].splitlines()]
        whose = (1, "echo", "127.0.0.1:41644")
        events: list[Event] = [
            Opened(*whose, "tcp", "127.0.0.1:8888"),
            Received(*whose, b"hello\xff\n", "dataReceived"),
            Sent(*whose, b"hello\xff\n", "dataReceived"),
            Received(*whose, b"", "connectionLost"),
            Closed(*whose, "client FIN", 7, 7, 0.001024),
        ]
        clocks = [{"time": one["time"], "monotonic": one["monotonic"]} for one in shown]
        lines = [json.loads(line(event, 0)) | at for event, at in zip(events, clocks, strict=True)]
        self.assertEqual(lines, shown)
        told = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", page, re.MULTILINE)
        fields = set(re.findall(r"`(\w+)`", page.partition("| field |")[2]))
        others: list[Event] = [
            Faulted(*whose, "drop"),
            Paused(*whose, 9),
            Refused("echo", "p", "idle"),
        ]
        texts = [line(event, 0) for event in (*events, *others)] + [dropped(1, 0, 0)]
        common = {"v", "event", "time", "monotonic", "id", "service", "peer"}
        for one in map(json.loads, texts):
            own = set(re.findall(r"`(\w+)`", dict(told)[one["event"]]))
            self.assertEqual(set(one) - common, own)
            self.assertLessEqual(own - {"fault", "rule", "did", "count"}, fields)

    def test_the_ports_are_true(self) -> None:
        """The table of services has the default port of each."""
        told = dict(re.findall(r"^\| \[(\w+)\]\(#\w+\) \| ([^|]+?) \|", WIRE.read_text(), re.M))
        for service in SERVICES:
            ports = [text.upper().replace(":", " ") for text in service.listen if "=" not in text]
            self.assertEqual(", ".join(ports), told.pop(service.name))
        self.assertEqual({}, told)


if __name__ == "__main__":
    page = _TABLE.sub(lambda found: found[1] + settingsTable() + found[3], SETTINGS.read_text())
    SETTINGS.write_text(page)
