"""What docs and packaging say of metrics, against the daemon that has them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

from twisted.trial.unittest import SkipTest

from tests.support.adminsite import AdminTests
from tests.support.processes import PATIENCE, ROOT

PACKAGING = ROOT / "packaging"
WATCHING = (ROOT / "docs" / "watching.md").read_text()


class PackagingTests(AdminTests):
    """The metrics of a daemon that has served a little."""

    def setUp(self) -> None:
        super().setUp()
        with self.connect("echo") as sock:
            sock.sendall(b"x")
            sock.recv(1)

    def labels(self) -> dict[str, set[str]]:
        """The names on /metrics of ours and of the process, and the labels of each."""
        page = self.admin.ask("/metrics").body.decode()
        found: dict[str, set[str]] = {}
        for name, rest in re.findall(r"^(?:# TYPE )?(\w+)(?:\{(.*)\})?", page, re.MULTILINE):
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', rest))
        return found

    def test_table(self) -> None:
        """The page has each metric with its labels, and no other."""
        table = dict(re.findall(r"^\| `(twistednet_\w+)` \| ([^|]*)\|", WATCHING, re.MULTILINE))
        found = {
            name: labels
            for name, labels in self.labels().items()
            if name.startswith("twistednet_") and not name.endswith(("_bucket", "_sum", "_count"))
        }
        self.assertEqual(set(found), set(table))
        for name, labels in found.items():
            told = set(re.findall(r"`(\w+)`", table[name]))
            self.assertLessEqual(labels, told, name)

    def test_paths(self) -> None:
        """The API's document has each path that the page tells of."""
        document = self.admin.ask("/api/v1/openapi.json").json
        told = re.findall(r"^\| `(/[\w./]*)`", WATCHING, re.MULTILINE)
        self.assertGreater(len(told), 8)
        known = {path.replace("{id}", "ID") for path in document["paths"]}
        self.assertEqual([], [path for path in told if path not in known])

    def used(self, text: str) -> set[str]:
        """The metrics that queries name."""
        return set(re.findall(r"\b((?:twistednet|process)_\w+)", text))

    def test_alerts(self) -> None:
        """Prometheus takes the rules and its settings; each metric in them is there."""
        rules = PACKAGING / "prometheus" / "alerts.yml"
        self.assertEqual(set(), self.used(rules.read_text()) - set(self.labels()))
        if shutil.which("promtool") is None:
            raise SkipTest("promtool is not installed (Debian: prometheus)")
        for what, name in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
            done = subprocess.run(
                ["promtool", "check", what, name],
                cwd=rules.parent,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        alerts = set(re.findall(r"^\s*- alert: (\w+)", WATCHING, re.MULTILINE))
        self.assertLess(alerts, set(re.findall(r"- alert: (\w+)", rules.read_text())))

    def test_dashboard(self) -> None:
        """Each query of the dashboard is one that Prometheus can parse, of metrics that are
        there; no two panels lie upon each other."""
        dashboard = json.loads((PACKAGING / "grafana" / "netdemo.json").read_text())
        panels: list[dict[str, Any]] = dashboard["panels"]
        queries = [target["expr"] for panel in panels for target in panel["targets"]]
        self.assertGreater(len(queries), 15)
        self.assertEqual(set(), self.used("\n".join(queries)) - set(self.labels()))
        squares = [
            (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
            for panel in panels
            for x in range(panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["h"])
        ]
        self.assertEqual(len(squares), len(set(squares)))
        self.assertLess(max(x for x, _ in squares), 24)
        self.assertEqual(len(panels), len({panel["id"] for panel in panels}))
        self.parse(queries)

    def parse(self, queries: list[str]) -> None:
        """As rules, which promtool can check."""
        if shutil.which("promtool") is None:
            raise SkipTest("promtool is not installed (Debian: prometheus)")
        rules = [{"record": f"a:{n}", "expr": one} for n, one in enumerate(queries)]
        text = json.dumps({"groups": [{"name": "dashboard", "rules": rules}]})
        done = subprocess.run(
            ["promtool", "check", "rules", "/dev/stdin"],
            input=text,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
